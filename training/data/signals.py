# SPDX-License-Identifier: Apache-2.0
"""Small signal helpers for measuring motion."""

import numpy as np


def smooth(signal: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    """(T, ...) moving average over `seconds`; the ends are averaged over what exists."""
    width = max(round(seconds * fps), 1)
    if width == 1 or len(signal) < 2:
        return signal.astype(np.float64)
    half = width // 2
    total = np.concatenate([np.zeros_like(signal[:1], np.float64), np.cumsum(signal, axis=0)])
    index = np.arange(len(signal))
    # the same reach to both sides, so that the ends are not pulled inwards
    reach = np.minimum(half, np.minimum(index, len(signal) - 1 - index))
    low, high = index - reach, index + reach + 1
    count = (high - low).reshape(-1, *([1] * (signal.ndim - 1)))
    return (total[high] - total[low]) / count


def path_speed(path: np.ndarray, fps: float) -> np.ndarray:
    """(T, 2) ground path in metres -> (T,) speed in m/s."""
    if len(path) < 2:
        return np.zeros(len(path))
    return np.linalg.norm(np.gradient(path, axis=0), axis=-1) * fps


def runs_of(
    mask: np.ndarray, fps: float, shortest: float = 0.0, gap: float = 0.0
) -> list[tuple[int, int]]:
    """[start, stop) frame spans where `mask` holds.

    Spans closer than `gap` seconds are joined, then those shorter than `shortest` are dropped.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    spans: list[tuple[int, int]] = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if spans and start - spans[-1][1] <= gap * fps:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((start, stop))
    return [(a, b) for a, b in spans if b - a >= shortest * fps]


def count_swings(ankles: np.ndarray, fps: float) -> int:
    """(T, 2, 3) both ankles -> number of steps: spans in which one foot travels over the ground."""
    if len(ankles) < 3:
        return 0
    steps = 0
    for foot in range(ankles.shape[1]):
        path = smooth(ankles[:, foot][:, [0, 2]], 0.1, fps)
        pace = path_speed(path, fps)
        threshold = max(0.35, 0.4 * float(np.percentile(pace, 90)))
        for a, b in runs_of(pace > threshold, fps, shortest=0.12, gap=0.05):
            if np.linalg.norm(path[min(b, len(path) - 1)] - path[a]) > 0.12:
                steps += 1
    return steps
