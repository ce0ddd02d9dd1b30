# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the prompt in a text editor, over as many lines as it takes."""

import textwrap
from typing import ClassVar

import bpy

from ..bridge.orders import prompt_of
from ..generate_properties import generate_settings
from ..properties import settings

_COLUMNS = 60


class HMVLM_OT_edit_prompt(bpy.types.Operator):
    """Write the prompt over several lines, in a text editor of its own window"""

    bl_idname = "hmvlm.edit_prompt"
    bl_label = "Edit Prompt as Text"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put the prompt into a text; from now on the text is what counts."""
        made = generate_settings(context)
        if made.text is None:
            made.text = bpy.data.texts.new("HMVLM Prompt")
            made.text.write("\n".join(textwrap.wrap(settings(context).prompt, _COLUMNS)))
            made.text.cursor_set(0)
        if not bpy.app.background:
            _open(context, made.text)
        return {"FINISHED"}


def _open(context: bpy.types.Context, text: bpy.types.Text) -> None:
    """A small window with the text in it: the one of the preferences, which is of that size."""
    before = set(context.window_manager.windows)
    bpy.ops.screen.userpref_show("INVOKE_DEFAULT")
    opened = [w for w in context.window_manager.windows if w not in before]
    if not opened:  # the preferences are open already, or Blender opens editors over the area
        return
    area = opened[0].screen.areas[0]
    area.type = "TEXT_EDITOR"
    space = area.spaces.active
    space.text, space.top = text, 0
    space.show_word_wrap, space.show_line_numbers = True, False
    space.show_syntax_highlight = False


class HMVLM_OT_prompt_to_field(bpy.types.Operator):
    """Take the prompt out of its text, back into the field of the panel"""

    bl_idname = "hmvlm.prompt_to_field"
    bl_label = "Prompt Back to Field"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a text in use."""
        if generate_settings(context).text is None:
            cls.poll_message_set("The prompt is in its field already")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Its lines as one; the text is removed."""
        made = generate_settings(context)
        settings(context).prompt = prompt_of(context.scene)
        text, made.text = made.text, None
        bpy.data.texts.remove(text)
        return {"FINISHED"}


CLASSES = (HMVLM_OT_edit_prompt, HMVLM_OT_prompt_to_field)
