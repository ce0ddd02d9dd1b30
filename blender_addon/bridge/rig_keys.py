# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion keyed on any armature through its bone mapping: only the object's action is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from ..core.mapping import MappingError, family_named
from ..core.retarget import retarget_to_rig
from ..core.rig import Rig
from ..core.rotation_modes import axis_angles, euler_angles
from ..shared.motion import Motion
from .action import Keys, bone_path, check_can_be_keyed, write_action
from .errors import BridgeError
from .rig import read_rig


@dataclass(frozen=True)
class RigSettings:
    """How a rig is keyed.

    bones: SMPL joint -> bone. family: the kind of rig, for the switches between its FK and IK.
    foot_lock: hold planted feet. ik_targets: place the IK controls of hands and feet as well.
    selected_only: leave bones alone that are not selected. as_layer: on an NLA track of its own.
    """

    bones: Mapping[str, str]
    family: str = ""
    foot_lock: bool = True
    ik_targets: bool = False
    selected_only: bool = False
    as_layer: bool = False


def keyframe_rig(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    motion: Motion,
    settings: RigSettings,
    *,
    start_frame: int,
    action_name: str,
    fps: float,
) -> bpy.types.Action:
    """Key `motion`, resampled to `fps`, on the mapped bones from `start_frame` on.

    Raises BridgeError, with nothing changed, when the armature or its mapping does not do.
    """
    check_can_be_keyed(armature)
    with rig_keys(scene, armature, motion.resampled(fps), settings) as keys:
        action = write_action(
            armature,
            keys,
            start_frame=start_frame,
            action_name=action_name,
            as_layer=settings.as_layer,
        )
    armature.update_tag()
    return action


@contextmanager
def rig_keys(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    motion: Motion,
    settings: RigSettings,
    *,
    read_only: bool = False,
) -> Iterator[list[Keys]]:
    """The keys of `motion` on the mapped bones, a row a frame, with the rig's switches set for it.

    The switches are as they were again after an error, and in any case when read_only.
    Raises BridgeError when the mapping does not do.
    """
    with driven_rig(scene, armature, settings, read_only=read_only) as driven:
        yield keys_on(armature, driven, motion, settings)


@dataclass(frozen=True)
class DrivenRig:
    """A rig as it rests, and its switches as they are set for keys: bone, property, value."""

    rig: Rig
    switches: tuple[tuple[str, str, float], ...]


@contextmanager
def driven_rig(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    settings: RigSettings,
    *,
    read_only: bool = False,
) -> Iterator[DrivenRig]:
    """The rig, read with its switches set; they stay so unless read_only, or after an error."""
    switches = _switches(armature, settings)
    with _switched(armature, switches, read_only):
        yield DrivenRig(read_rig(armature, scene_depsgraph(scene, armature)), tuple(switches))


def keys_on(
    armature: bpy.types.Object, driven: DrivenRig, motion: Motion, settings: RigSettings
) -> list[Keys]:
    """The keys of `motion` on a rig that was read before. Raises BridgeError."""
    try:
        channels = retarget_to_rig(
            driven.rig,
            settings.bones,
            motion,
            foot_lock=settings.foot_lock,
            family=settings.family if settings.ik_targets else "",
            local_location={bone.name: bone.use_local_location for bone in armature.data.bones},
        )
    except MappingError as error:
        raise BridgeError(f"'{armature.name}': {error}") from error
    keys = [
        *_rotation_keys(armature, channels.quaternions, settings),
        *(
            Keys(bone_path(name, "location"), name, values)
            for name, values in channels.locations.items()
            if _wanted(armature, name, settings)
        ),
    ]
    if not keys:
        raise BridgeError(
            "None of the mapped bones is selected: select some in pose mode, or switch off "
            "'Only Selected Bones'."
        )
    keys += [
        Keys(bone_path(bone, "")[:-1] + f'["{name}"]', bone, np.array([[value]]))
        for bone, name, value in driven.switches
    ]
    return keys


def _switches(armature: bpy.types.Object, settings: RigSettings) -> list[tuple[str, str, float]]:
    """The rig's switches between FK and IK, where it has them; none for a part of the bones."""
    family = family_named(settings.family)
    if family is None or settings.selected_only:
        return []
    values = family.switch_values(ik=settings.ik_targets)
    bones = armature.pose.bones
    return [(b, name, v) for b, name, v in values if b in bones and name in bones[b]]


def scene_depsgraph(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> bpy.types.Depsgraph | None:
    """The evaluated scene, up to date; None where the armature is in no view layer."""
    for layer in scene.view_layers:
        if armature.name in layer.objects:
            depsgraph = layer.depsgraph
            depsgraph.update()
            return depsgraph
    return None


@contextmanager
def _switched(
    armature: bpy.types.Object, switches: list[tuple[str, str, float]], read_only: bool
) -> Iterator[None]:
    """The rig with its switches set, so that it can be read; as it was again after an error."""
    before = [(bone, name, armature.pose.bones[bone][name]) for bone, name, _ in switches]
    _set(armature, switches)
    try:
        yield
    except Exception:
        _set(armature, before)
        raise
    if read_only:
        _set(armature, before)


def _set(armature: bpy.types.Object, values: list[tuple[str, str, float]]) -> None:
    changed = False
    for bone, name, value in values:
        before = armature.pose.bones[bone][name]
        if before != value:
            armature.pose.bones[bone][name] = type(before)(value)
            changed = True
    if changed:
        armature.update_tag()


def _rotation_keys(
    armature: bpy.types.Object, quaternions: Mapping[str, np.ndarray], settings: RigSettings
) -> Iterator[Keys]:
    """Each bone in the rotation mode it is in."""
    for name, values in quaternions.items():
        if not _wanted(armature, name, settings):
            continue
        mode = armature.pose.bones[name].rotation_mode
        if mode == "QUATERNION":
            yield Keys(bone_path(name, "rotation_quaternion"), name, values)
        elif mode == "AXIS_ANGLE":
            yield Keys(bone_path(name, "rotation_axis_angle"), name, axis_angles(values))
        else:
            yield Keys(bone_path(name, "rotation_euler"), name, euler_angles(values, mode))


def _wanted(armature: bpy.types.Object, name: str, settings: RigSettings) -> bool:
    if not settings.selected_only:
        return True
    bone = armature.pose.bones[name]
    # a posed bone has its own selection from Blender 5.0 on
    return bone.select if hasattr(bone, "select") else bone.bone.select
