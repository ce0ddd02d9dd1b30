# SPDX-License-Identifier: GPL-3.0-or-later
"""The video that somebody works with: the active movie strip, or the active movie clip."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from .errors import BridgeError


@dataclass(frozen=True)
class ClipSource:
    """A video and the part of it that is meant: from the second `start` on, 0 `seconds` to its
    end."""

    path: str
    start: float = 0.0
    seconds: float = 0.0


def active_clip(context: bpy.types.Context) -> ClipSource:
    """What the active movie strip shows, else the movie clip of an editor or of the scene.

    Raises BridgeError when there is neither, or the file is not on this computer.
    """
    strip = _active_strip(context)
    found = strip.filepath if strip is not None else _clip_path(context)
    if not found:
        raise BridgeError(
            "No movie strip or movie clip is active: click a movie strip in the video sequencer, "
            "or open a movie clip in the clip editor."
        )
    path = check_clip(found)
    start, seconds = _shown(strip, path) if strip is not None else (0.0, 0.0)
    return ClipSource(path, start, seconds)


def check_clip(path: str) -> str:
    """The absolute path of a video. Raises BridgeError when it names no file."""
    if not path.strip():
        raise BridgeError("Choose a clip first.")
    absolute = Path(bpy.path.abspath(path))
    if not absolute.is_file():
        raise BridgeError(f"There is no file {absolute}: choose the clip again.")
    return str(absolute.resolve())


def _active_strip(context: bpy.types.Context) -> Any:
    # from 5.0 on a workspace says which scene its sequencer edits
    scene = getattr(context.workspace, "sequencer_scene", None) or context.scene
    editor = scene.sequence_editor
    strip: Any = editor.active_strip if editor is not None else None
    return strip if strip is not None and strip.type == "MOVIE" else None


def _shown(strip: Any, path: str) -> tuple[float, float]:
    """(start, seconds) of the movie between the strip's handles; zeros for all of it."""
    renamed = hasattr(strip, "left_handle_offset")  # in 5.2
    cut = ("left_handle_offset", "right_handle_offset", "content_duration")
    cut = cut if renamed else ("frame_offset_start", "frame_offset_end", "frame_duration")
    head, tail, frames = (float(getattr(strip, name)) for name in cut)
    head, tail = max(head, 0.0), max(tail, 0.0)  # below 0 a strip holds its first or last picture
    if strip.use_reverse_frames:
        head, tail = tail, head
    if frames <= 0 or head + tail <= 0 or head + tail >= frames:
        return 0.0, 0.0
    # a strip counts in frames of the scene, at a speed of its own; what it covers is the movie
    movie = bpy.data.movieclips.load(path)
    whole = movie.frame_duration / movie.fps if movie.fps > 0 else 0.0
    bpy.data.movieclips.remove(movie)
    return head / frames * whole, ((frames - head - tail) / frames * whole if tail > 0 else 0.0)


def _clip_path(context: bpy.types.Context) -> str:
    screen = context.screen
    shown = (
        [a.spaces.active.clip for a in screen.areas if a.type == "CLIP_EDITOR"] if screen else []
    )
    clip = next((clip for clip in (*shown, context.scene.active_clip) if clip is not None), None)
    return clip.filepath if clip is not None and clip.source == "MOVIE" else ""
