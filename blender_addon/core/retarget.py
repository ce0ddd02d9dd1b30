# SPDX-License-Identifier: GPL-3.0-or-later
"""SMPL motion to the channels of posed bones, in plain numpy. No bpy here.

A bone lies in the T-pose with a rest rotation M of its own, SMPL joints lie there with none. The
bone ends up where the joint would when its local rotation is M^-1 R M, and conjugation by a
rotation turns the axis of R and keeps its angle, so it is one matrix product on axis-angles.
"""

from dataclasses import dataclass

import numpy as np

from ..shared.motion import Motion
from ..shared.rotations import axis_angle_to_quaternion, make_quaternions_continuous
from ..shared.skeleton import REST_OFFSETS


@dataclass(frozen=True)
class BoneChannels:
    """What is keyed on the bones: T frames, J joints.

    quaternions: (T, J, 4) local rotations (w, x, y, z), without a change of sign between frames.
    root_locations: (T, 3) offset of the pelvis bone from its rest place, in its own axes, metres.
    """

    quaternions: np.ndarray
    root_locations: np.ndarray


def bone_channels(
    motion: Motion, rest_rotations: np.ndarray, root_rest: np.ndarray
) -> BoneChannels:
    """The channels that make bones follow `motion`.

    rest_rotations: (>= J, 3, 3) each bone's rest axes as columns, in SMPL's axes (Y up);
    root_rest: (3,) rest place of the pelvis bone's head in the same axes, metres.
    """
    num_joints = motion.poses.shape[1]
    turn = np.swapaxes(rest_rotations[:num_joints], -1, -2)
    axis_angles = np.einsum("jab,tjb->tja", turn, motion.poses.astype(np.float64))
    quaternions = make_quaternions_continuous(axis_angle_to_quaternion(axis_angles))
    offsets = motion.trans.astype(np.float64) + REST_OFFSETS[0] - root_rest
    return BoneChannels(quaternions, offsets @ turn[0].T)
