# SPDX-License-Identifier: Apache-2.0
"""When a filmed person is in the air, and which of heels and toes stand on the ground."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import percentile_filter

# left heel, left toe, right heel, right toe, by place in the order of the landmarks
FOOT_POINTS: tuple[int, ...] = (29, 31, 30, 32)


@dataclass(frozen=True)
class ContactSettings:
    """air: metres above the ground, by which all of the body must be for `air_seconds` (least and
    most) to be a jump; ground_seconds: around a frame in which the ground is looked for.
    height, speed: metres, metres a second, below which a heel or toe is planted. shortest: seconds
    of a contact; a gap shorter than half of it is none.
    """

    air: float = 0.06
    air_seconds: tuple[float, float] = (0.08, 1.3)
    ground_seconds: float = 2.0
    height: float = 0.05
    speed: float = 0.45
    shortest: float = 0.12


def airborne(lowest: np.ndarray, fps: float, settings: ContactSettings | None = None) -> np.ndarray:
    """(T,) the body's lowest height as the picture shows it, from any level -> (T,) bool.

    The ground may seem to rise or fall slowly, as when the camera's tilt is not quite known.
    """
    s = settings or ContactSettings()
    window = max(3, round(s.ground_seconds * fps))
    ground = percentile_filter(lowest, 20, size=window, mode="nearest")
    high = lowest - ground
    out = np.zeros(len(lowest), dtype=bool)
    least, most = (t * fps for t in s.air_seconds)
    for start, end in runs(high > s.air / 2):
        if high[start:end].max() > s.air and least <= end - start <= most:
            out[start:end] = True
    return out


def low_points(
    points: np.ndarray, lowest: np.ndarray, air: np.ndarray, height: float
) -> np.ndarray:
    """Heels and toes (T, 4, 3), the body's lowest height (T,), airborne (T,) -> (T, 4) bool: about
    as low as the body's lowest point, which stands on the ground unless all is in the air."""
    return (points[..., 1] - lowest[:, None] < height) & ~air[:, None]


def planted(
    points: np.ndarray, air: np.ndarray, fps: float, settings: ContactSettings | None = None
) -> np.ndarray:
    """Heels and toes (T, 4, 3) in the world, the ground at 0, airborne (T,) -> (T, 4) bool: low
    and at rest."""
    s = settings or ContactSettings()
    speed = np.zeros(points.shape[:2])
    if len(points) > 1:
        step = np.linalg.norm(np.diff(points[..., [0, 2]], axis=0), axis=-1) * fps
        # at rest towards one of its neighbours: the first and last frame of a contact count
        speed = np.minimum(np.concatenate([step[:1], step]), np.concatenate([step, step[-1:]]))
    out = (speed < s.speed) & (points[..., 1] < s.height) & ~air[:, None]
    least = max(1, round(s.shortest * fps))
    for column in out.T:
        for start, end in runs(~column):
            if start > 0 and end < len(column) and end - start <= least // 2:
                column[start:end] = ~air[start:end]
        for start, end in runs(column):
            if end - start < least:
                column[start:end] = False
    return out


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of each run of True in (T,) flags, the end not included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
