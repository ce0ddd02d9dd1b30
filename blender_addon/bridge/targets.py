# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an answer goes, found again when it arrives.

A target is plain data, for what it means may be deleted meanwhile. It is found by the number that
Blender gives it while the file is open, under whatever name it has by then; else by its name, as
after a library override was made anew.
"""

from typing import Any

import bpy

from ..core.requests import Target
from .errors import BridgeError


def make_target(
    scene: bpy.types.Scene,
    armature: bpy.types.Object | None,
    start_frame: int,
    *,
    fit_range: bool,
    into_action: bool = False,
) -> Target:
    """The target that these are; without an armature, one that nothing is found for."""
    return Target(
        armature.name if armature is not None else "",
        scene.name,
        start_frame,
        fit_range=fit_range,
        into_action=into_action,
        armature_uid=armature.session_uid if armature is not None else 0,
        scene_uid=scene.session_uid,
    )


def find_scene(target: Target) -> bpy.types.Scene | None:
    """The target's scene, None when it was deleted."""
    return _find(bpy.data.scenes, target.scene_uid, target.scene)


def find_armature(target: Target) -> bpy.types.Object | None:
    """The target's armature, None when it was deleted or taken out of the target's scene."""
    scene = find_scene(target)
    armature = _find(bpy.data.objects, target.armature_uid, target.armature)
    if scene is None or armature is None or scene.objects.get(armature.name) != armature:
        return None
    return armature


def find_both(target: Target) -> tuple[bpy.types.Scene, bpy.types.Object]:
    """The target's scene and armature. Raises BridgeError when one of them is gone."""
    scene, armature = find_scene(target), find_armature(target)
    if scene is None or armature is None:
        gone = f"The armature '{target.armature}' is gone." if target.armature else ""
        raise BridgeError(gone or "No armature was selected.")
    return scene, armature


def find_action(uid: int, name: str) -> bpy.types.Action | None:
    """The action with this number, else with this name, else None."""
    return _find(bpy.data.actions, uid, name)


def _find(things: Any, uid: int, name: str) -> Any:
    named = things.get(name)
    if not uid or (named is not None and named.session_uid == uid):
        return named
    return next((thing for thing in things if thing.session_uid == uid), named)
