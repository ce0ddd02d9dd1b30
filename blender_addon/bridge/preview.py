# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames on the rig while they are still being made.

The posed bones are set and nothing is keyed. How they were is kept in the scene, so that a step of
undo or a file saved in the middle holds it as well, and can be put right by `restore`.
"""

import json
import time
from dataclasses import dataclass, field, replace

import bpy
import numpy as np

from ..core.blend import frames_of
from ..core.requests import Request
from ..core.sequence import CONTEXT_FRAMES
from ..core.session import Session
from .action import Keys, check_can_be_keyed
from .rig_keys import DrivenRig, RigSettings, driven_rig, keys_on
from .rig_mapping import rig_settings
from .targets import find_armature, find_scene

_MOST_BEHIND = 24  # frames: of more that wait, some are passed over


@dataclass
class _Show:
    """What is shown: the frames of one order, and how far the eye is."""

    order: object = None
    frames: list[list[Keys]] = field(default_factory=list)
    chunks: tuple[int, int] = (0, 0)
    shown: int = 0
    fps: float = 20.0
    next_at: float = 0.0
    failed: bool = False
    rig: tuple[RigSettings, DrivenRig] | None = None  # read once: that takes longest


# Blender calls a timer and handlers, which share no object of ours
_now = _Show()


def follow(session: Session, clock: float | None = None) -> None:
    """Show one frame more of the request under way; put the pose back once there is none."""
    request, job = session.request, session.job
    order = request.order if isinstance(request, Request) else None
    if order is None or not order.preview or request is None or request.target is None:
        stop()
        return
    if job is not None and job.cancel_requested:
        stop()
        return
    if order is not _now.order:
        stop()
        _reset(order)
    scene, armature = find_scene(request.target), find_armature(request.target)
    if job is None or scene is None or armature is None or _now.failed:
        return
    seen = (len(session.parts), len(job.chunks))
    if seen != _now.chunks and job.chunks:
        _now.chunks = seen
        try:
            _take(session, scene, armature)
        except Exception:  # bones that are gone, say: the keys will fail as well, and say why
            _now.failed = True
            return
    now = time.monotonic() if clock is None else clock
    if _now.shown < len(_now.frames) and now >= _now.next_at:
        waiting = len(_now.frames) - _now.shown
        _now.shown += max(1, waiting - _MOST_BEHIND)
        _now.next_at = now + 0.9 / _now.fps  # the timer that calls is as slow as the frames
        _pose(scene, armature, _now.frames[_now.shown - 1])


def stop() -> None:
    """Put every pose back and show nothing."""
    if _now.order is not None:
        restore()
        _reset(None)


def restore(*_: object) -> None:
    """Put the poses back that were there before, in every scene that remembers one.

    Also a handler: before saving, and after undo, redo and loading.
    """
    for scene in bpy.data.scenes:
        made = scene.hmvlm_generate
        if not made.preview_pose:
            continue
        armature, before = made.preview_armature, json.loads(made.preview_pose)
        made.preview_pose, made.preview_armature = "", None
        if armature is not None:
            for path, values in before.items():
                _write(armature, path, values)
            armature.update_tag()


def _reset(order: object) -> None:
    fresh = _Show(order)
    for name in _Show.__dataclass_fields__:
        setattr(_now, name, getattr(fresh, name))


def _take(session: Session, scene: bpy.types.Scene, armature: bpy.types.Object) -> None:
    """Keys for the frames that are new."""
    request, job = session.request, session.job
    assert isinstance(request, Request)
    frames = job.motion_so_far() if job is not None else None
    if frames is None or request.order is None:
        return
    if request.start is not None and frames.num_frames <= CONTEXT_FRAMES:
        return  # only the past again
    clip = request.order.so_far([*session.parts, frames] if request.part > 0 else [frames])
    have = len(_now.frames)
    if clip.num_frames <= have:
        return
    if _now.rig is None:
        check_can_be_keyed(armature)
        chosen = replace(rig_settings(scene, armature), foot_lock=False)
        with driven_rig(scene, armature, chosen, read_only=True) as driven:
            _now.rig = chosen, driven
    chosen, driven = _now.rig
    keys = keys_on(armature, driven, frames_of(clip, have), chosen)
    for i in range(clip.num_frames - have):
        row = [Keys(k.path, k.group, k.values[min(i, len(k.values) - 1)]) for k in keys]
        _now.frames.append(row)
    _now.fps = clip.fps


def _pose(scene: bpy.types.Scene, armature: bpy.types.Object, row: list[Keys]) -> None:
    made = scene.hmvlm_generate
    if not made.preview_pose:
        made.preview_pose = json.dumps({key.path: _read(armature, key.path) for key in row})
        made.preview_armature = armature
    for key in row:
        _write(armature, key.path, [float(v) for v in key.values])
    armature.update_tag()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def _read(armature: bpy.types.Object, path: str) -> list[float] | float | int:
    value = armature.path_resolve(path)
    return value if isinstance(value, int | float) else [float(v) for v in np.array(value)]


def _write(armature: bpy.types.Object, path: str, values: list[float] | float | int) -> None:
    try:
        if path.endswith('"]') and '"]["' in path:
            owner, _, name = path.rpartition('["')
            bone, name = armature.path_resolve(owner), bpy.utils.unescape_identifier(name[:-2])
            value = values[0] if isinstance(values, list) else values
            bone[name] = type(bone[name])(value)
        else:
            owner, _, name = path.rpartition(".")
            setattr(armature.path_resolve(owner), name, values)
    except (ValueError, KeyError):
        pass  # the bone was deleted or renamed meanwhile: nothing of it is left to put right
