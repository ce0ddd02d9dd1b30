# SPDX-License-Identifier: Apache-2.0
"""BlazePose's detector: where people are, roughly, and how they are turned.

The network answers with a box around the face and four points for each anchor: the middle of the
hips, a point on the circle around the whole body (straight above the head of one who stands), the
middle of the shoulders, and a point on the circle around the upper body.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .anchors import INPUT_SIDE, anchor_centres
from .crops import Square, around, cut

HIPS, BODY_CIRCLE, SHOULDERS, UPPER_CIRCLE = range(4)
_LOGIT_LIMIT = 100.0
_BODY_HALF_WIDTH = 0.45
"""Half the width of a person's box, as a part of the body circle's radius."""

Network = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(1, 224, 224, 3) from -1 to 1 -> answers (1, 2254, 12) and their logits (1, 2254, 1)."""


@dataclass(frozen=True)
class DetectorSettings:
    """min_score: from 0 to 1. min_overlap: IoU at which two answers are for the same person."""

    min_score: float = 0.5
    min_overlap: float = 0.3


@dataclass(frozen=True)
class Person:
    """Someone in a picture.

    box_xyxy: (4,) left, top, right, bottom around the body, pixels, within the picture. An
    estimate from the points: arms held out may reach beyond it. score: from 0 to 1. points: (4, 2)
    pixels, in the order HIPS, BODY_CIRCLE, SHOULDERS, UPPER_CIRCLE; may lie outside of the picture.
    """

    box_xyxy: np.ndarray
    score: float
    points: np.ndarray

    @property
    def area(self) -> float:
        """Square pixels of the whole body, whatever of it the picture's edge cuts off."""
        return float(((self.points[BODY_CIRCLE] - self.points[HIPS]) ** 2).sum())


def detect(
    pixels: np.ndarray,
    network: Network,
    settings: DetectorSettings | None = None,
    square: Square | None = None,
) -> list[Person]:
    """People in a picture (height, width, 3) or in one square of it, the surest first."""
    settings = settings or DetectorSettings()
    square = square or around(pixels)
    crop = cut(pixels, square, INPUT_SIDE)
    answers, logits = network(crop[None] * 2 - 1)
    values, scores = decode(answers[0], logits[0, :, 0], settings.min_score)
    values, scores = suppress(values, scores, settings.min_overlap)
    return [
        _person(square.to_picture(v.reshape(-1, 2)), float(s), pixels.shape)
        for v, s in zip(values, scores, strict=True)
    ]


def decode(
    answers: np.ndarray, logits: np.ndarray, min_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Answers (N, 12) with logits (N,) -> those of at least min_score: (M, 12) and scores (M,).

    Out: left, top, right, bottom of the face's box and x, y of four points, from 0 to 1 across
    the detector's input.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    kept = np.flatnonzero(scores >= min_score)
    pairs = answers[kept].reshape(len(kept), 6, 2).astype(np.float64) / INPUT_SIDE
    centre = anchor_centres()[kept][:, None]
    middle, size, points = pairs[:, :1] + centre, pairs[:, 1:2], pairs[:, 2:] + centre
    box = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
    return np.concatenate([box, points], axis=1).reshape(-1, 12), scores[kept]


def suppress(
    values: np.ndarray, scores: np.ndarray, min_overlap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted non-maximum suppression: answers (N, 12) for one person become their average.

    The best answer left takes all that overlap it; their values are averaged by score, the score
    is the best one's. Returns (M, 12) and (M,), the surest first.
    """
    order = np.argsort(-scores, kind="stable")
    out, best = [], []
    while len(order):
        overlap = iou(values[order[0], :4], values[order, :4])
        same = order[overlap > min_overlap]
        if not len(same):  # a box without area overlaps nothing, not even itself
            same = order[:1]
        out.append(np.average(values[same], axis=0, weights=scores[same]))
        best.append(scores[order[0]])
        order = order[~np.isin(order, same)]
    return np.array(out).reshape(-1, 12), np.array(best)


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) with each of (N, 4): (N,). Corners as x, y, x, y."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    either = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - both
    return both / np.maximum(either, 1e-12)


def _person(corners_and_points: np.ndarray, score: float, shape: tuple[int, ...]) -> Person:
    """Corners of the face's box and four points (6, 2), pixels -> Person."""
    face, points = corners_and_points[:2], corners_and_points[2:]
    along = points[BODY_CIRCLE] - points[HIPS]
    across = _BODY_HALF_WIDTH * np.array([-along[1], along[0]])
    body = points[HIPS] + np.stack(
        [along + across, along - across, -along + across, -along - across]
    )
    everything = np.concatenate([face, body])
    limits = np.array([shape[1], shape[0]])
    box = np.concatenate([everything.min(axis=0), everything.max(axis=0)])
    return Person(np.clip(box, 0, np.tile(limits, 2)), score, points)
