# SPDX-License-Identifier: Apache-2.0
"""Poses out of a prepared data set: 22 local rotations, the heading taken out of the root's."""

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.motion.kinematics import rotation_6d_to_matrix
from backend.motion.representation import JOINT_DIM, ROOT_DIM
from blender_addon.shared.skeleton import NUM_BODY_JOINTS
from training.data.prepared import PreparedDataset

_POSES_A_CLIP = 4


def row_rotations(rows: np.ndarray) -> Tensor:
    """(N, 272) smpl22 rows -> (N, 22, 3, 3) local rotations, the root's without its heading."""
    joints = rows[:, ROOT_DIM:].reshape(len(rows), NUM_BODY_JOINTS, JOINT_DIM)
    return rotation_6d_to_matrix(torch.from_numpy(np.ascontiguousarray(joints[..., :6])))


class PoseSampler:
    """Random poses of a split; a source with n frames is drawn as often as sqrt(n) says."""

    def __init__(self, data: PreparedDataset, seed: int) -> None:
        if len(data) == 0:
            raise InvalidInput(f"{data.folder} has no clips to train on.")
        self.data, self.seed = data, seed
        frames = np.array([clip.frames for clip in data.clips], dtype=np.float64)
        totals: dict[str, float] = defaultdict(float)
        for clip in data.clips:
            totals[clip.source] += clip.frames
        chances = frames / np.sqrt([totals[clip.source] for clip in data.clips])
        self.chances = chances / chances.sum()

    def batch(self, step: int, size: int) -> Tensor:
        """(size, 22, 3, 3); depends on seed and step alone."""
        rng = np.random.default_rng((self.seed, step))
        rows = []
        for index in rng.choice(len(self.chances), -(-size // _POSES_A_CLIP), p=self.chances):
            clip = self.data.features(int(index))
            rows.append(clip[rng.integers(len(clip), size=_POSES_A_CLIP)])
        return row_rotations(np.concatenate(rows)[:size])


def every_pose(data: PreparedDataset, stride: int = 5) -> Tensor:
    """(N, 22, 3, 3) every `stride`-th pose of all clips: a quarter second apart is news enough."""
    rows = [data.features(index)[::stride] for index in range(len(data))]
    return row_rotations(np.concatenate(rows))
