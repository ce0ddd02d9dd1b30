# SPDX-License-Identifier: Apache-2.0
"""Faults of recorded clips that must not be learned: marker poses before the take, lost bodies."""

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix, matrix_to_axis_angle

_IMPOSSIBLE_TURN = 40.0  # degrees from one frame to the next


def cut(motion: Motion, start: int, stop: int) -> Motion:
    """Frames start..stop-1 of a motion."""
    return Motion(motion.poses[start:stop], motion.trans[start:stop], motion.fps)


def fastest_root_turn(motion: Motion) -> float:
    """Degrees a second. Beyond what a spin kick or a flip needs, a capture has lost the body."""
    root = axis_angle_to_matrix(motion.poses[:, 0].astype(np.float64))
    step = matrix_to_axis_angle(root[:-1].swapaxes(-1, -2) @ root[1:])
    return float(np.degrees(np.linalg.norm(step, axis=-1)).max(initial=0.0) * motion.fps)


def without_calibration_frame(motion: Motion) -> Motion:
    """Drop a first frame that is a T-pose put before the take, as some conversions do.

    Told by a joint that turns further from frame 0 to 1 than any body can.
    """
    if motion.num_frames < 3:
        return motion
    first, second = axis_angle_to_matrix(motion.poses[:2, 1:].astype(np.float64))
    turn = matrix_to_axis_angle(first.swapaxes(-1, -2) @ second)
    if np.degrees(np.linalg.norm(turn, axis=-1)).max() < _IMPOSSIBLE_TURN:
        return motion
    return cut(motion, 1, motion.num_frames)
