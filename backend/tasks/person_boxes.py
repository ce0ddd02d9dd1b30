# SPDX-License-Identifier: Apache-2.0
"""Who is in a picture: a box around each, and the picture itself as others can show it."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InvalidInput
from ..vision.blazepose import BlazePose
from ..vision.detector import detect
from ..vision.landmarks import as_picture

SHOWN_SIDE = 1024
MAX_PEOPLE = 32


@dataclass(frozen=True)
class PeopleResult:
    """The largest person first.

    boxes: (K, 4) left, top, right, bottom in pixels of the upright picture of `size` (width,
    height). scores: (K,) from 0 to 1. jpeg: the upright picture, at most SHOWN_SIDE long.
    """

    boxes: np.ndarray
    scores: np.ndarray
    size: tuple[int, int]
    jpeg: bytes


def person_boxes(image: str | Path | np.ndarray, networks: BlazePose) -> PeopleResult:
    """image: a file, or pixels (height, width, 3). Raises InvalidInput for one without anybody."""
    from PIL import Image

    picture = as_picture(image)
    people = sorted(detect(picture.pixels, networks.detector), key=lambda p: -p.area)[:MAX_PEOPLE]
    if not people:
        raise InvalidInput(
            "No person was found in the picture. Give one in which a person is well lit and fills "
            "a good part of it."
        )
    shown, file = Image.fromarray(picture.pixels), io.BytesIO()
    shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    shown.save(file, format="JPEG", quality=90)
    boxes = np.stack([person.box_xyxy for person in people]) * np.tile(picture.scale, 2)
    return PeopleResult(boxes, np.array([p.score for p in people]), picture.size, file.getvalue())
