# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion to keyframes: a new action on the armature, by one path from Blender 4.4 on.

Keys are written as arrays: keyframe_insert takes half a second where this takes milliseconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..core.retarget import bone_channels
from ..shared.motion import Motion
from ..shared.skeleton import JOINT_NAMES
from .armature import is_smpl_armature, rest_pose
from .errors import BridgeError

_NAME_BYTES = 60  # Blender 4.x cuts a name at 63 bytes, wherever a character begins

NewCurve = Callable[[str, int, str], bpy.types.FCurve]


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames a second of the scene: 24 / 1.001 where the file says 23.976."""
    return scene.render.fps / scene.render.fps_base


@dataclass(frozen=True)
class Keys:
    """Channels of one property: `path` from the object, (T, D) values, the bone as their group.

    One row makes one key, at the first frame: for what is switched rather than moved.
    """

    path: str
    group: str
    values: np.ndarray


def keyframe_motion(
    armature: bpy.types.Object,
    motion: Motion,
    *,
    start_frame: int,
    action_name: str,
    fps: float,
) -> bpy.types.Action:
    """Key `motion`, resampled to `fps`, on every frame from `start_frame` on; in a new action.

    The action that was assigned before keeps existing, kept by a fake user if need be.
    Raises BridgeError, with nothing changed, when the armature cannot take it.
    """
    if not is_smpl_armature(armature):
        raise BridgeError(
            f"'{armature.name}' is not an SMPL armature: add one with 'Add SMPL Armature'."
        )
    check_can_be_keyed(armature)
    rest_rotations, root_rest = rest_pose(armature)
    if motion.poses.shape[1] > len(rest_rotations):
        motion = Motion(motion.poses[:, : len(rest_rotations)], motion.trans, motion.fps)
    channels = bone_channels(motion.resampled(fps), rest_rotations, root_rest)
    keys = [
        Keys(bone_path(name, "rotation_quaternion"), name, channels.quaternions[:, j])
        for j, name in enumerate(JOINT_NAMES[: channels.quaternions.shape[1]])
    ]
    keys.append(Keys(bone_path("pelvis", "location"), "pelvis", channels.root_locations))
    action = write_action(armature, keys, start_frame=start_frame, action_name=action_name)
    for bone in armature.pose.bones:
        if bone.name in JOINT_NAMES:
            bone.rotation_mode = "QUATERNION"
    armature.update_tag()
    return action


def bone_path(bone: str, property_name: str) -> str:
    """The data path, from the object, of a property of the posed bone."""
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"].{property_name}'


def write_action(
    armature: bpy.types.Object,
    keys: Sequence[Keys],
    *,
    start_frame: int,
    action_name: str,
    as_layer: bool = False,
) -> bpy.types.Action:
    """A new action with these keys, on every frame from `start_frame` on, assigned to the armature.

    as_layer: put it on an NLA track of its own, over an action that is pushed down under it.
    """
    action, slot = new_action(
        keys, slot_name=armature.name, start_frame=start_frame, action_name=action_name
    )
    try:
        if as_layer:
            _add_layer(armature, action, slot, start_frame)
        else:
            _assign(armature, action, slot)
    except Exception:
        bpy.data.actions.remove(action)
        raise
    return action


def new_action(
    keys: Sequence[Keys], *, slot_name: str, start_frame: int, action_name: str
) -> tuple[bpy.types.Action, "bpy.types.ActionSlot | None"]:
    """An action with these keys that nothing is assigned to yet, and its slot (None before 4.4)."""
    length = max(len(key.values) for key in keys)
    frames = start_frame + np.arange(length, dtype=np.float64)
    action = bpy.data.actions.new(_clip_name(action_name))
    try:
        slot, new_curve = _curve_maker(action, slot_name)
        for key in keys:
            for i in range(key.values.shape[1]):
                curve = new_curve(key.path, i, key.group)
                _set_keys(curve, frames[: len(key.values)], key.values[:, i])
        action.use_frame_range = True
        action.frame_start, action.frame_end = frames[0], frames[-1]
    except Exception:
        bpy.data.actions.remove(action)
        raise
    return action, slot


def check_can_be_keyed(armature: bpy.types.Object) -> None:
    """Raise BridgeError, which says what to do, when the object can take no action."""
    if armature.library is not None:
        raise BridgeError(
            f"'{armature.name}' is linked from another file: make a library override of it first."
        )
    if armature.animation_data is not None and armature.animation_data.use_tweak_mode:
        raise BridgeError(f"Leave tweak mode of the NLA on '{armature.name}' first.")


def _clip_name(name: str) -> str:
    return name.encode()[:_NAME_BYTES].decode(errors="ignore").strip() or "HMVLM motion"


def _curve_maker(
    action: bpy.types.Action, slot_name: str
) -> tuple["bpy.types.ActionSlot | None", NewCurve]:
    if bpy.app.version < (4, 4, 0):  # one set of curves an action, no slots yet
        return None, lambda path, i, group: action.fcurves.new(path, index=i, action_group=group)
    slot = action.slots.new(id_type="OBJECT", name=slot_name)
    strip = action.layers.new("Motion").strips.new(type="KEYFRAME")
    bag = strip.channelbag(slot, ensure=True)

    def new_curve(path: str, index: int, group: str) -> bpy.types.FCurve:
        curve = bag.fcurves.new(path, index=index)
        curve.group = bag.groups.get(group) or bag.groups.new(group)
        return curve

    return slot, new_curve


def _set_keys(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray) -> None:
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.stack([frames, values], axis=-1).astype(np.float32).ravel())
    linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    points.foreach_set("interpolation", np.full(len(frames), linear, dtype=np.int32))
    curve.update()


def _assign(
    armature: bpy.types.Object,
    action: bpy.types.Action,
    slot: "bpy.types.ActionSlot | None",
) -> None:
    animation = armature.animation_data or armature.animation_data_create()
    before = animation.action
    if before is not None and before.library is None and before.users <= 1:
        before.use_fake_user = True
    animation.action = action
    if slot is not None:
        animation.action_slot = slot


def _add_layer(
    armature: bpy.types.Object,
    action: bpy.types.Action,
    slot: "bpy.types.ActionSlot | None",
    start_frame: int,
) -> None:
    animation = armature.animation_data or armature.animation_data_create()
    before = animation.action
    if before is not None:
        # an assigned action plays over every track, so it becomes the track below
        begin = int(before.frame_range[0])
        strip = animation.nla_tracks.new().strips.new(before.name, begin, before)
        if slot is not None:
            strip.action_slot = animation.action_slot
        animation.action = None
    track = animation.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, start_frame, action)
    strip.extrapolation = "NOTHING"
    if slot is not None:
        strip.action_slot = slot
