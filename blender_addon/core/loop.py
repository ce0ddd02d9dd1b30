# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip cut to a cycle that closes: its last frame is its first one again. No bpy here."""

import numpy as np

from ..shared.motion import Motion
from ..shared.rotations import axis_rotation
from .blend import (
    BLEND_SECONDS,
    body,
    eased_to,
    frames_of,
    headings,
    pelvis_path,
    placed,
    with_root,
)

LEAST_SECONDS = 0.8
_LEAST_SHARE = 0.4  # of the clip: a shorter cycle would throw most of it away
_SPEED_COUNTS = 0.1  # seconds: a metre a second counts as much as this many metres
_STRAIGHT = np.radians(40.0)  # a cycle that turns by less is meant to go straight


def looped(motion: Motion) -> Motion:
    """The best cycle in the motion, closed over BLEND_SECONDS.

    The frames where it is cut match in pose and speed as well as any do. Its last frame has the
    pose and height of the first; it faces as the first unless the motion turns on purpose, and
    stands where the way over the ground has led. A motion under LEAST_SECONDS is closed as it is.
    """
    motion = body(motion)
    first, last = best_cycle(motion)
    cycle = _straightened(frames_of(motion, first, last + 1))
    count = cycle.num_frames - 1
    return eased_to(cycle, placed(frames_of(cycle, 0, 1), 0, cycle, count), BLEND_SECONDS)


def best_cycle(motion: Motion) -> tuple[int, int]:
    """(first, last): the frames, far enough apart, whose poses and speeds differ least."""
    count = motion.num_frames
    least = int(max(LEAST_SECONDS * motion.fps, _LEAST_SHARE * count))
    if count - 1 <= least:
        return 0, count - 1
    features = _features(motion)
    squares = np.sum(features**2, axis=-1)
    cost = squares[:, None] + squares[None] - 2 * features @ features.T
    frames = np.arange(count)
    cost[frames[None] - frames[:, None] < least] = np.inf
    best = np.argmin(cost)
    return int(best // count), int(best % count)


def closed_in_place(motion: Motion) -> Motion:
    """The motion with its end on the ground where it begins: the drift spread over the clip."""
    path = pelvis_path(motion)
    drift = (path[-1] - path[0]) * [1.0, 0.0, 1.0]
    share = np.linspace(0.0, 1.0, len(path))[:, None]
    return with_root(motion, np.array(0.0), path - share * drift)


def _features(motion: Motion) -> np.ndarray:
    """(T, 132) joints about the pelvis as the body faces, and how they move."""
    joints = motion.joint_positions()
    turn = axis_rotation(-headings(motion), "Y")
    local = joints - joints[:, :1] * [1.0, 0.0, 1.0]
    local = np.einsum("tab,tjb->tja", turn, local)
    speed = np.gradient(joints, 1 / motion.fps, axis=0)
    speed = np.einsum("tab,tjb->tja", turn, speed)
    both = np.concatenate([local, _SPEED_COUNTS * speed], axis=1)
    return both.reshape(len(both), -1)


def _straightened(motion: Motion) -> Motion:
    """A small turn from the first frame to the last taken out, evenly over the clip."""
    facing = np.unwrap(headings(motion))
    turn = facing[-1] - facing[0]
    if abs(turn) > _STRAIGHT:
        return motion
    turns = -turn * np.linspace(0.0, 1.0, motion.num_frames)
    path = pelvis_path(motion)
    steps = np.diff(path, axis=0)
    middle = axis_rotation((turns[1:] + turns[:-1]) / 2, "Y")
    straight = path[0] + np.cumsum(np.einsum("tab,tb->ta", middle, steps), axis=0)
    return with_root(motion, turns, np.concatenate([path[:1], straight]))
