# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip out of Blender: through Blender's own exporters, and as an AMASS-style file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import clips
from .action import scene_fps
from .capture import capture_frames
from .errors import BridgeError

FORMATS = (
    ("BVH", "BVH", "Motion capture (.bvh)", ".bvh"),
    ("FBX", "FBX", "Armature, its meshes and the motion (.fbx)", ".fbx"),
    ("GLTF", "glTF", "Armature, its meshes and the motion (.glb)", ".glb"),
    ("USD", "USD", "Armature, its meshes and the motion (.usdc)", ".usdc"),
    ("AMASS", "AMASS", "SMPL parameters, as numpy arrays (.npz)", ".npz"),
)
EXTENSIONS = {name: extension for name, _, _, extension in FORMATS}


def export_clip(context: bpy.types.Context, clip: Any, kind: str, path: Path) -> None:
    """Write the clip's armature, what it deforms, and its motion. The scene is as before then.

    Raises BridgeError for a clip without keys or armature, and for what an exporter refuses.
    """
    scene = context.scene
    if clip.action is None:
        raise BridgeError(f"The keys of '{clip.name}' are gone: make it again.")
    if not clips.usable(scene, clip.armature):
        raise BridgeError("Its armature is gone or locked: choose another clip.")
    with _alone(context, clip) as (first, last):
        if kind == "AMASS":
            frames = np.arange(first, last + 1)
            motion = capture_frames(scene, clip.armature, frames, scene_fps(scene))
            with path.open("wb") as file:  # numpy would add an ending to a name
                motion.save_npz(file)  # type: ignore[arg-type]
            return
        try:
            _EXPORTERS[kind](str(path), first, last)
        except AttributeError as error:
            raise BridgeError(
                f"Blender's exporter for {kind} is switched off: enable it under Preferences > "
                "Add-ons."
            ) from error
        except RuntimeError as error:
            raise BridgeError(f"Blender's exporter for {kind} says: {error}") from error


@contextmanager
def _alone(context: bpy.types.Context, clip: Any) -> Iterator[tuple[int, int]]:
    """The clip shown, its armature and what hangs on it selected, the scene as long as it."""
    scene, layer, armature = context.scene, context.view_layer, clip.armature
    active, mode = layer.objects.active, context.mode
    selected = [thing for thing in layer.objects if thing.select_get()]
    shown, frame = clips.assigned(armature), scene.frame_current
    span = scene.frame_start, scene.frame_end
    first, last = int(clip.action.frame_start), int(clip.action.frame_end)
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        for thing in selected:
            thing.select_set(False)
        for thing in (armature, *armature.children_recursive):
            if layer.objects.get(thing.name) == thing:
                thing.select_set(True)
        layer.objects.active = armature
        clips.assign(armature, clip.action)
        scene.frame_end, scene.frame_start = max(last, first), first
        scene.frame_end = max(last, first)
        yield first, last
    finally:
        clips.assign(armature, *shown)
        for thing in layer.objects:
            thing.select_set(thing in selected)
        layer.objects.active = active
        scene.frame_end = max(span)
        scene.frame_start, scene.frame_end = span
        scene.frame_set(frame)
        if mode == "POSE" and active is not None and active.type == "ARMATURE":
            bpy.ops.object.mode_set(mode="POSE")


def _bvh(path: str, first: int, last: int) -> None:
    bpy.ops.export_anim.bvh(
        filepath=path, frame_start=first, frame_end=last, root_transform_only=True
    )


def _fbx(path: str, _first: int, _last: int) -> None:
    bpy.ops.export_scene.fbx(
        filepath=path,
        use_selection=True,
        add_leaf_bones=False,
        bake_anim=True,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_simplify_factor=0.0,
    )


def _gltf(path: str, _first: int, _last: int) -> None:
    bpy.ops.export_scene.gltf(
        filepath=path,
        export_format="GLB",
        use_selection=True,
        export_animations=True,
        export_animation_mode="ACTIVE_ACTIONS",
        export_frame_range=True,
    )


def _usd(path: str, _first: int, _last: int) -> None:
    bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True, export_animation=True)


_EXPORTERS: dict[str, Callable[[str, int, int], None]] = {
    "BVH": _bvh,
    "FBX": _fbx,
    "GLTF": _gltf,
    "USD": _usd,
}
