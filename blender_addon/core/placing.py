# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pose out of a picture is put: it stands at the origin, the character may not. No bpy."""

import numpy as np

from ..shared.motion import Motion
from ..shared.rotations import axis_angle_to_matrix, axis_rotation, matrix_to_axis_angle
from ..shared.skeleton import REST_OFFSETS


def place(pose: Motion, now: Motion, *, keep_place: bool, keep_heading: bool) -> Motion:
    """One frame's pose moved to where the character is in `now` (one frame), about the vertical.

    keep_place: the pelvis stays over its point on the ground; its height is the pose's.
    keep_heading: the pelvis faces where it faced; else the way the pose has it.
    """
    root = axis_angle_to_matrix(pose.poses[:, 0].astype(np.float64))
    pelvis = pose.trans.astype(np.float64) + REST_OFFSETS[0]
    if keep_heading:
        turn = axis_rotation(np.array(heading(now) - heading(pose)), "Y")
        root, pelvis = turn @ root, pelvis @ turn.T
    if keep_place:
        pelvis[:, [0, 2]] = (now.trans[0] + REST_OFFSETS[0])[[0, 2]]
    poses = pose.poses.astype(np.float64).copy()
    poses[:, 0] = matrix_to_axis_angle(root)
    return Motion(poses, pelvis - REST_OFFSETS[0], pose.fps, pose.betas, pose.gender)


def heading(motion: Motion) -> float:
    """Radians about Y that the first frame's pelvis is turned, 0 where it faces +Z."""
    root = axis_angle_to_matrix(motion.poses[0, 0].astype(np.float64))
    ahead = root[:, 2]
    if np.hypot(ahead[0], ahead[2]) < 0.2:  # lying: where the top of the pelvis points instead
        ahead = -root[:, 1] if ahead[1] > 0 else root[:, 1]
    return float(np.arctan2(ahead[0], ahead[2]))
