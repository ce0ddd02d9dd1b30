# SPDX-License-Identifier: Apache-2.0
"""SMPL rotations to BlazePose landmarks in torch, with the derivatives that `refine` needs.

The derivatives of a kinematic tree are plain cross products, so a Gauss-Newton step needs no
autograd: a turn of joint j moves a point p by (axis) x (p - joint).
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS, REST_OFFSETS

from .skeleton33 import (
    BONE_GROUPS,
    JOINT_GROUPS,
    LANDMARK_GROUPS,
    LANDMARK_JOINTS,
    LANDMARK_OFFSETS,
    NUM_LANDMARKS,
)

NUM_SIZES = 1 + len(BONE_GROUPS)
"""Numbers that scale a body: its log height, then the log of each bone group on top of it."""


@dataclass(frozen=True)
class PosedLandmarks:
    """B posed bodies, the pelvis at the origin, metres.

    points: (B, 33, 3); by_turn: (B, 33, 3, 22, 3) metres a radian, for right-handed turns of each
    joint about its own local axes (R -> R exp(d)); by_size: (B, 33, 3, NUM_SIZES).
    """

    points: Tensor
    by_turn: Tensor
    by_size: Tensor


@dataclass(frozen=True)
class _Tables:
    levels: list[tuple[list[int], list[int]]]  # joints of one depth, and their parents
    above: Tensor  # (33, 22) 1 where a joint carries the landmark
    bones: Tensor  # (groups, 33, 22) 1 where a bone of the group leads to the landmark
    own: Tensor  # (groups, 33) 1 where the group scales the landmark's offset
    rest: Tensor
    offsets: Tensor
    joint_size: Tensor  # (NUM_SIZES, 22): what scales each bone
    landmark_size: Tensor  # (NUM_SIZES, 33)


@lru_cache(maxsize=4)
def _tables(dtype: torch.dtype) -> _Tables:
    depth = [0] * NUM_BODY_JOINTS
    carried = torch.zeros(NUM_BODY_JOINTS, NUM_BODY_JOINTS, dtype=dtype)
    carried[0, 0] = 1
    for j in range(1, NUM_BODY_JOINTS):
        depth[j] = depth[PARENTS[j]] + 1
        carried[j] = carried[PARENTS[j]]
        carried[j, j] = 1
    levels = []
    for level in range(1, max(depth) + 1):
        joints = [j for j in range(NUM_BODY_JOINTS) if depth[j] == level]
        levels.append((joints, [PARENTS[j] for j in joints]))
    above = carried[list(LANDMARK_JOINTS)]
    groups = len(BONE_GROUPS)
    of_joint = torch.nn.functional.one_hot(torch.tensor(JOINT_GROUPS[:NUM_BODY_JOINTS]), groups)
    of_landmark = torch.nn.functional.one_hot(torch.tensor(LANDMARK_GROUPS), groups)
    of_joint, of_landmark = of_joint.T.to(dtype), of_landmark.T.to(dtype)
    return _Tables(
        levels=levels,
        above=above,
        bones=above[None] * of_joint[:, None],
        own=of_landmark,
        rest=torch.tensor(REST_OFFSETS[:NUM_BODY_JOINTS], dtype=dtype),
        offsets=torch.tensor(LANDMARK_OFFSETS, dtype=dtype),
        joint_size=torch.cat([torch.ones(1, NUM_BODY_JOINTS, dtype=dtype), of_joint]),
        landmark_size=torch.cat([torch.ones(1, NUM_LANDMARKS, dtype=dtype), of_landmark]),
    )


def pose_landmarks(rotations: Tensor, sizes: Tensor) -> Tensor:
    """Local rotations (B, 22, 3, 3), sizes (B, NUM_SIZES) -> (B, 33, 3) metres from the pelvis."""
    return _pose(rotations, sizes)[0]


def pose_joints(rotations: Tensor, sizes: Tensor) -> Tensor:
    """Local rotations (B, 22, 3, 3), sizes (B, NUM_SIZES) -> (B, 22, 3) metres from the pelvis."""
    return _pose(rotations, sizes)[2]


def differentiate_landmarks(rotations: Tensor, sizes: Tensor) -> PosedLandmarks:
    """Local rotations (B, 22, 3, 3), sizes (B, NUM_SIZES) -> landmarks and their derivatives."""
    t = _tables(rotations.dtype)
    points, world, joints, bones, own = _pose(rotations, sizes)
    arms = (points[:, :, None] - joints[:, None]) * t.above[..., None]  # (B, 33, 22, 3)
    axes = world.transpose(-1, -2)[:, None]  # (B, 1, 22, axis, 3)
    crossed = torch.linalg.cross(axes.expand(-1, NUM_LANDMARKS, -1, -1, -1), arms[..., None, :])
    by_group = torch.einsum("hlj,bjx->blxh", t.bones, bones)
    by_group = by_group + torch.einsum("hl,blx->blxh", t.own, own)
    by_size = torch.cat([points[..., None], by_group], dim=-1)
    return PosedLandmarks(points, crossed.permute(0, 1, 4, 2, 3), by_size)


def _pose(rotations: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """-> points (B, 33, 3), world rotations and positions of the joints (B, 22, ...), bones
    (B, 22, 3; the root's is 0) and landmark offsets (B, 33, 3), both turned into the world."""
    t = _tables(rotations.dtype)
    rest = t.rest * torch.exp(sizes @ t.joint_size)[..., None]
    offsets = t.offsets * torch.exp(sizes @ t.landmark_size)[..., None]
    world = torch.empty_like(rotations)
    world[:, 0] = rotations[:, 0]
    joints = torch.zeros_like(rest)
    bones = torch.zeros_like(rest)
    for level, parents in t.levels:
        carrier = world[:, parents]
        bones[:, level] = (carrier @ rest[:, level, :, None])[..., 0]
        joints[:, level] = joints[:, parents] + bones[:, level]
        world[:, level] = carrier @ rotations[:, level]
    at = list(LANDMARK_JOINTS)
    own = (world[:, at] @ offsets[..., None])[..., 0]
    return joints[:, at] + own, world, joints, bones, own
