# SPDX-License-Identifier: Apache-2.0
"""What was seen of one person in a stretch of video, as arrays over its frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.errors import InvalidInput

from .landmarks import Landmarks
from .person_square import person_square, to_square
from .skeleton33 import NUM_LANDMARKS

LONGEST_GAP_S = 1.0
"""How long a person may be out of the picture and is filled in."""
SHORTEST_S = 0.2


@dataclass(frozen=True)
class SeenClip:
    """T frames of one person, those of a gap filled in with visibility 0.

    image: (T, 33, 2) pixels from the middle of the picture; visibility: (T, 33); world: (T, 33, 3)
    metres, camera axes; found: (T,) bool. centre: (T, 2), half: (T,) the person's square, pixels
    from the middle too. size: (width, height) of the picture. first: the first frame's number in
    the video; total: how many frames were looked at.
    """

    image: np.ndarray
    visibility: np.ndarray
    world: np.ndarray
    found: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    size: tuple[int, int]
    fps: float
    first: int
    total: int

    def __len__(self) -> int:
        return len(self.image)

    @property
    def is_cut(self) -> bool:
        """Whether frames at either end of the video were left out."""
        return len(self) < self.total

    def in_square(self) -> np.ndarray:
        """(T, 33, 2) the image landmarks in the person's square, -1 to 1."""
        return to_square(self.image, self.centre, self.half)


def usable(landmarks: Landmarks | None, size: tuple[int, int]) -> bool:
    """Whether enough of the person was seen in the picture to read a pose."""
    if landmarks is None:
        return False
    try:
        person_square(landmarks.image[:, :2], landmarks.visibility, size)
    except InvalidInput:
        return False
    return True


def seen_clip(
    tracked: Sequence[Landmarks | None],
    fps: float,
    size: tuple[int, int],
    longest_gap: float = LONGEST_GAP_S,
) -> SeenClip:
    """Landmarks frame by frame, None where the person was not found -> the longest stretch of the
    video without a longer gap than `longest_gap` seconds.

    Raises InvalidInput when there is none of SHORTEST_S.
    """
    there = np.array([usable(one, size) for one in tracked], dtype=bool)
    start, end = longest_stretch(there, max(1, round(longest_gap * fps)))
    if end - start < max(2, round(SHORTEST_S * fps)):
        raise InvalidInput(
            f"No person could be followed for {SHORTEST_S:g} seconds of the video. Give one that "
            "shows most of a person's body, or name who is meant with a box."
        )
    found = there[start:end]
    middle = np.array(size) / 2
    image = np.zeros((end - start, NUM_LANDMARKS, 2))
    world = np.zeros((end - start, NUM_LANDMARKS, 3))
    visibility = np.zeros((end - start, NUM_LANDMARKS))
    centre, half = np.zeros((end - start, 2)), np.zeros(end - start)
    for row in np.flatnonzero(found):
        one = tracked[start + row]
        assert one is not None
        image[row], world[row], visibility[row] = one.image[:, :2], one.world, one.visibility
        centre[row], half[row] = person_square(image[row], visibility[row], size)
    return SeenClip(
        image=_filled(image - middle, found),
        visibility=visibility,
        world=_filled(world, found),
        found=found,
        centre=_filled(centre - middle, found),
        half=_filled(half, found),
        size=size,
        fps=fps,
        first=start,
        total=len(tracked),
    )


def longest_stretch(there: np.ndarray, most: int) -> tuple[int, int]:
    """(T,) bool -> (start, end) of the longest run that begins and ends with True and holds no
    more than `most` False in a row; (0, 0) when none is True."""
    at = np.flatnonzero(there)
    if len(at) == 0:
        return 0, 0
    breaks = np.flatnonzero(np.diff(at) > most + 1)
    starts = at[np.concatenate([[0], breaks + 1])]
    ends = at[np.concatenate([breaks, [len(at) - 1]])] + 1
    best = int((ends - starts).argmax())
    return int(starts[best]), int(ends[best])


def _filled(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(T, ...) with the rows that were not found on the line between their neighbours."""
    at, rows = np.flatnonzero(found), np.arange(len(found))
    flat = values.reshape(len(values), -1)
    columns = [np.interp(rows, at, column[at]) for column in flat.T]
    return np.stack(columns, axis=1).reshape(values.shape)
