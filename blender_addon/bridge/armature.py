# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature with SMPL's 24 joints, and what keyframing needs to know of such an armature."""

import bpy
import numpy as np

from ..shared.skeleton import (
    JOINT_NAMES,
    NUM_BODY_JOINTS,
    PARENTS,
    REST_OFFSETS,
    joint_index,
    rest_joint_positions,
)
from .axes import to_blender, to_smpl
from .errors import BridgeError

BODY_BONES = JOINT_NAMES[:NUM_BODY_JOINTS]

# where a joint has several children, the one its bone points at
_POINTS_AT = {"pelvis": "spine1", "spine3": "neck"}
# bones of joints without children: direction and length in SMPL's axes, metres
_TIPS = {
    "head": (0.0, 0.16, 0.02),
    "left_foot": (0.0, -0.01, 0.09),
    "right_foot": (0.0, -0.01, 0.09),
    "left_hand": (0.08, -0.007, -0.01),
    "right_hand": (-0.08, -0.007, -0.01),
}
_SOLE = 0.025  # metres of flesh between the toe joint and the ground


def add_smpl_armature(
    context: bpy.types.Context,
    name: str = "SMPL",
    location: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> bpy.types.Object:
    """Add an armature of 24 bones in SMPL's T-pose, feet at `location`, and make it active."""
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    (context.collection or context.scene.collection).objects.link(armature)
    context.view_layer.update()
    if context.view_layer.objects.get(armature.name) is None:
        bpy.data.armatures.remove(data)
        raise BridgeError("The active collection is excluded from the view layer: choose another.")
    armature.location = location
    armature.show_in_front = True
    for other in context.selected_objects:
        other.select_set(False)
    context.view_layer.objects.active = armature
    armature.select_set(True)

    bpy.ops.object.mode_set(mode="EDIT")
    _add_bones(data)
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in data.bones:
        side = bone.name.split("_")[0]
        bone.color.palette = {"left": "THEME04", "right": "THEME01"}.get(side, "THEME09")
    for bone in armature.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return armature


def _add_bones(data: bpy.types.Armature) -> None:
    joints = rest_joint_positions()
    joints[:, 1] -= joints[joint_index("left_foot"), 1] - _SOLE
    heads = to_blender(joints)
    for j, name in enumerate(JOINT_NAMES):
        bone = data.edit_bones.new(name)
        bone.head = heads[j]
        bone.tail = heads[j] + to_blender(_direction(j))
        # one rule for every bone keeps left and right alike: its Z axis looks forward
        bone.align_roll((0.0, 0.0, 1.0) if name.endswith("foot") else (0.0, -1.0, 0.0))
        if PARENTS[j] >= 0:
            bone.parent = data.edit_bones[JOINT_NAMES[PARENTS[j]]]


def _direction(joint: int) -> np.ndarray:
    name = JOINT_NAMES[joint]
    if name in _TIPS:
        return np.array(_TIPS[name])
    child = joint_index(_POINTS_AT[name]) if name in _POINTS_AT else PARENTS.index(joint)
    return REST_OFFSETS[child]


def is_smpl_armature(thing: bpy.types.Object | None) -> bool:
    """Whether `thing` is an armature with a bone for each of SMPL's 22 body joints."""
    if thing is None or thing.type != "ARMATURE":
        return False
    bones = thing.data.bones
    return all(name in bones for name in BODY_BONES)


def rest_pose(armature: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """(22 or 24, 3, 3) rest axes of the bones and (3,) the pelvis's place, in SMPL's axes.

    Read off the armature, so that bones whose roll or direction was edited still land right.
    """
    bones = armature.data.bones
    names = JOINT_NAMES if all(name in bones for name in JOINT_NAMES) else BODY_BONES
    axes = np.array([bones[name].matrix_local.to_3x3() for name in names])
    columns_in_smpl = np.swapaxes(to_smpl(np.swapaxes(axes, -1, -2)), -1, -2)
    return columns_in_smpl, to_smpl(np.array(bones["pelvis"].head_local))
