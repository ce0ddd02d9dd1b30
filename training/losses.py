# SPDX-License-Identifier: Apache-2.0
"""What the motion tokenizer is trained to get right: rows, joints in space, and planted feet."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.motion.representation import JOINT_DIM, ROOT_DIM
from backend.motion.tokenizer import TokenizerOutput
from blender_addon.shared.skeleton import FOOT_JOINTS, NUM_BODY_JOINTS, PARENTS, REST_OFFSETS


@dataclass(frozen=True)
class TokenizerLossWeights:
    """Weight of each term. All but `mse` and `commitment` act on metres and radians."""

    mse: float = 4.0
    joints: float = 8.0
    path: float = 1.0
    heading: float = 2.0
    velocity: float = 20.0
    planted: float = 10.0
    commitment: float = 0.02


def pose_positions(rows: Tensor) -> Tensor:
    """(N, 272) raw smpl22 rows -> (22, 3, N) joints in metres over the root's point on the ground.

    What `backend.motion.kinematics.decode_smpl22_torch` gives before heading and path, four times
    faster forward and back: frames lie along the last axis, and rotations that move no joint
    (wrists, head, toes) are left out. Heading and path are compared on their own in training, so
    that a wrong heading is not every joint's error.
    """
    joints = rows[:, ROOT_DIM:].reshape(-1, NUM_BODY_JOINTS, JOINT_DIM)
    columns = joints[..., :6].permute(1, 2, 0)
    x = _unit(columns[:, :3])
    y = columns[:, 3:]
    y = _unit(y - (x * y).sum(dim=1, keepdim=True) * x)
    local = [axis.unbind(0) for axis in (x, y, torch.linalg.cross(x, y, dim=1))]
    height = rows[:, 3]
    positions = [torch.stack([torch.zeros_like(height), height, torch.zeros_like(height)])]
    world = {0: tuple(axis[0] for axis in local)}
    for j in range(1, NUM_BODY_JOINTS):
        above = world[PARENTS[j]]
        positions.append(positions[PARENTS[j]] + _combine(above, REST_OFFSETS[j].tolist()))
        if j in PARENTS[:NUM_BODY_JOINTS]:
            world[j] = tuple(_combine(above, axis[j].unbind(0)) for axis in local)
    return torch.stack(positions[:NUM_BODY_JOINTS])


def _unit(v: Tensor) -> Tensor:
    return v * (v * v).sum(dim=1, keepdim=True).clamp_min(1e-8).rsqrt()


def _combine(axes: tuple[Tensor, ...], weights) -> Tensor:
    """Three (3, N) columns of a matrix times a vector: plain numbers or (N,) tensors."""
    a, b, c = axes
    return a * weights[0] + b * weights[1] + c * weights[2]


class TokenizerLoss(nn.Module):
    """Reconstruction of a window: normalised rows, joints, speeds, heading and path, planted feet.

    The motion is made from a row's rotations and root velocities; its positions and velocities
    are there for the encoder. So the terms in space are computed from the former and compared
    with the latter, which for the target are exact.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, weights: TokenizerLossWeights) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone(), persistent=False)
        self.register_buffer("std", std.clone(), persistent=False)
        self.weights = weights

    def forward(self, output: TokenizerOutput, target: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """target: (B, T, 272) normalised; mask: (B, T) 1.0 on real frames, 0.0 on padding.

        Returns the terms by name; `loss` is their weighted sum, `mse` the plain feature error.
        """
        w = self.weights
        error = output.features - target
        rows = mask.sum()
        mean, std = self.mean, self.std
        made = output.features * std + mean
        wanted = target * std + mean
        space = _space_terms(made, wanted, mask)
        mse = (error.square().mean(dim=-1) * mask).sum() / rows
        loss = w.mse * mse + w.commitment * output.commitment
        for name, value in space.items():
            loss = loss + getattr(w, name) * value
        return {"loss": loss, "mse": mse, "commitment": output.commitment, **space}


def _space_terms(made: Tensor, wanted: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """(B, T, 272) raw rows twice, mask (B, T) -> the terms in metres and radians."""
    batch, frames, _ = made.shape
    joints = pose_positions(made.flatten(0, 1)).view(NUM_BODY_JOINTS, 3, batch, frames)
    table = wanted[..., ROOT_DIM:].unflatten(-1, (NUM_BODY_JOINTS, JOINT_DIM)).permute(2, 3, 0, 1)
    rows = mask.sum()
    distance = _length(joints - table[:, 6:9])
    terms = {"joints": (distance.mean(dim=0) * mask).sum() / rows}

    # velocity of each joint in frame t's heading frame, as the row has it
    after, here = joints[..., 1:], joints[..., :-1]
    turn, step_x, step_z = made[:, :-1, 0], made[:, :-1, 1], made[:, :-1, 2]
    cos, sin = turn.cos(), turn.sin()
    velocity = torch.stack(
        [
            cos * after[:, 0] + sin * after[:, 2] + step_x - here[:, 0],
            after[:, 1] - here[:, 1],
            cos * after[:, 2] - sin * after[:, 0] + step_z - here[:, 2],
        ],
        dim=1,
    )
    slip = _length(velocity - table[:, 9:12, :, :-1])
    pair = mask[:, 1:]
    terms["velocity"] = (slip.mean(dim=0) * pair).sum() / pair.sum()
    contact = wanted[:, :-1, 4:ROOT_DIM].permute(2, 0, 1) * pair
    terms["planted"] = (slip[list(FOOT_JOINTS)] * contact).sum() / (4 * pair.sum())

    path, heading = _path(made)
    true_path, true_heading = _path(wanted)
    terms["path"] = (_length(path - true_path) * mask).sum() / rows
    terms["heading"] = ((heading - true_heading).abs() * mask).sum() / rows
    return terms


def _length(vectors: Tensor) -> Tensor:
    """Length along the axis before the last two; smooth at 0."""
    return (vectors.square().sum(dim=-3) + 1e-8).sqrt()


def _path(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T, 272) raw rows -> root path (2, B, T) in metres and heading (B, T) in radians."""
    heading = rows[..., 0].cumsum(dim=1) - rows[..., 0]
    cos, sin = heading.cos(), heading.sin()
    x, z = rows[..., 1], rows[..., 2]
    steps = torch.stack([cos * x + sin * z, cos * z - sin * x])
    return steps.cumsum(dim=-1) - steps, heading
