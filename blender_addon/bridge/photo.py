# SPDX-License-Identifier: GPL-3.0-or-later
"""The photo in Blender: an image packed into the file, and the boxes of who is in it."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..core.asks import PeopleAsk, PoseAsk
from ..core.media import rgb_pixels
from ..core.requests import Answered, Target
from .errors import BridgeError

NAME = "HMVLM Photo"


def show_photo(scene: bpy.types.Scene, found: Answered) -> bpy.types.Image:
    """Take in who was found in a picture: the picture itself, upright, and the boxes."""
    assert isinstance(found.request, PeopleAsk)
    asked: Any = scene.hmvlm_pose
    path = found.request.path
    image = _packed(Path(path).name if path else NAME, found.arrays["picture"].tobytes())
    before = asked.image
    asked.image, asked.path = image, path
    asked.size = tuple(found.values["size"])
    asked.people.clear()
    for box, score in zip(found.arrays["boxes"], found.arrays["scores"], strict=True):
        person = asked.people.add()
        person.box, person.score = tuple(float(x) for x in box), float(score)
    asked.active = 0
    if before is not None and before.users == 0 and before.packed_file is not None:
        bpy.data.images.remove(before)
    return image


def _packed(name: str, jpeg: bytes) -> bpy.types.Image:
    image = bpy.data.images.new(name, 8, 8)
    image.pack(data=jpeg, data_len=len(jpeg))
    image.source = "FILE"
    if image.size[0] == 0:  # also makes Blender read it
        bpy.data.images.remove(image)
        raise BridgeError("The picture that the backend sent cannot be shown.")
    image.preview_ensure()
    return image


def pose_ask(scene: bpy.types.Scene, target: Target) -> PoseAsk:
    """The request for the pose of the chosen person. Raises BridgeError without a photo."""
    asked: Any = scene.hmvlm_pose
    if asked.image is None or not asked.people:
        raise BridgeError("Open or paste a photo first.")
    person = asked.people[min(asked.active, len(asked.people) - 1)]
    size, box, pixels = tuple(asked.size), tuple(person.box), None
    if not asked.path or not Path(asked.path).is_file():  # pasted, or the file is gone
        pixels = image_pixels(asked.image)
        shown = pixels.shape[1], pixels.shape[0]
        box = tuple(
            float(x) for x in np.array(box) * np.tile([shown[0] / size[0], shown[1] / size[1]], 2)
        )
        size = shown
    return PoseAsk(
        path="" if pixels is not None else asked.path,
        pixels=pixels,
        box=box,
        selected_only=asked.selected_only,
        keep_place=asked.keep_place,
        keep_heading=asked.keep_heading,
        picture=asked.image.name,
        size=(int(size[0]), int(size[1])),
        target=target,
    )


def image_pixels(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 3) uint8 of an image. Raises BridgeError for one without pixels of its own."""
    width, height = image.size
    if width * height == 0 or len(image.pixels) != width * height * 4:
        raise BridgeError(f"The image '{image.name}' has no pixels that can be read.")
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    return rgb_pixels(values, width, height)
