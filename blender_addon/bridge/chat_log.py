# SPDX-License-Identifier: GPL-3.0-or-later
"""The one conversation of this Blender: shown by the window manager, saved with the file."""

from dataclasses import dataclass, field
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..core.conversation import Conversation


@dataclass
class _Holder:
    talk: Conversation = field(default_factory=Conversation)


# panels and operators are made by Blender, so what they share has to hang on a module
_holder = _Holder()


def conversation() -> Conversation:
    """What was said so far."""
    return _holder.talk


def show() -> None:
    """Have the panel list what was said, the newest turn chosen."""
    for manager in bpy.data.window_managers:
        log: Any = manager.hmvlm_chat
        log.turns.clear()
        for message in _holder.talk.messages:
            turn = log.turns.add()
            turn.name, turn.role = message["content"].strip(), message["role"]
            turn.made_motion = message.get("motion") is not None
        log.active = max(0, len(log.turns) - 1)


def take_back() -> None:
    """A turn failed: its text is back in the message field, unless another is written there."""
    text = _holder.talk.take_back()
    for manager in bpy.data.window_managers:
        log: Any = manager.hmvlm_chat
        log.draft = log.draft or text


@persistent
def on_save(*_: object) -> None:
    """Write the conversation into the scenes, so that the file keeps it."""
    text = _holder.talk.to_json()
    for scene in bpy.data.scenes:
        if scene.library is None and scene.hmvlm_chat_saved != text:
            scene.hmvlm_chat_saved = text


@persistent
def on_load(*_: object) -> None:
    """Another file is open: its conversation."""
    saved = next((s.hmvlm_chat_saved for s in bpy.data.scenes if s.hmvlm_chat_saved), "")
    try:
        _holder.talk = Conversation.from_json(saved)
    except ValueError as error:
        print(f"HMVLM: the conversation in this file cannot be read ({error}): it starts anew.")
        _holder.talk = Conversation()
    show()


def register() -> None:
    """Listen for files being saved and opened."""
    bpy.app.handlers.save_pre.append(on_save)
    bpy.app.handlers.load_post.append(on_load)


def unregister() -> None:
    """The inverse of `register`; the conversation is forgotten."""
    bpy.app.handlers.load_post.remove(on_load)
    bpy.app.handlers.save_pre.remove(on_save)
    _holder.talk = Conversation()
