# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over a photo: boxes round people and the skeleton of a pose. No bpy here.

Everything is in parts of the picture, 0 to 1, x to the right and y up, as Blender's image editor
counts.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from ..shared.skeleton import NUM_BODY_JOINTS, PARENTS


def to_picture(points: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """(..., 2) pixels from the top left of a picture of `size` -> parts of it, y up."""
    return np.asarray(points, dtype=np.float64) / np.array(size) * [1.0, -1.0] + [0.0, 1.0]


def box_lines(boxes: Iterable[Sequence[float]], size: Sequence[int]) -> list[np.ndarray]:
    """For each box (left, top, right, bottom in pixels) the (8, 2) ends of its four sides."""
    lines = []
    for left, top, right, bottom in boxes:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        ends = [corners[i % 4] for k in range(4) for i in (k, k + 1)]
        lines.append(to_picture(np.array(ends), size))
    return lines


def skeleton_lines(joints: np.ndarray, size: Sequence[int]) -> dict[str, np.ndarray]:
    """Joints (22, 2) in pixels -> ends (N, 2) of bones of each side: "left", "right", "middle"."""
    places, ends = to_picture(joints, size), {"left": [], "right": [], "middle": []}
    for joint in range(1, NUM_BODY_JOINTS):
        side = _SIDES[joint]
        ends[side] += [places[PARENTS[joint]], places[joint]]
    return {side: np.array(points) for side, points in ends.items()}


# the three joints that hang on the trunk's ends belong to their side
_LEFT, _RIGHT = (1, 4, 7, 10, 13, 16, 18, 20), (2, 5, 8, 11, 14, 17, 19, 21)
_SIDES = tuple(
    "left" if j in _LEFT else "right" if j in _RIGHT else "middle" for j in range(NUM_BODY_JOINTS)
)
