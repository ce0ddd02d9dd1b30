# SPDX-License-Identifier: Apache-2.0
"""Stiff little performances that the tests make up: each shows one thing that is measured."""

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import REST_OFFSETS, joint_index

FPS = 20.0
STANDING = 0.93  # height of the pelvis with straight legs, metres
ARM_DOWN = 1.25  # radians from the T-pose


def standing(seconds: float = 3.0) -> Motion:
    """Upright, arms down, facing +Z, not moving."""
    frames = round(seconds * FPS)
    poses = np.zeros((frames, 22, 3))
    poses[:, joint_index("left_shoulder"), 2] = -ARM_DOWN
    poses[:, joint_index("right_shoulder"), 2] = ARM_DOWN
    trans = np.tile(np.array([0.0, STANDING, 0.0]) - REST_OFFSETS[0], (frames, 1))
    return Motion(poses, trans, FPS)


def _times(motion: Motion) -> np.ndarray:
    return np.arange(motion.num_frames) / motion.fps


def going(
    seconds: float = 4.0,
    speed: float = 1.2,
    turn_degrees: float = 0.0,
    towards_degrees: float = 0.0,
) -> Motion:
    """Goes at `speed` in the direction `towards_degrees` from where it faces; legs swing.

    turn_degrees: how far it turns over the whole time, left positive.
    """
    motion = standing(seconds)
    t = _times(motion)
    yaw = np.radians(turn_degrees) * t / t[-1]
    way = yaw + np.radians(towards_degrees)
    swing = 0.45 * np.sin(2 * np.pi * 0.9 * t)
    motion.poses[:, 0, 1] = yaw
    motion.poses[:, joint_index("left_hip"), 0] = -swing
    motion.poses[:, joint_index("right_hip"), 0] = swing
    motion.trans[:, 0] += np.cumsum(np.sin(way)) * speed / FPS
    motion.trans[:, 2] += np.cumsum(np.cos(way)) * speed / FPS
    return motion


def _bump(t: np.ndarray, start: float, stop: float) -> np.ndarray:
    """0 outside, 1 between, with flanks of a quarter of a second."""
    return np.clip(np.minimum(t - start, stop - t) / 0.25, 0, 1)


def raising(*sides: str, seconds: float = 3.0, base: Motion | None = None) -> Motion:
    """Stands (or does what `base` does) and holds the arms of `sides` up in the middle."""
    motion = base if base is not None else standing(seconds)
    t = _times(motion)
    up = _bump(t, 0.5, motion.seconds - 0.5)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        if side in sides:
            angle = -ARM_DOWN + up * (ARM_DOWN + 1.1)
            motion.poses[:, joint_index(f"{side}_shoulder"), 2] = sign * angle
    return motion


def waving(*sides: str, seconds: float = 4.0, base: Motion | None = None) -> Motion:
    """As `raising`, and the forearm swings twice a second."""
    motion = raising(*sides, seconds=seconds, base=base)
    t = _times(motion)
    swing = 0.5 * np.sin(2 * np.pi * 2 * t) * _bump(t, 0.8, motion.seconds - 0.8)
    for side in sides:
        motion.poses[:, joint_index(f"{side}_elbow"), 2] = swing
    return motion


def bowing(degrees: float = 60.0, seconds: float = 3.0) -> Motion:
    """Bends forward in the hips and comes up again."""
    motion = standing(seconds)
    lean = np.radians(degrees) * _bump(_times(motion), 0.7, seconds - 0.7)
    motion.poses[:, 0, 0] = lean
    for side in ("left", "right"):
        motion.poses[:, joint_index(f"{side}_hip"), 0] = -lean
    return motion


def jumping(height: float = 0.35, seconds: float = 3.0) -> Motion:
    """One jump in the middle."""
    motion = standing(seconds)
    t = _times(motion) - seconds / 2
    motion.trans[:, 1] += np.maximum(height * (1 - (t / 0.27) ** 2), 0.0)
    return motion


def crawling(seconds: float = 4.0) -> Motion:
    """On hands and knees, slowly ahead."""
    motion = standing(seconds)
    lean = np.radians(85.0)
    motion.poses[:, 0, 0] = lean
    for side, sign in (("left", 1.0), ("right", -1.0)):
        motion.poses[:, joint_index(f"{side}_hip"), 0] = -lean
        motion.poses[:, joint_index(f"{side}_knee"), 0] = np.radians(90.0)
        motion.poses[:, joint_index(f"{side}_shoulder"), 1] = -sign * np.radians(85.0)
        motion.poses[:, joint_index(f"{side}_shoulder"), 2] = 0.0
    motion.trans[:, 1] -= STANDING - 0.5
    motion.trans[:, 2] += 0.4 * _times(motion)
    return motion
