# SPDX-License-Identifier: GPL-3.0-or-later
"""A pose keyed at one frame, among the keys that are there: all of it or nothing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..core.asks import PoseAsk
from ..core.placing import place
from ..shared.motion import Motion
from .action import Keys, bone_path, check_can_be_keyed
from .capture import capture_now
from .errors import BridgeError
from .rig_keys import rig_keys
from .rig_mapping import rig_settings


def key_pose(
    scene: bpy.types.Scene, armature: bpy.types.Object, pose: Motion, frame: int, ask: PoseAsk
) -> int:
    """Key the one frame of `pose` at `frame`, as `ask` says; how many bones were keyed.

    Raises BridgeError, with nothing changed, when the armature or its mapping does not do.
    """
    check_can_be_keyed(armature)
    with _keys(scene, armature, pose, ask) as keys:
        _insert(armature, keys, frame)
    armature.update_tag()
    if scene.frame_current != frame:  # the pose belongs to another frame than the one shown
        scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    return len({key.group for key in keys})


def pose_values(
    scene: bpy.types.Scene, armature: bpy.types.Object, pose: Motion, ask: PoseAsk
) -> list[Keys]:
    """The rows that `key_pose` would key, for an action of their own. Raises BridgeError."""
    with _keys(scene, armature, pose, ask, read_only=True) as keys:
        return keys


def _keys(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    pose: Motion,
    ask: PoseAsk,
    *,
    read_only: bool = False,
) -> AbstractContextManager[list[Keys]]:
    chosen = replace(
        rig_settings(scene, armature),
        foot_lock=False,  # which is about time
        as_layer=False,
        selected_only=ask.selected_only,
    )
    now = capture_now(scene, armature)
    placed = place(pose, now, keep_place=ask.keep_place, keep_heading=ask.keep_heading)
    return rig_keys(scene, armature, placed, chosen, read_only=read_only)


@dataclass
class _Step:
    """A key that was set, and what was there before."""

    bone: bpy.types.PoseBone
    path: str
    values: tuple[float, ...] | None
    keyed: bool


def _insert(armature: bpy.types.Object, keys: Sequence[Keys], frame: int) -> None:
    had_action = armature.animation_data is not None and armature.animation_data.action is not None
    keyed, done = _keyed_paths(armature, frame), list[_Step]()
    try:
        for key in keys:
            bone = armature.pose.bones[key.group]
            path = key.path[len(bone_path(key.group, "")) - 1 :].lstrip(".")
            switch = path.startswith("[")
            before = None if switch else tuple(getattr(bone, path))
            done.append(_Step(bone, path, before, key.path in keyed))
            if before is not None:
                setattr(bone, path, _nearest(path, key.values[0], np.array(before)))
            if not bone.keyframe_insert(path, frame=frame, group=key.group):
                raise RuntimeError(f"'{key.group}' takes no key")
    except Exception as error:
        _take_back(armature, done, frame, had_action)
        raise BridgeError(
            f"'{armature.name}' cannot be keyed ({error}): is its action linked or locked?"
        ) from error


def _nearest(path: str, values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Of the numbers that mean one rotation, those nearest to what the bone has."""
    if path == "rotation_quaternion":
        return -values if values @ before < 0 else values
    if path == "rotation_euler":
        return values + 2 * np.pi * np.round((before - values) / (2 * np.pi))
    return values


def _take_back(
    armature: bpy.types.Object, done: Sequence[_Step], frame: int, had_action: bool
) -> None:
    animation = armature.animation_data
    # held before its keys go: with the last of them 4.2 takes the action off the armature
    made = None if had_action or animation is None else animation.action
    for step in done:
        if step.values is not None:
            setattr(step.bone, step.path, step.values)
        with suppress(RuntimeError, TypeError):  # what could not be keyed has no key to take away
            if step.keyed:
                step.bone.keyframe_insert(step.path, frame=frame)
            else:
                step.bone.keyframe_delete(step.path, frame=frame)
    if made is not None:
        bpy.data.actions.remove(made)


def _keyed_paths(armature: bpy.types.Object, frame: int) -> set[str]:
    """The properties of the armature's action that have a key at the frame."""
    found = set()
    for curve in _curves(armature):
        points = np.empty(2 * len(curve.keyframe_points), np.float32)
        curve.keyframe_points.foreach_get("co", points)
        if (np.abs(points[::2] - frame) < 1e-3).any():
            found.add(curve.data_path)
    return found


def _curves(armature: bpy.types.Object) -> list[bpy.types.FCurve]:
    """The curves of the armature's own action."""
    animation = armature.animation_data
    if animation is None or animation.action is None:
        return []
    if bpy.app.version < (4, 4, 0):
        return list(animation.action.fcurves)
    slot = animation.action_slot
    return [
        curve
        for layer in animation.action.layers
        for strip in layer.strips
        for bag in [strip.channelbag(slot) if slot is not None else None]
        if bag is not None
        for curve in bag.fcurves
    ]
