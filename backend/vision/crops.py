# SPDX-License-Identifier: Apache-2.0
"""Squares of a picture, turned and scaled: what the two BlazePose networks look at."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Square:
    """A turned square on a picture, in its pixels.

    centre: (2,) x, y. side: pixels. angle: radians by which the square's own x axis is turned
    from the picture's, clockwise as one sees it (y points down).
    """

    centre: np.ndarray
    side: float
    angle: float = 0.0

    @property
    def turn(self) -> np.ndarray:
        """(2, 2) from the square's axes to the picture's."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) from 0 to 1 across the square -> pixels of the picture."""
        return (points - 0.5) * self.side @ self.turn.T + self.centre

    def near(self, other: "Square", tolerance: float) -> bool:
        """Whether corners differ by less than that part of the side."""
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        apart = np.abs(self.to_picture(corners) - other.to_picture(corners)).max()
        return bool(apart < tolerance * self.side)


def around(pixels: np.ndarray) -> Square:
    """The upright square that holds a whole picture (height, width, 3): its letterbox."""
    height, width = pixels.shape[:2]
    return Square(np.array([width, height]) / 2, float(max(height, width)))


def cut(pixels: np.ndarray, square: Square, size: int) -> np.ndarray:
    """The square of a picture (height, width, 3), bilinear; black outside of the picture.

    Returns (size, size, 3) float32 from 0 to 1.
    """
    pixels, square = _reduced(pixels, square, size)
    height, width = pixels.shape[:2]
    steps = (np.arange(size) + 0.5) / size
    grid = np.stack(np.meshgrid(steps, steps), axis=-1)
    # pixel i covers i to i + 1: its value is the one at i + 0.5
    where = square.to_picture(grid) - 0.5
    low = np.floor(where).astype(np.int64)
    part = (where - low).astype(np.float32)
    out = np.zeros((size, size, 3), np.float32)
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = low[..., 0] + dx, low[..., 1] + dy
            weight = (part[..., 0] if dx else 1 - part[..., 0]) * (
                part[..., 1] if dy else 1 - part[..., 1]
            )
            weight = weight * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
            values = pixels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
            out += weight[..., None] * values
    return out / 255


def _reduced(pixels: np.ndarray, square: Square, size: int) -> tuple[np.ndarray, Square]:
    """Average whole blocks first where several pixels fall on one: bilinear alone would alias."""
    from PIL import Image

    factor = int(square.side / size)
    if factor < 2:
        return pixels, square
    # blocks at the right and lower edge may be cut: the scale stays 1 / factor all the same
    small = np.asarray(Image.fromarray(pixels).reduce(factor))
    return small, Square(square.centre / factor, square.side / factor, square.angle)
