# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in Blender that a job under way must know of."""

import bpy
from bpy.app.handlers import persistent

from . import runtime


@persistent
def on_file_loaded(*_: object) -> None:
    """Another file is open: its objects are not the ones that a job was started for."""
    session = runtime.peek()
    if session is not None:
        session.forget_target()


def register() -> None:
    """Listen for files being opened."""
    bpy.app.handlers.load_post.append(on_file_loaded)


def unregister() -> None:
    """The inverse of `register`."""
    bpy.app.handlers.load_post.remove(on_file_loaded)
