# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompts of a sequence as a list to edit. It reads state only."""

import bpy

from ..generate_properties import HmvlmGenerate, HmvlmStep


class HMVLM_UL_steps(bpy.types.UIList):
    """One prompt a row, with its length."""

    bl_idname = "HMVLM_UL_steps"

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: HmvlmGenerate,
        item: HmvlmStep,
        _icon: int,
        _active_data: HmvlmGenerate,
        _active_property: str,
    ) -> None:
        """Draw one row."""
        row = layout.split(factor=0.82)
        row.prop(item, "prompt", text="", emboss=False)
        row.label(text="auto" if item.choose_length else f"{item.seconds:.1f} s")


def draw_steps(layout: bpy.types.UILayout, made: HmvlmGenerate) -> None:
    """The list, its buttons, and the selected prompt with its length."""
    row = layout.row()
    row.template_list(HMVLM_UL_steps.bl_idname, "", made, "steps", made, "step", rows=4)
    column = row.column(align=True)
    column.operator("hmvlm.add_step", text="", icon="ADD")
    column.operator("hmvlm.remove_step", text="", icon="REMOVE")
    column.separator()
    column.operator("hmvlm.move_step", text="", icon="TRIA_UP").direction = "UP"
    column.operator("hmvlm.move_step", text="", icon="TRIA_DOWN").direction = "DOWN"
    if 0 <= made.step < len(made.steps):
        step = made.steps[made.step]
        layout.prop(step, "prompt", text="", icon="TEXT")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        draw_length(column, step)


def draw_length(column: bpy.types.UILayout, asked: bpy.types.PropertyGroup) -> None:
    """Seconds, or the model's choice."""
    row = column.row(align=True)
    seconds = row.row(align=True)
    seconds.enabled = not asked.choose_length
    seconds.prop(asked, "seconds")
    row.prop(asked, "choose_length", text="Auto", toggle=True)


CLASSES = (HMVLM_UL_steps,)
