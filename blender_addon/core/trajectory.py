# SPDX-License-Identifier: GPL-3.0-or-later
"""The way over the ground that a clip takes, apart from the sway about it. No bpy here."""

import numpy as np

SMOOTH_SECONDS = 0.4  # a step is shorter than this to both sides: its sway is smoothed away


def base_line(points: np.ndarray, fps: float, seconds: float = SMOOTH_SECONDS) -> np.ndarray:
    """(T, D) -> (T, D): the points smoothed by a bell of this width; a steady line stays itself."""
    width = seconds * fps
    reach = min(int(3 * width), len(points) - 1)
    if reach < 1:
        return points.copy()
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    bell /= bell.sum()
    # beyond the ends the line goes on as its mirror image through the end point
    before = 2 * points[0] - points[reach:0:-1]
    after = 2 * points[-1] - points[-2 : -reach - 2 : -1]
    longer = np.concatenate([before, points, after])
    return np.stack([np.convolve(column, bell, mode="valid") for column in longer.T], axis=-1)


def travelled(points: np.ndarray) -> np.ndarray:
    """(T, D) -> (T,) the length of the way up to each point."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def directions(points: np.ndarray, least: float, otherwise: float) -> np.ndarray:
    """(T, 2) x and z -> (T,) radians from +Z of the way ahead, without jumps of a whole turn.

    Where a step is shorter than `least` the way before counts; `otherwise` where none ever was.
    """
    steps = np.gradient(points, axis=0) if len(points) > 1 else np.zeros_like(points)
    moving = np.flatnonzero(np.linalg.norm(steps, axis=-1) >= least)
    if len(moving) == 0:
        return np.full(len(points), otherwise)
    angles = np.unwrap(np.arctan2(steps[moving, 0], steps[moving, 1]))
    latest = np.clip(np.searchsorted(moving, np.arange(len(points)), "right") - 1, 0, None)
    return angles[latest]
