# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips placed beside each other and eased into a pose. No bpy here.

The heading is the turn about the vertical that is nearest to the root's rotation; a clip is moved
by turning it about the vertical and shifting it on the ground, which leaves its poses alone.
"""

from dataclasses import replace

import numpy as np

from ..shared.motion import Motion
from ..shared.rotations import axis_angle_to_matrix, axis_rotation, matrix_to_axis_angle
from ..shared.skeleton import NUM_BODY_JOINTS, REST_OFFSETS

BLEND_SECONDS = 0.3


def body(motion: Motion) -> Motion:
    """The motion in float64, without the hands' joints (T, 22, 3)."""
    poses = motion.poses[:, :NUM_BODY_JOINTS].astype(np.float64)
    return replace(motion, poses=poses, trans=motion.trans.astype(np.float64))


def frames_of(motion: Motion, first: int, last: int | None = None) -> Motion:
    """The frames from `first` up to and without `last`."""
    part = slice(first, last)
    return replace(motion, poses=motion.poses[part], trans=motion.trans[part])


def joined(first: Motion, second: Motion) -> Motion:
    """One after the other, at the rate of the first."""
    return replace(
        first,
        poses=np.concatenate([first.poses, second.poses]),
        trans=np.concatenate([first.trans, second.trans]),
    )


def headings(motion: Motion) -> np.ndarray:
    """(T,) radians about the vertical from +Z to where the root faces."""
    return heading_of(axis_angle_to_matrix(motion.poses[:, 0]))


def heading_of(rotations: np.ndarray) -> np.ndarray:
    """(..., 3, 3) -> (...) the angle of the turn about the vertical that is nearest."""
    return np.arctan2(
        rotations[..., 0, 2] - rotations[..., 2, 0], rotations[..., 0, 0] + rotations[..., 2, 2]
    )


def pelvis_path(motion: Motion) -> np.ndarray:
    """(T, 3) where the pelvis is, metres."""
    return motion.trans + REST_OFFSETS[0]


def with_root(motion: Motion, turns: np.ndarray, pelvis: np.ndarray) -> Motion:
    """The root turned by (T,) or () radians about the vertical and put at (T, 3) `pelvis`."""
    poses = motion.poses.copy()
    turned = axis_rotation(np.asarray(turns), "Y") @ axis_angle_to_matrix(poses[:, 0])
    poses[:, 0] = matrix_to_axis_angle(turned)
    return replace(motion, poses=poses, trans=pelvis - REST_OFFSETS[0])


def placed(motion: Motion, frame: int, like: Motion, like_frame: int) -> Motion:
    """The motion moved as a whole: at `frame` it stands and faces as the other at `like_frame`.

    Heights are left alone.
    """
    turn = headings(like)[like_frame] - headings(motion)[frame]
    path = pelvis_path(motion)
    level = np.array([1.0, 0.0, 1.0])
    arm = (path - path[frame] * level) @ axis_rotation(turn, "Y").T
    return with_root(motion, turn, arm + pelvis_path(like)[like_frame] * level)


def eased_from(motion: Motion, pose: Motion, seconds: float = BLEND_SECONDS) -> Motion:
    """The motion with its first frame on the last frame of `pose`, and itself after `seconds`.

    What it is off by at first fades away, each joint along the shortest turn.
    """
    return _eased(motion, frames_of(pose, -1), 0, _fade(motion, seconds))


def eased_to(motion: Motion, pose: Motion, seconds: float = BLEND_SECONDS) -> Motion:
    """The motion with its last frame on the last frame of `pose`, itself until `seconds` before."""
    return _eased(motion, frames_of(pose, -1), motion.num_frames - 1, _fade(motion, seconds)[::-1])


def _fade(motion: Motion, seconds: float) -> np.ndarray:
    """(T,) from 1 to 0 in `seconds`, or in the whole motion where that is shorter."""
    length = max(1.0, min(seconds * motion.fps, motion.num_frames - 1))
    x = np.clip(np.arange(motion.num_frames) / length, 0.0, 1.0)
    return 1.0 - x * x * (3.0 - 2.0 * x)


def _eased(motion: Motion, pose: Motion, frame: int, weights: np.ndarray) -> Motion:
    rotations = axis_angle_to_matrix(motion.poses)
    want = axis_angle_to_matrix(pose.poses[0])
    off = matrix_to_axis_angle(want @ np.swapaxes(rotations[frame], -1, -2))
    turns = axis_angle_to_matrix(weights[:, None, None] * off)
    return replace(
        motion,
        poses=matrix_to_axis_angle(turns @ rotations),
        trans=motion.trans + weights[:, None] * (pose.trans[0] - motion.trans[frame]),
    )
