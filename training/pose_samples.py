# SPDX-License-Identifier: Apache-2.0
"""Simulated people as the model is taught on them: landmarks in, pose codes out."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from backend.model.vision_projector import landmark_features
from backend.motion.pose_tokenizer import PoseTokenizer, pose_joints, without_heading
from backend.vision.pose_fitting import upright
from blender_addon.shared.skeleton import PART_NAMES
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator


@dataclass(frozen=True)
class PoseBatch:
    """seen: (B, 33, 6) for the projector; poses: (B, 22, 3, 3) local rotations, the heading taken
    out; codes: (B, P) of these."""

    seen: Tensor
    poses: Tensor
    codes: Tensor

    def rows(self, chosen: slice) -> "PoseBatch":
        """Some of the people."""
        parts = (self.seen, self.poses, self.codes)
        return PoseBatch(*(part[chosen] for part in parts))


class PoseSource:
    """Batches that depend on seed and step alone."""

    def __init__(self, simulator: LandmarkSimulator, tokenizer: PoseTokenizer, seed: int) -> None:
        self.simulator, self.tokenizer, self.seed = simulator, tokenizer, seed

    def batch(self, step: int, size: int) -> PoseBatch:
        return as_batch(self.simulator.batch(self.seed, step, size), self.tokenizer)


def as_batch(people: LandmarkBatch, tokenizer: PoseTokenizer) -> PoseBatch:
    """Simulated people with their codes."""
    poses = true_poses(people)
    return PoseBatch(seen_of(people), poses, tokenizer.encode(poses))


def seen_of(people: LandmarkBatch) -> Tensor:
    """(B, 33, 6) what a projector or the lifter reads of simulated people."""
    return landmark_features(
        *(torch.from_numpy(x) for x in (people.image, people.visibility, people.world))
    )


def true_poses(people: LandmarkBatch) -> Tensor:
    """(B, 22, 3, 3) local rotations, upright in the world and with the heading taken out."""
    rotations, camera = torch.from_numpy(people.rotations), torch.from_numpy(people.camera)
    return without_heading(upright(rotations, camera))


def pose_code_loss(
    logits: list[Tensor], batch: PoseBatch, tokenizer: PoseTokenizer, joints: float
) -> dict[str, Tensor]:
    """Cross-entropy of a pose token in nats, of each part's, and the joints' error in metres.

    logits: per part (B, K). The joints are those of the pose that the mean of the code vectors
    decodes to, weighed by their probabilities: a code next to the right one is less wrong than
    another (as in TokenHMR). joints: weight of their error in `loss`.
    """
    terms, vectors, total = {}, [], 0.0
    for part, scores in enumerate(logits):
        entropy = F.cross_entropy(scores.float(), batch.codes[:, part])
        total = total + entropy / len(logits)
        terms[PART_NAMES[part]] = entropy.detach()
        probabilities = scores.float().softmax(dim=-1)
        vectors.append(probabilities @ tokenizer.codebook_vectors()[part])
    made = pose_joints(tokenizer.decode_vectors(torch.stack(vectors, dim=1)))
    error = (made - pose_joints(batch.poses)).norm(dim=-1).mean()
    assert isinstance(total, Tensor)
    return {
        "loss": total + joints * error,
        "pose": total.detach(),
        "joints": error.detach(),
        **terms,
    }


@torch.no_grad()
def code_scores(codes: Tensor, batch: PoseBatch, tokenizer: PoseTokenizer) -> dict[str, float]:
    """Codes (B, P): how often they are right, and how far off the pose they decode to is, mm."""
    made, wanted = pose_joints(tokenizer.decode(codes)), pose_joints(batch.poses)
    return {
        "right": float((codes == batch.codes).float().mean()),
        "mpjpe_mm": 1000 * float((made - wanted).norm(dim=-1).mean()),
    }
