# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation as the panel shows it.

It hangs on the window manager, which undo leaves alone: taking a motion back must not take back
what was said. The scene keeps a copy that is written when the file is saved.
"""

import bpy


class HmvlmTurn(bpy.types.PropertyGroup):
    """One message; `name` is its text."""

    role: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Role",
        description="Who says it: user or assistant",
    )
    made_motion: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Motion",
        description="The answer made a motion",
    )


class HmvlmChat(bpy.types.PropertyGroup):
    """The message that is written, and the turns so far."""

    draft: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Message",
        description=(
            "What to say: a question, a motion to make, or an order such as: describe this "
            "animation. /help lists the commands"
        ),
    )
    turns: bpy.props.CollectionProperty(type=HmvlmTurn)  # type: ignore[valid-type]
    active: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Turn",
        description="The message that is shown in full",
    )


def register() -> None:
    """Hang it on window managers, and the copy on scenes."""
    bpy.types.WindowManager.hmvlm_chat = bpy.props.PointerProperty(type=HmvlmChat)
    bpy.types.Scene.hmvlm_chat_saved = bpy.props.StringProperty(
        name="Conversation",
        description="The conversation as it was when the file was saved",
        options={"HIDDEN"},
    )


def unregister() -> None:
    """The inverse of `register`."""
    del bpy.types.Scene.hmvlm_chat_saved
    del bpy.types.WindowManager.hmvlm_chat


CLASSES = (HmvlmTurn, HmvlmChat)
