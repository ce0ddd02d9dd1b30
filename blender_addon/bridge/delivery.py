# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion that arrived goes onto the armature it was made for, in one undo step."""

import traceback
from dataclasses import replace
from typing import Any

import bpy

from ..core.requests import Arrived, Target
from ..core.session import Session
from ..shared.motion import Motion
from . import clips
from .action import keyframe_motion, scene_fps
from .armature import is_smpl_armature
from .errors import BridgeError
from .join_action import join_keys
from .rig_keys import keyframe_rig
from .rig_mapping import rig_settings
from .targets import find_both

_KEPT = "The motion is kept: select an armature and press Apply Kept Motion."


def deliver(session: Session, arrived: Arrived) -> bpy.types.Action | None:
    """Key an arrived motion; when that cannot be, the session keeps it and says why."""
    try:
        action = apply(arrived, session.model)
    except BridgeError as error:
        session.keep(arrived, f"{error} {_KEPT}")
        return None
    except Exception as error:  # whatever Blender raises: the motion stays, the timer goes on
        traceback.print_exc()
        session.keep(arrived, f"Blender refused the keys ({error}). {_KEPT}")
        return None
    session.note = _note(action)
    return action


def deliver_kept(session: Session, target: Target) -> bpy.types.Action:
    """Key the motion that was kept onto another target. Raises BridgeError."""
    if session.kept is None:
        raise BridgeError("No motion is waiting to be applied.")
    while True:
        arrived = session.kept
        moved = replace(arrived, request=replace(arrived.request, target=target))
        action = apply(moved, session.model)
        session.kept = arrived.earlier
        if session.kept is None:
            break
    session.problem = ""
    session.note = _note(action)
    return action


def apply(arrived: Arrived, model: str = "") -> bpy.types.Action:
    """Key an arrived motion, enter it into the clips and make it one undo step.

    Of several that were asked for at once, the first is shown and the others wait in the list.
    Raises BridgeError, with nothing changed, when its target is gone or cannot take it.
    """
    target = arrived.request.target
    if target is None:
        raise BridgeError("Another file was opened while the motion was being made.")
    scene, armature = find_both(target)
    order, before = arrived.request.order, clips.assigned(armature)
    name = arrived.request.prompt if order is None else order.name
    layers = _layer_count(armature)
    action = key(scene, armature, arrived.motion, target.start_frame, name)
    try:
        _place(scene, armature, arrived, action, before, model)
    except Exception:
        clips.take_back(scene, armature, action, before, layers)
        raise
    push_undo(f"HMVLM: {action.name}")
    return action


def _place(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    arrived: Arrived,
    action: bpy.types.Action,
    before: tuple[bpy.types.Action | None, clips.Slot],
    model: str,
) -> None:
    """Join a new action with what it goes among, enter it into the clips, choose what is shown."""
    target, order = arrived.request.target, arrived.request.order
    assert target is not None
    end, loops = int(action.frame_end), order is not None and order.finish.loop
    whole = armature.animation_data.action == action  # not a layer
    if target.into_action and whole and before[0] is not None:
        join_keys(action, *before, target.start_frame, end)
    action.use_cyclic = loops
    clip = clips.record(scene, armature, action, arrived, before, model)
    if order is not None and order.number > 1:
        _wait(clip, before)
    else:
        clips.choose(scene, clip)
        if target.fit_range:
            # the last frame of a loop is its first one again
            _fit_range(scene, action, target, end - 1 if loops else end)


def _layer_count(armature: bpy.types.Object) -> int:
    animation = armature.animation_data
    return len(animation.nla_tracks) if animation is not None else 0


def key(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    motion: Motion,
    start_frame: int,
    action_name: str,
) -> bpy.types.Action:
    """Key a motion as the panel says: SMPL's own armature joint by joint, any other by mapping.

    Raises BridgeError, with nothing changed.
    """
    chosen = rig_settings(scene, armature)
    where = {"start_frame": start_frame, "action_name": action_name, "fps": scene_fps(scene)}
    if is_smpl_armature(armature) and not (chosen.selected_only or chosen.as_layer):
        return keyframe_motion(armature, motion, **where)
    if is_smpl_armature(armature):  # its legs are the source's: nothing slides
        chosen = replace(chosen, foot_lock=False)
    return keyframe_rig(scene, armature, motion, chosen, **where)


def _wait(clip: Any, before: tuple[bpy.types.Action | None, clips.Slot]) -> None:
    """The armature goes on as it did before this clip was keyed."""
    layers = clips.layers(clip)
    for track in layers:
        track.mute = True
    if not layers:
        clips.assign(clip.armature, *before)


def _fit_range(scene: bpy.types.Scene, action: bpy.types.Action, target: Target, end: int) -> None:
    start = min(target.start_frame, int(action.frame_start))
    end = max(end, start) if not target.into_action else int(action.frame_end)
    # set end first: Blender pulls the end along when the start passes it
    scene.frame_end = end
    scene.frame_start = start
    scene.frame_end = end


def _note(action: bpy.types.Action) -> str:
    return f"Keyed frames {action.frame_start:.0f} to {action.frame_end:.0f}"


def push_undo(message: str) -> None:
    """Make what was changed since the last step one that can be undone."""
    manager = bpy.context.window_manager
    if bpy.context.window is None and manager is not None and manager.windows:
        with bpy.context.temp_override(window=manager.windows[0]):  # a timer has no window
            bpy.ops.ed.undo_push(message=message)
    else:
        bpy.ops.ed.undo_push(message=message)
