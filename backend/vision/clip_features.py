# SPDX-License-Identifier: Apache-2.0
"""What a clip of one person shows, as numbers a frame: landmarks, place, facing, movement.

A few frames are read, spread evenly over the clip (HMVLM, section 3.1, takes 8). Letters: F frames,
W numbers a frame; `...` any leading dimensions.
"""

import numpy as np

from .person_square import SEEN, square_around, to_square

CLIP_FRAMES = 8
LANDMARK_WIDTH = 33 * 6
CLIP_WIDTH = LANDMARK_WIDTH + 11 + 33 * 3
"""W: 33 landmarks x 6 as for a picture, 11 numbers of the clip, 33 x 3 about the body's axes."""
_HIPS, _SIDES = [23, 24], ((23, 24), (11, 12))


def frame_choice(count: int, frames: int = CLIP_FRAMES) -> np.ndarray:
    """(F,) which of `count` frames are read: evenly from the first to the last, repeated where
    there are fewer."""
    return np.linspace(0, count - 1, frames).round().astype(int)


def clip_features(
    image: np.ndarray, visibility: np.ndarray, world: np.ndarray, seconds: np.ndarray | float
) -> np.ndarray:
    """Landmarks of F frames of one person -> (..., F, W) float32.

    image (..., F, 33, 2): in any unit of a picture that is the same for all frames, y down;
    visibility (..., F, 33); world (..., F, 33, 3) metres, BlazePose's axes; seconds (...): length
    of the clip. Points are told in the square round the person of their own frame, and that square
    in the mean one of the clip: so walking off, a jump or a turn of the camera can be told apart.
    """
    seen = visibility > SEEN
    seen = seen | (seen.sum(axis=-1, keepdims=True) < 4)  # too few: then all points count
    centre, half = square_around(image, seen)
    centred = world - world[..., _HIPS, :].mean(axis=-2, keepdims=True)
    flat = to_square(image, centre, half)
    landmarks = np.concatenate([flat, visibility[..., None], centred], axis=-1)
    facing = _facing(centred)
    window = half.mean(axis=-1, keepdims=True)
    place = (centre - centre.mean(axis=-2, keepdims=True)) / window[..., None]
    hips = image[..., _HIPS, :].mean(axis=-2)
    hips = (hips - hips.mean(axis=-2, keepdims=True)) / window[..., None]
    size = np.log(half / window)[..., None]
    moved = np.concatenate([hips, size], axis=-1)
    turned = np.unwrap(facing, axis=-1)
    length = np.log(np.broadcast_to(np.asarray(seconds)[..., None], half.shape))
    numbers = np.concatenate(
        [
            place,
            moved,
            np.diff(moved, axis=-2, prepend=moved[..., :1, :]),
            (turned - turned[..., :1])[..., None] / np.pi,
            np.diff(turned, axis=-1, prepend=turned[..., :1])[..., None],
            length[..., None],
        ],
        axis=-1,
    )
    own = _about_itself(centred, facing)
    shape = landmarks.shape[:-2]
    parts = [landmarks.reshape(*shape, -1), numbers, own.reshape(*shape, -1)]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def _facing(world: np.ndarray) -> np.ndarray:
    """World landmarks (..., 33, 3) -> (...) radians, 0 where the person looks into the camera,
    growing as the person turns to its own left."""
    across = np.zeros(3)
    for left, right in _SIDES:
        across = across + world[..., left, :] - world[..., right, :]
    return np.arctan2(across[..., 2], across[..., 0])


def _about_itself(world: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """World landmarks turned about the vertical until the person looks into the camera."""
    cos, sin = np.cos(facing)[..., None], np.sin(facing)[..., None]
    x, y, z = np.moveaxis(world, -1, 0)
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)
