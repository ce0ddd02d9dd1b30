# SPDX-License-Identifier: GPL-3.0-or-later
"""A pose as an asset of the pose library: an action of one frame, with the person as its picture.

It lies in this file, as assets do that are marked here; the asset browser shows it under
Current File.
"""

import bpy
import numpy as np

from ..core.asks import PoseAsk
from ..core.media import preview_pixels
from ..shared.motion import Motion
from .action import new_action
from .pose_keys import pose_values

PREVIEW_SIDE = 256


def save_pose_asset(
    scene: bpy.types.Scene, armature: bpy.types.Object, pose: Motion, ask: PoseAsk, name: str
) -> bpy.types.Action:
    """Make it, tagged "HMVLM". Raises BridgeError when the armature's mapping does not do."""
    keys = pose_values(scene, armature, pose, ask)
    action = new_action(keys, slot_name=armature.name, start_frame=1, action_name=name)[0]
    action.asset_mark()
    data = action.asset_data
    data.tags.new("HMVLM", skip_if_exists=True)
    data.description = f"Pose of a person in {ask.picture}" if ask.picture else "Pose from a photo"
    image = bpy.data.images.get(ask.picture)
    if image is not None and image.size[0] > 0:
        _picture(action, image, ask)
    return action


def _picture(action: bpy.types.Action, image: bpy.types.Image, ask: PoseAsk) -> None:
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    scale = np.array([width / ask.size[0], height / ask.size[1]] * 2)
    box = np.array(ask.box if ask.box is not None else (0, 0, *ask.size)) * scale
    preview = action.preview_ensure()
    preview.image_size = (PREVIEW_SIDE, PREVIEW_SIDE)
    preview.image_pixels_float.foreach_set(
        preview_pixels(values, width, height, tuple(box), PREVIEW_SIDE)
    )
