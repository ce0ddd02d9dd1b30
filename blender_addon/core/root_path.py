# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip led along a line on the ground, at the clip's own speed. No bpy here.

Speed is not changed, so feet do not slide along the line; where it bends, the body turns with it.
"""

import numpy as np

from ..shared.motion import Motion
from .blend import body, headings, pelvis_path, with_root
from .trajectory import base_line, directions, travelled

_LEAST_SPEED = 0.1  # metres a second: slower, the way ahead of a clip is not known
_TURN_SECONDS = 0.15
_CORNER = 0.25  # metres to both sides over which a corner of the line is rounded
_STEP = 0.02  # metres between the points that the line is made of


def follow_path(motion: Motion, path: np.ndarray, closed: bool = False) -> Motion:
    """The motion with its way laid along (N, 2) `path`: x and z, metres, N > 1.

    closed: go round and round. Past the end of an open line the clip goes straight on, and before
    it has gone anywhere it faces along the line. Raises ValueError for a line without length.
    """
    motion = body(motion)
    line = _dense(path, closed)
    pelvis = pelvis_path(motion)
    own = base_line(pelvis[:, (0, 2)], motion.fps)
    sway = pelvis[:, (0, 2)] - own
    way = travelled(own)
    own_direction = directions(own, _LEAST_SPEED / motion.fps, headings(motion)[0])
    points, line_direction = _along(line, way, closed)
    turns = np.unwrap(line_direction - own_direction)
    turns = base_line(turns[:, None], motion.fps, _TURN_SECONDS)[:, 0]
    sine, cosine = np.sin(turns), np.cos(turns)
    pelvis[:, 0] = points[:, 0] + cosine * sway[:, 0] + sine * sway[:, 1]
    pelvis[:, 2] = points[:, 1] - sine * sway[:, 0] + cosine * sway[:, 1]
    return with_root(motion, turns, pelvis)


def _dense(path: np.ndarray, closed: bool) -> np.ndarray:
    """(N, 2) corners -> (M, 2) points every _STEP metres, the corners rounded."""
    corners = np.asarray(path, dtype=np.float64)
    if closed:
        corners = np.concatenate([corners, corners[:1]])
    way = travelled(corners)
    if len(corners) < 2 or way[-1] < 10 * _STEP:
        raise ValueError("The path has no length: choose a longer curve.")
    at = np.linspace(0.0, way[-1], int(way[-1] / _STEP) + 2)
    points = np.stack([np.interp(at, way, corners[:, i]) for i in (0, 1)], axis=-1)
    if not closed:
        return base_line(points, 1 / _STEP, _CORNER)
    # round the corner where it closes as well: smooth three rounds, keep the middle one
    rounds = np.concatenate([points[:-1], points[:-1], points])
    count = len(points) - 1
    return base_line(rounds, 1 / _STEP, _CORNER)[count : 2 * count + 1]


def _along(line: np.ndarray, way: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """(T, 2) points and (T,) directions of the line at these lengths (T,)."""
    lengths = travelled(line)
    angles = directions(line, 1e-9, 0.0)
    if closed:
        count = way // lengths[-1]
        rest = way - count * lengths[-1]
        whole = angles[-1] - angles[0]
        points = np.stack([np.interp(rest, lengths, line[:, i]) for i in (0, 1)], axis=-1)
        return points, np.interp(rest, lengths, angles) + count * whole
    points = np.stack([np.interp(way, lengths, line[:, i]) for i in (0, 1)], axis=-1)
    beyond = np.clip(way - lengths[-1], 0.0, None)[:, None]
    points += beyond * [np.sin(angles[-1]), np.cos(angles[-1])]
    return points, np.interp(way, lengths, angles)
