# SPDX-License-Identifier: Apache-2.0
"""Landmarks drawn over the picture they were found in, to judge them by eye."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blender_addon.shared.skeleton import JOINT_NAMES, NUM_BODY_JOINTS, PARENTS

from .detector import Person
from .images import Picture
from .landmarks import Landmarks

if TYPE_CHECKING:
    from PIL import Image

# by place in the order of the landmarks; the person's left is red and right blue, as in filmstrips
_LEFT_BONES = (
    *((11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19)),
    *((11, 23), (23, 25), (25, 27), (27, 29), (27, 31), (29, 31)),
    *((1, 2), (2, 3), (3, 7)),
)
_RIGHT_BONES = (
    *((12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20)),
    *((12, 24), (24, 26), (26, 28), (28, 30), (28, 32), (30, 32)),
    *((4, 5), (5, 6), (6, 8)),
)
_MIDDLE_BONES = ((0, 1), (0, 4), (9, 10), (11, 12), (23, 24))
BONES = (*_LEFT_BONES, *_RIGHT_BONES, *_MIDDLE_BONES)

_LEFT, _RIGHT, _MIDDLE, _BOX = "#e5485d", "#2f8fe0", "#f2f2f2", "#ffd23f"
_SEEN = 0.5


def draw_overlay(
    picture: Picture, landmarks: Sequence[Landmarks] = (), people: Sequence[Person] = ()
) -> "Image.Image":
    """The picture with landmarks and with people's boxes and scores, both in the user's pixels.

    Points less visible than 0.5 are hollow and their bones thin.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(picture.pixels).copy()
    draw = ImageDraw.Draw(image)
    unit = max(1.0, max(image.size) / 400)
    font = ImageFont.load_default(size=max(10, round(7 * unit)))
    for person in people:
        box = person.box_xyxy / np.tile(picture.scale, 2)
        draw.rectangle(box.tolist(), outline=_BOX, width=round(unit))
        place = box[:2] + 2 * unit
        draw.text(tuple(place.tolist()), f"{person.score:.2f}", fill=_BOX, font=font)
    for one in landmarks:
        _draw_body(draw, one.image[:, :2] / picture.scale, one.visibility >= _SEEN, unit)
    return image


def draw_skeleton(picture: Picture, joints: np.ndarray) -> "Image.Image":
    """The picture with a body's bones over it. joints: (22, 2) in the user's pixels."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture.pixels).copy()
    draw = ImageDraw.Draw(image)
    unit = max(1.0, max(image.size) / 400)
    points = joints / picture.scale
    for joint in range(1, NUM_BODY_JOINTS):
        bone = points[[PARENTS[joint], joint]].ravel().tolist()
        draw.line(bone, fill=_joint_colour(joint), width=max(1, round(2 * unit)))
    for joint, (x, y) in enumerate(points):
        circle = [x - 2 * unit, y - 2 * unit, x + 2 * unit, y + 2 * unit]
        draw.ellipse(circle, fill=_joint_colour(joint))
    return image


def save_overlay(
    path: str | Path,
    picture: Picture,
    landmarks: Sequence[Landmarks] = (),
    people: Sequence[Person] = (),
) -> None:
    """Write it as PNG."""
    draw_overlay(picture, landmarks, people).save(path, format="PNG")


def _draw_body(draw, points: np.ndarray, seen: np.ndarray, unit: float) -> None:
    for bones, colour in (
        (_MIDDLE_BONES, _MIDDLE),
        (_LEFT_BONES, _LEFT),
        (_RIGHT_BONES, _RIGHT),
    ):
        for bone in bones:
            width = 1.6 * unit if seen[list(bone)].all() else 0.6 * unit
            draw.line(points[list(bone)].ravel().tolist(), fill=colour, width=max(1, round(width)))
    for i, (x, y) in enumerate(points):
        colour = _MIDDLE if i == 0 else _side(i)
        radius = 1.7 * unit
        circle = [x - radius, y - radius, x + radius, y + radius]
        draw.ellipse(circle, fill=colour if seen[i] else None, outline=colour)


def _joint_colour(joint: int) -> str:
    side = JOINT_NAMES[joint].split("_")[0]
    return {"left": _LEFT, "right": _RIGHT}.get(side, _MIDDLE)


def _side(index: int) -> str:
    """Colour of a landmark's side: eyes come in threes, all others in turns."""
    left = index in (1, 2, 3) or (index > 6 and index % 2 == 1)
    return _LEFT if left else _RIGHT
