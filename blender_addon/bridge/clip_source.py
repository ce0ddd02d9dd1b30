# SPDX-License-Identifier: GPL-3.0-or-later
"""The video that somebody works with: the active movie strip, or the active movie clip."""

from pathlib import Path
from typing import Any

import bpy

from .errors import BridgeError


def active_clip_path(context: bpy.types.Context) -> str:
    """The file of the active movie strip, else of the movie clip of an editor or of the scene.

    Raises BridgeError when there is neither, or the file is not on this computer.
    """
    found = _strip_path(context) or _clip_path(context)
    if not found:
        raise BridgeError(
            "No movie strip or movie clip is active: click a movie strip in the video sequencer, "
            "or open a movie clip in the clip editor."
        )
    return check_clip(found)


def check_clip(path: str) -> str:
    """The absolute path of a video. Raises BridgeError when it names no file."""
    if not path.strip():
        raise BridgeError("Choose a clip first.")
    absolute = Path(bpy.path.abspath(path))
    if not absolute.is_file():
        raise BridgeError(f"There is no file {absolute}: choose the clip again.")
    return str(absolute.resolve())


def _strip_path(context: bpy.types.Context) -> str:
    # from 5.0 on a workspace says which scene its sequencer edits
    scene = getattr(context.workspace, "sequencer_scene", None) or context.scene
    editor = scene.sequence_editor
    strip: Any = editor.active_strip if editor is not None else None
    return strip.filepath if strip is not None and strip.type == "MOVIE" else ""


def _clip_path(context: bpy.types.Context) -> str:
    screen = context.screen
    shown = (
        [a.spaces.active.clip for a in screen.areas if a.type == "CLIP_EDITOR"] if screen else []
    )
    clip = next((clip for clip in (*shown, context.scene.active_clip) if clip is not None), None)
    return clip.filepath if clip is not None and clip.source == "MOVIE" else ""
