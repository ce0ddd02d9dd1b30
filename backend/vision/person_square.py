# SPDX-License-Identifier: Apache-2.0
"""The square round a person in which landmarks are told to the model: -1 to 1, x right, y down."""

import numpy as np

from backend.errors import InvalidInput

FILL = 0.8
"""How much of the square the person's box takes, unless told otherwise."""
SEEN = 0.3
"""Visibility above which a landmark counts for the box."""


def square_around(
    points: np.ndarray, seen: np.ndarray, fill: float | np.ndarray = FILL
) -> tuple[np.ndarray, np.ndarray]:
    """Points (..., K, 2), which of them are seen (..., K) -> centre (..., 2), half side (...).

    The seen points' box fills `fill` of the square's side. At least one must be seen.
    """
    low = np.where(seen[..., None], points, np.inf).min(axis=-2)
    high = np.where(seen[..., None], points, -np.inf).max(axis=-2)
    return (low + high) / 2, np.maximum((high - low).max(axis=-1), 1e-6) / 2 / fill


def to_square(points: np.ndarray, centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Points (..., K, 2) -> the same in the square's own coordinates."""
    return (points - centre[..., None, :]) / np.asarray(half)[..., None, None]


def person_square(
    pixels: np.ndarray, visibility: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (33, 2) in pixels of a picture of `size` (width, height), visibility (33,) ->
    centre (2,), half side: the square round the landmarks that are seen and in the picture.

    Raises InvalidInput when fewer than four are.
    """
    inside = ((pixels >= 0) & (pixels <= np.array(size))).all(axis=-1)
    seen = inside & (visibility > SEEN)
    if seen.sum() < 4:
        raise InvalidInput(
            "Too little of a person is visible in the picture. Use one that shows more of the body."
        )
    return square_around(pixels, seen)
