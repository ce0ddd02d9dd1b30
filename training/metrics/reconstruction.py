# SPDX-License-Identifier: Apache-2.0
"""How well a tokenizer gives a motion back: joint error, feature error, code use, foot skating."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from backend.motion.kinematics import decode_smpl22_torch
from backend.motion.representation import FPS, ROOT_DIM
from backend.motion.tokenizer import MotionTokenizer
from blender_addon.shared.skeleton import FOOT_JOINTS


@dataclass(frozen=True)
class ReconstructionScores:
    """Means over all frames of all clips.

    mse: squared error of the normalised features. mpjpe_root_mm: distance of the joints, pelvis
    on pelvis. mpjpe_world_mm: the same without moving anything; frame 0 is at the origin in both.
    codebook_use: the smallest fraction of a codebook in use over the parts. skating: mean
    horizontal speed (m/s) of foot joints while the original's are planted; skating_original: the
    original's own.
    """

    mse: float
    mpjpe_root_mm: float
    mpjpe_world_mm: float
    codebook_use: float
    skating: float
    skating_original: float
    codebook_use_per_part: dict[str, float]
    clips: int
    frames: int

    def to_dict(self) -> dict:
        return asdict(self)


def joint_errors(made: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
    """(..., T, J, 3) positions twice -> root-aligned and world error (..., T), metres a joint."""
    root = (made - made[..., :1, :]) - (original - original[..., :1, :])
    return root.norm(dim=-1).mean(dim=-1), (made - original).norm(dim=-1).mean(dim=-1)


def foot_skating(positions: Tensor, contacts: Tensor) -> tuple[float, int]:
    """Positions (T, 22, 3) metres, contacts (T, 4) of 0 or 1 -> (sum of speeds in m/s, count).

    Horizontal speed of each foot joint over each step in which it is planted.
    """
    feet = positions[:, list(FOOT_JOINTS)][..., [0, 2]]
    speed = (feet[1:] - feet[:-1]).norm(dim=-1) * FPS
    planted = contacts[:-1] > 0.5
    return float(speed[planted].sum()), int(planted.sum())


class ReconstructionMeter:
    """Sums over clips; `scores` gives the means."""

    def __init__(self, tokenizer: MotionTokenizer) -> None:
        self.tokenizer = tokenizer
        config = tokenizer.config
        self.used = torch.zeros(config.num_parts, config.codebook_size, dtype=torch.bool)
        self.clips = self.frames = self.planted = 0
        self.squared = self.root = self.world = self.slid = self.slid_original = 0.0

    @torch.no_grad()
    def add(self, features: Tensor) -> None:
        """One clip, (T, 272) raw rows; frames past the last whole time step are left out."""
        step = self.tokenizer.config.DOWNSAMPLING
        rows = features[: len(features) // step * step]
        if len(rows) == 0:
            return
        codes = self.tokenizer.encode(rows[None])
        made = self.tokenizer.decode(codes)[0]
        for part, indices in enumerate(codes[0].T):
            self.used[part, indices] = True
        difference = self.tokenizer.normalize(made) - self.tokenizer.normalize(rows)
        self.squared += float(difference.double().square().mean(dim=-1).sum())
        original = decode_smpl22_torch(rows[None].double())[0][0]
        rebuilt = decode_smpl22_torch(made[None].double())[0][0]
        root, world = joint_errors(rebuilt, original)
        self.root += float(root.sum())
        self.world += float(world.sum())
        contacts = rows[:, 4:ROOT_DIM]
        slid, planted = foot_skating(rebuilt, contacts)
        self.slid += slid
        self.slid_original += foot_skating(original, contacts)[0]
        self.planted += planted
        self.frames += len(rows)
        self.clips += 1

    def scores(self) -> ReconstructionScores:
        """Raises ValueError when no clip was added."""
        if self.frames == 0:
            raise ValueError("no clip was long enough to measure")
        use = self.used.float().mean(dim=-1).tolist()
        names = self.tokenizer.config.part_names
        planted = max(self.planted, 1)
        return ReconstructionScores(
            mse=self.squared / self.frames,
            mpjpe_root_mm=1000 * self.root / self.frames,
            mpjpe_world_mm=1000 * self.world / self.frames,
            codebook_use=min(use),
            skating=self.slid / planted,
            skating_original=self.slid_original / planted,
            codebook_use_per_part=dict(zip(names, use, strict=True)),
            clips=self.clips,
            frames=self.frames,
        )
