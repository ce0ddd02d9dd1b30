# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in Blender that a job under way must know of."""

import bpy
from bpy.app.handlers import persistent

from . import preview, runtime


@persistent
def on_file_loaded(*_: object) -> None:
    """Another file is open: its objects are not the ones that a job was started for."""
    session = runtime.peek()
    if session is not None:
        session.forget_target()
    preview.restore()


@persistent
def put_poses_back(*_: object) -> None:
    """A step of undo or a file that is saved must not hold the pose of a preview."""
    preview.restore()


def _lists() -> tuple[list, ...]:
    handlers = bpy.app.handlers
    return handlers.save_pre, handlers.undo_post, handlers.redo_post


def register() -> None:
    """Listen for files being opened and saved, and for undo."""
    bpy.app.handlers.load_post.append(on_file_loaded)
    for handlers in _lists():
        handlers.append(put_poses_back)


def unregister() -> None:
    """The inverse of `register`."""
    bpy.app.handlers.load_post.remove(on_file_loaded)
    for handlers in _lists():
        handlers.remove(put_poses_back)
