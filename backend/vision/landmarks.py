# SPDX-License-Identifier: Apache-2.0
"""A person in a picture -> BlazePose's 33 landmarks, in the picture and in metres.

Order of the landmarks: nose; left eye inner, centre, outer; right eye the same; ears; mouth;
shoulders, elbows, wrists, little fingers, index fingers, thumbs; hips, knees, ankles, heels, toes:
left before right from the ears on. Left is the person's own.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import InvalidInput

from .blazepose import BlazePose, RawLandmarks
from .crops import Square, cut
from .detector import BODY_CIRCLE, HIPS, Person
from .images import Picture, picture_of, read_picture
from .people import Box, check_box, find_person
from .skeleton33 import MIRROR_LANDMARKS

NUM_LANDMARKS = 33
CROP_SIDE = 256
_NEXT_HIPS, _NEXT_CIRCLE = 33, 34
_MARGIN = 1.25
_MIN_SIDE = 4.0
_REFINE_WINDOW = 7
_REFINE_MIN_CONFIDENCE = 0.5
_MOST_APART = 0.08  # of the crop's side; sides mixed up are farther apart


@dataclass(frozen=True)
class LandmarkSettings:
    """rounds: how often the crop is taken anew from the landmarks found.

    stable: crops whose corners differ by less than this part of the side are the same one.
    min_score: from 0 to 1, below it there is no person in the crop.
    """

    rounds: int = 2
    stable: float = 0.02
    min_score: float = 0.5


@dataclass(frozen=True)
class Landmarks:
    """Of one person.

    image: (33, 3) x and y in pixels of the picture, z in pixels as well: how much farther from the
    camera than the hips (a guess, far less sure than x and y). world: (33, 3) metres from the
    middle of the hips, x to the right of the picture, y down, z away from the camera. visibility,
    presence: (33,) from 0 to 1: that a point is not hidden; that it lies within the crop.
    score: from 0 to 1, that it is a person. square: the crop that the landmarks ask for, pixels:
    around the whole body, its y axis along it.
    """

    image: np.ndarray
    world: np.ndarray
    visibility: np.ndarray
    presence: np.ndarray
    score: float
    square: Square


def estimate_landmarks(
    image: str | Path | np.ndarray | Picture,
    box: Box | None = None,
    networks: BlazePose | None = None,
    both_ways: bool = False,
) -> Landmarks:
    """Landmarks of the largest person in a picture, or of the one in a box.

    image: a file, an array (height, width, 3), or a picture read before. box: left, top, right,
    bottom in pixels of the upright picture. networks: loaded for this call when None. both_ways:
    see `seen_both_ways`; it takes one more look. Raises InvalidInput when the picture cannot be
    read or shows nobody there, AssetError when BlazePose cannot be had.
    """
    picture = as_picture(image)
    networks = networks or BlazePose()
    person = find_person(picture.pixels, networks, box_within(picture, box))
    landmarks = landmarks_of(picture.pixels, square_of(person), networks)
    if landmarks is None:
        raise InvalidInput(
            "What looked like a person in the picture shows no pose that can be read. Give a "
            "picture with more of the body in it."
        )
    if both_ways:
        landmarks = seen_both_ways(picture.pixels, landmarks, networks)
    return in_users_pixels(landmarks, picture)


def as_picture(image: str | Path | np.ndarray | Picture) -> Picture:
    """Raises InvalidInput."""
    if isinstance(image, Picture):
        return image
    return picture_of(image) if isinstance(image, np.ndarray) else read_picture(image)


def box_within(picture: Picture, box: Box | None) -> np.ndarray | None:
    """A box in the user's pixels -> (4,) in pixels of `picture.pixels`. Raises InvalidInput."""
    if box is None:
        return None
    return check_box(box, picture.size[::-1]) / np.tile(picture.scale, 2)


def square_of(person: Person) -> Square:
    """The crop for the landmark network, from the detector's points."""
    return aligned_square(person.points[HIPS], person.points[BODY_CIRCLE])


def aligned_square(hips: np.ndarray, circle: np.ndarray) -> Square:
    """Around the circle about the hips (2,) through `circle` (2,), turned so that it is on top."""
    x, y = circle - hips
    return Square(hips, 2 * _MARGIN * float(np.hypot(x, y)), float(np.arctan2(x, -y)))


def landmarks_of(
    pixels: np.ndarray,
    square: Square,
    networks: BlazePose,
    settings: LandmarkSettings | None = None,
) -> Landmarks | None:
    """Landmarks of the person in a square of a picture (height, width, 3); None when nobody is.

    The points found ask for a crop; when that is another one, they are found anew in it. The last
    ones that belong to a person are returned.
    """
    settings = settings or LandmarkSettings()
    best = None
    for _ in range(settings.rounds + 1):
        found = _placed(networks.landmarks(cut(pixels, square, CROP_SIDE)), square)
        # a crop that is a little off can score low and still point to one that does not
        if found.score >= settings.min_score:
            best = found
        if found.square.side < _MIN_SIDE or found.square.near(square, settings.stable):
            break
        square = found.square
    return best


def seen_both_ways(pixels: np.ndarray, found: Landmarks, networks: BlazePose) -> Landmarks:
    """The mean of `found` in a picture (height, width, 3) and of what the network sees in the
    picture's mirror image, where it errs in other ways.

    `found` as it is where nobody is seen in the mirror, or somebody quite different.
    """
    width = pixels.shape[1]
    there = _mirrored_square(found.square, width)
    other = landmarks_of(pixels[:, ::-1], there, networks, LandmarkSettings(rounds=0))
    if other is None:
        return found
    order = list(MIRROR_LANDMARKS)
    image, world = other.image[order], other.world[order]
    image[:, 0], world[:, 0] = width - image[:, 0], -world[:, 0]
    apart = np.linalg.norm(image[:, :2] - found.image[:, :2], axis=1).mean()
    if apart > _MOST_APART * found.square.side:
        return found
    return Landmarks(
        image=(found.image + image) / 2,
        world=(found.world + world) / 2,
        visibility=(found.visibility + other.visibility[order]) / 2,
        presence=(found.presence + other.presence[order]) / 2,
        score=found.score,
        square=found.square,
    )


def _mirrored_square(square: Square, width: int) -> Square:
    return Square(
        np.array([width - square.centre[0], square.centre[1]]), square.side, -square.angle
    )


def in_users_pixels(landmarks: Landmarks, picture: Picture) -> Landmarks:
    """The same from pixels of `picture.pixels` to those the user sees."""
    scale = picture.scale
    mean = float(scale.mean())
    old = landmarks.square
    return Landmarks(
        image=landmarks.image * np.append(scale, mean),
        world=landmarks.world,
        visibility=landmarks.visibility,
        presence=landmarks.presence,
        score=landmarks.score,
        square=Square(old.centre * scale, old.side * mean, old.angle),
    )


def refine(points: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Points (N, 2) from 0 to 1, moved to the mean of the heatmap (S, S, N; logits) around them.

    Left alone where the heatmap is unsure, as BlazePose's own pipeline does.
    """
    side, out = heatmap.shape[0], points.copy()
    reach = _REFINE_WINDOW // 2
    cells = np.floor(points * side).astype(int)
    for i, (column, row) in enumerate(cells):
        if not (0 <= column < side and 0 <= row < side):
            continue
        left, top = max(0, column - reach), max(0, row - reach)
        window = heatmap[top : row + reach + 1, left : column + reach + 1, i].astype(np.float64)
        weight = 1 / (1 + np.exp(-np.clip(window, -60, 60)))
        if weight.max() < _REFINE_MIN_CONFIDENCE:
            continue
        rows, columns = np.indices(weight.shape)
        mean = [(weight * (columns + left)).sum(), (weight * (rows + top)).sum()]
        out[i] = np.array(mean) / weight.sum() / side
    return out


def _placed(raw: RawLandmarks, square: Square) -> Landmarks:
    """The network's answers for a crop, in the picture's pixels and axes."""
    values = raw.image.astype(np.float64)
    flat = refine(values[:, :2] / CROP_SIDE, raw.heatmap)
    points = square.to_picture(flat)
    depth = values[:, 2] / CROP_SIDE * square.side
    world = raw.world[:NUM_LANDMARKS].astype(np.float64)
    # the crop was turned against the picture: only x and y of the world turn with it
    world[:, :2] = world[:, :2] @ square.turn.T
    visibility, presence = 1 / (1 + np.exp(-np.clip(values[:NUM_LANDMARKS, 3:], -60, 60))).T
    return Landmarks(
        image=np.concatenate([points, depth[:, None]], axis=1)[:NUM_LANDMARKS],
        world=world,
        visibility=visibility,
        presence=presence,
        score=raw.score,
        square=aligned_square(points[_NEXT_HIPS], points[_NEXT_CIRCLE]),
    )
