# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says, as orders for clips; how the armature stands is read along with it."""

import uuid
from dataclasses import replace

import bpy
import numpy as np

from ..core.order import Finish, Order, Step
from ..core.requests import Request, Target
from ..core.sequence import CONTEXT_SECONDS
from ..core.session import Session
from ..core.styles import in_style
from ..shared.motion import Motion
from .action import scene_fps
from .capture import capture_frames, capture_now
from .errors import BridgeError
from .rig_mapping import rig_settings
from .root_curve import ground_path
from .targets import make_target

MAX_SEED = 2**31 - 1


def prompt_of(scene: bpy.types.Scene) -> str:
    """The prompt: of the text that is edited, else of the field."""
    text = scene.hmvlm_generate.text
    return " ".join(text.as_string().split()) if text is not None else scene.hmvlm.prompt


def make_orders(scene: bpy.types.Scene, armature: bpy.types.Object) -> list[Order]:
    """One order for each variant. Raises BridgeError, which says what to choose."""
    asked, made = scene.hmvlm, scene.hmvlm_generate
    rig_settings(scene, armature)
    target = panel_target(scene, armature)
    finish = Finish(in_place=made.in_place, loop=made.loop)
    if made.path is not None:
        path, closed = ground_path(scene, armature, made.path)
        finish = replace(finish, path=path, closed=closed)
    order = Order(
        _steps(scene),
        asked.seed,
        finish,
        start=_start(scene, armature, target.start_frame),
        end=None if made.loop else _end(scene, armature),
    )
    return variants(order, made.variants, preview=made.preview)


def variants(order: Order, count: int, *, preview: bool) -> list[Order]:
    """The order with as many seeds, as one group; the first is shown while it is made."""
    group = uuid.uuid4().hex[:12]
    return [
        replace(
            order,
            seed=(order.seed + i) % (MAX_SEED + 1) if i else order.seed,
            group=group,
            number=i + 1,
            preview=preview and i == 0,
        )
        for i in range(count)
    ]


def panel_target(scene: bpy.types.Scene, armature: bpy.types.Object) -> Target:
    """Where the motion goes, as the panel says."""
    asked, made = scene.hmvlm, scene.hmvlm_generate
    animation = armature.animation_data
    action = animation.action if animation is not None else None
    frame = asked.start_frame
    if made.start_at == "PLAYHEAD" or (made.start_at == "AFTER" and action is None):
        frame = scene.frame_current
    elif made.start_at == "SCENE":
        frame = scene.frame_start
    elif made.start_at == "AFTER" and action is not None:
        frame = round(action.frame_range[1])
    join = made.into_action == "JOIN"
    return make_target(scene, armature, frame, fit_range=asked.fit_range, into_action=join)


def send(session: Session, orders: list[Order], target: Target) -> None:
    """Ask for all of them, one after another. Raises ClientError."""
    requests: list[Request] = [r for order in orders for r in order.requests(target)]
    session.generate(requests[0], *requests[1:])


def _steps(scene: bpy.types.Scene) -> tuple[Step, ...]:
    asked, made = scene.hmvlm, scene.hmvlm_generate
    if made.mode == "ONE":
        seconds = None if asked.choose_length else asked.seconds
        return (Step(in_style(prompt_of(scene), made.style), seconds),)
    if not made.steps:
        raise BridgeError("The sequence has no prompts: add some, or choose One Prompt.")
    return tuple(
        Step(in_style(step.prompt, made.style), None if step.choose_length else step.seconds)
        for step in made.steps
    )


def _start(scene: bpy.types.Scene, armature: bpy.types.Object, frame: int) -> Motion | None:
    made = scene.hmvlm_generate
    if made.begin_from == "POSE":
        return capture_now(scene, armature)
    if made.begin_from == "ACTION":
        animation = armature.animation_data
        if animation is None or not (animation.action or animation.nla_tracks):
            raise BridgeError(
                f"'{armature.name}' has no action to go on from: choose another begin."
            )
        fps = scene_fps(scene)
        frames = frame - np.arange(round(CONTEXT_SECONDS * fps), -1, -1)
        return capture_frames(scene, armature, frames, fps)
    return None


def _end(scene: bpy.types.Scene, armature: bpy.types.Object) -> Motion | None:
    made = scene.hmvlm_generate
    if made.end_in == "FRAME":
        return capture_frames(scene, armature, np.array([made.end_frame]), scene_fps(scene))
    if made.end_in == "ACTION":
        if made.end_action is None:
            raise BridgeError("Choose the action whose pose the motion ends in.")
        return _pose_of(scene, armature, made.end_action)
    return None


def _pose_of(
    scene: bpy.types.Scene, armature: bpy.types.Object, action: bpy.types.Action
) -> Motion:
    """The first pose of an action, tried on and taken off again."""
    names = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale")
    bones = armature.pose.bones
    before = [(bone.name, name, tuple(getattr(bone, name))) for bone in bones for name in names]
    try:
        armature.pose.apply_pose_from_action(action, evaluation_time=action.frame_range[0])
        armature.update_tag()
        return capture_now(scene, armature)
    finally:
        for bone, name, values in before:
            setattr(bones[bone], name, values)
        armature.update_tag()
