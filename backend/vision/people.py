# SPDX-License-Identifier: Apache-2.0
"""Whom a picture shows, and whom of them is meant."""

from collections.abc import Sequence

import numpy as np

from backend.errors import InvalidInput

from .blazepose import BlazePose
from .crops import Square
from .detector import SHOULDERS, Person, detect, iou

MIN_BOX_OVERLAP = 0.2
"""IoU of a box with the estimated one of the same person is usually 0.4 to 0.8."""
_ZOOM = 1.5

Box = Sequence[float] | np.ndarray


def find_person(pixels: np.ndarray, networks: BlazePose, box: Box | None = None) -> Person:
    """The one who is meant in a picture (height, width, 3): in the box, or the largest.

    box: left, top, right, bottom in pixels. Someone small in a large picture is looked for in the
    box itself. Raises InvalidInput when nobody is found, or nobody in the box.
    """
    chosen = None if box is None else check_box(box, pixels.shape)
    people = detect(pixels, networks.detector)
    if chosen is None:
        return largest(people)
    person = within(people, chosen)
    if person is None:
        side = _ZOOM * float((chosen[2:] - chosen[:2]).max())
        square = Square((chosen[:2] + chosen[2:]) / 2, side)
        person = within(detect(pixels, networks.detector, square=square), chosen)
    if person is None:
        raise InvalidInput(
            f"There is nobody in the box {_numbers(chosen)}. {_others(people)} Draw the box around "
            "one person, from head to feet."
        )
    return person


def largest(people: Sequence[Person]) -> Person:
    """Raises InvalidInput when there is nobody."""
    if not people:
        raise InvalidInput(
            "No person was found in the picture. Give one in which a person is well lit and fills "
            "a good part of it, or a box around the person."
        )
    return max(people, key=lambda person: person.area)


def within(people: Sequence[Person], box: np.ndarray) -> Person | None:
    """The person who fits a box (4,) best; None when none does.

    One fits whose estimated box overlaps it well, or whose shoulders are in it: of somebody behind
    a table, the estimate goes on below what is seen and boxed.
    """
    if not people:
        return None
    overlap = iou(box, np.stack([person.box_xyxy for person in people]))
    shoulders = np.stack([person.points[SHOULDERS] for person in people])
    inside = ((shoulders >= box[:2]) & (shoulders <= box[2:])).all(axis=1)
    fits = np.where(inside | (overlap >= MIN_BOX_OVERLAP), overlap, -1.0)
    best = int(fits.argmax())
    return people[best] if fits[best] >= 0 else None


def check_box(box: Box, shape: tuple[int, ...]) -> np.ndarray:
    """The part of a box that lies in a picture of that shape (height, width, ...): (4,).

    Raises InvalidInput when it is no box or lies outside.
    """
    try:
        corners = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A box is four numbers, not {box!r}.") from error
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise InvalidInput("A box is four numbers: left, top, right, bottom, in pixels.")
    if (corners[2:] <= corners[:2]).any():
        raise InvalidInput(
            f"The box {_numbers(corners)} has no area: give left, top, right, bottom in pixels, "
            "with x to the right and y down."
        )
    limits = np.array([shape[1], shape[0], shape[1], shape[0]])
    inside = np.clip(corners, 0, limits)
    if (inside[2:] - inside[:2] < 1).any():
        raise InvalidInput(
            f"The box {_numbers(corners)} lies outside of the picture, which is "
            f"{shape[1]} x {shape[0]} pixels."
        )
    return inside


def _numbers(box: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.0f}" for value in box) + ")"


def _others(people: Sequence[Person]) -> str:
    if not people:
        return "Nobody was found elsewhere either."
    return "People were found in " + ", ".join(_numbers(p.box_xyxy) for p in people) + "."
