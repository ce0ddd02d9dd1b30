# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion to keyframes: a new action on the armature, by one path from Blender 4.4 on.

Keys are written as arrays: keyframe_insert takes half a second where this takes milliseconds.
"""

from collections.abc import Callable

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
    _check_target(armature)
    rest_rotations, root_rest = rest_pose(armature)
    if motion.poses.shape[1] > len(rest_rotations):
        motion = Motion(motion.poses[:, : len(rest_rotations)], motion.trans, motion.fps)
    channels = bone_channels(motion.resampled(fps), rest_rotations, root_rest)
    frames = start_frame + np.arange(len(channels.quaternions), dtype=np.float64)

    action = bpy.data.actions.new(_clip_name(action_name))
    try:
        slot, new_curve = _curve_maker(action, armature.name)
        for j in range(channels.quaternions.shape[1]):
            path = f'pose.bones["{JOINT_NAMES[j]}"].rotation_quaternion'
            for i in range(4):
                curve = new_curve(path, i, JOINT_NAMES[j])
                _set_keys(curve, frames, channels.quaternions[:, j, i])
        for i in range(3):
            curve = new_curve('pose.bones["pelvis"].location', i, "pelvis")
            _set_keys(curve, frames, channels.root_locations[:, i])
        action.use_frame_range = True
        action.frame_start, action.frame_end = frames[0], frames[-1]
        _assign(armature, action, slot)
    except Exception:
        bpy.data.actions.remove(action)
        raise
    for bone in armature.pose.bones:
        if bone.name in JOINT_NAMES:
            bone.rotation_mode = "QUATERNION"
    armature.update_tag()
    return action


def _check_target(armature: bpy.types.Object) -> None:
    if not is_smpl_armature(armature):
        raise BridgeError(
            f"'{armature.name}' is not an SMPL armature: add one with 'Add SMPL Armature'."
        )
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
