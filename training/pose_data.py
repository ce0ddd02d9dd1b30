# SPDX-License-Identifier: Apache-2.0
"""Poses to code: 22 local rotations, the heading taken out of the root's.

Out of a prepared data set, and wider than it: sitting, kneeling, reaching, limbs of one pose on
the body of another, since people in photographs do more than walk.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.motion.kinematics import rotation_6d_to_matrix
from backend.motion.pose_tokenizer import without_heading
from backend.motion.representation import JOINT_DIM, ROOT_DIM
from blender_addon.shared.skeleton import NUM_BODY_JOINTS
from training.data.pose_widening import PoseBank, WideningSettings, draw_poses
from training.data.prepared import PreparedDataset, balanced_chances

_POSES_A_CLIP = 4


def row_rotations(rows: np.ndarray) -> Tensor:
    """(N, 272) smpl22 rows -> (N, 22, 3, 3) local rotations, the root's without its heading."""
    joints = rows[:, ROOT_DIM:].reshape(len(rows), NUM_BODY_JOINTS, JOINT_DIM)
    rotations = rotation_6d_to_matrix(torch.from_numpy(np.ascontiguousarray(joints[..., :6])))
    return without_heading(rotations)


class PoseSampler:
    """Random poses of a split, no source drowning the others.

    widened: share of the poses that no recording shows (see data.pose_widening).
    """

    def __init__(self, data: PreparedDataset, seed: int, widened: float = 0.0) -> None:
        if len(data) == 0:
            raise InvalidInput(f"{data.folder} has no clips to train on.")
        self.data, self.seed, self.widened = data, seed, widened
        self.bank = PoseBank.from_prepared(data) if widened else None
        self.chances = balanced_chances(data.clips)

    def batch(self, step: int, size: int) -> Tensor:
        """(size, 22, 3, 3); depends on seed and step alone."""
        rng = np.random.default_rng((self.seed, step))
        made = round(self.widened * size)
        recorded, rows = size - made, []
        for index in rng.choice(len(self.chances), -(-recorded // _POSES_A_CLIP), p=self.chances):
            clip = self.data.features(int(index))
            rows.append(clip[rng.integers(len(clip), size=_POSES_A_CLIP)])
        poses = row_rotations(np.concatenate(rows)[:recorded])
        if self.bank is None or not made:
            return poses
        return torch.cat([poses, widened_poses(self.bank, rng, made)])


def widened_poses(bank: PoseBank, rng: np.random.Generator, count: int) -> Tensor:
    """(count, 22, 3, 3) of the kinds that no recording shows, in their shares to one another."""
    s = WideningSettings()
    total = s.recombined + s.kinds + s.limits
    shares = replace(
        s, recombined=s.recombined / total, kinds=s.kinds / total, limits=s.limits / total
    )
    return without_heading(torch.from_numpy(draw_poses(bank, rng, count, shares)).float())


def every_pose(data: PreparedDataset, stride: int = 5) -> Tensor:
    """(N, 22, 3, 3) every `stride`-th pose of all clips: a quarter second apart is news enough."""
    rows = [data.features(index)[::stride] for index in range(len(data))]
    return row_rotations(np.concatenate(rows))
