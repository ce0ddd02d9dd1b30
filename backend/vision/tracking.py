# SPDX-License-Identifier: Apache-2.0
"""One person followed through the frames of a video."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .blazepose import BlazePose
from .crops import Square
from .detector import Person, detect, iou
from .landmarks import (
    Landmarks,
    LandmarkSettings,
    box_within,
    in_users_pixels,
    landmarks_of,
    square_of,
)
from .people import Box, find_person, largest
from .videos import Frame

_ONE_ROUND = LandmarkSettings(rounds=0)


@dataclass(frozen=True)
class TrackedFrame:
    """landmarks: in pixels of the frame; None where the person was not found.

    detected: whether the detector was asked, as at the start and after the person was lost.
    """

    time: float
    landmarks: Landmarks | None
    detected: bool


def track(
    frames: Iterable[Frame], networks: BlazePose, box: Box | None = None
) -> Iterator[TrackedFrame]:
    """Landmarks frame by frame; each frame's crop comes from the landmarks of the one before.

    box: who is meant, in pixels of the first frame; the largest person of the first frame that
    shows somebody when None. After a loss, the detector looks for the one who is nearest to where
    the person was. Raises InvalidInput when a box is given and nobody is in it.
    """
    last: Square | None = None
    lost = True
    for k, frame in enumerate(frames):
        pixels = frame.picture.pixels
        found = None
        if last is not None and not lost:
            found = landmarks_of(pixels, last, networks, _ONE_ROUND)
        detected = found is None
        if detected:
            if k == 0 and box is not None:
                own = box_within(frame.picture, box)
                person: Person | None = find_person(pixels, networks, own)
            else:
                person = _nearest(detect(pixels, networks.detector), last)
            if person is not None:
                found = landmarks_of(pixels, square_of(person), networks)
        lost = found is None
        if found is not None:
            last = found.square
            found = in_users_pixels(found, frame.picture)
        yield TrackedFrame(frame.time, found, detected)


def _nearest(people: list[Person], last: Square | None) -> Person | None:
    """Whose crop covers the last one best; the largest where none does or there was none."""
    if not people or last is None:
        return largest(people) if people else None
    overlap = iou(_upright(last), np.stack([_upright(square_of(p)) for p in people]))
    return people[int(overlap.argmax())] if overlap.max() > 0 else largest(people)


def _upright(square: Square) -> np.ndarray:
    """(4,) the square as if it were not turned: left, top, right, bottom."""
    half = square.side / 2
    return np.concatenate([square.centre - half, square.centre + half])
