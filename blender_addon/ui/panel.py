# SPDX-License-Identifier: GPL-3.0-or-later
"""The HMVLM tab of the 3D view's sidebar. It reads state and changes none."""

import bpy

from ..bridge import runtime
from ..bridge.orders import prompt_of
from ..core.session import Session
from ..generate_properties import generate_settings
from ..properties import settings, target_armature
from .sequence_list import draw_length, draw_steps
from .wrapped import draw_kept, draw_problem, draw_text


class HMVLM_PT_main(bpy.types.Panel):
    """Prompt in, keyframes out."""

    bl_idname = "HMVLM_PT_main"
    bl_label = "Text to Motion"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"

    def draw(self, context: bpy.types.Context) -> None:
        """The request, the job under way, and how the last one ended."""
        session, asked, layout = runtime.peek(), settings(context), self.layout
        made = generate_settings(context)
        layout.row().prop(made, "mode", expand=True)
        if made.mode == "SEQUENCE":
            draw_steps(layout, made)
        else:
            _draw_prompt(layout, context)

        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(made, "style")
        if made.mode == "ONE":
            draw_length(column, asked)
        row = column.row(align=True)
        seed = row.row(align=True)
        seed.enabled = not asked.random_seed
        seed.prop(asked, "seed")
        row.prop(asked, "random_seed", text="", icon="FILE_REFRESH")
        column.prop(made, "variants")

        _draw_target(layout, context)
        _draw_job(layout, session)
        _draw_messages(layout, context, session)


def _draw_prompt(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The field, or the text that is edited elsewhere."""
    asked, made = settings(context), generate_settings(context)
    if made.text is None:
        row = layout.row(align=True)
        row.prop(asked, "prompt", text="", icon="TEXT")
        row.operator("hmvlm.edit_prompt", text="", icon="WINDOW")
        return
    box = layout.box()
    draw_text(box, context, prompt_of(context.scene) or "(the text is empty)", "TEXT")
    row = box.row(align=True)
    row.operator("hmvlm.edit_prompt", text="Edit", icon="WINDOW")
    row.operator("hmvlm.prompt_to_field", text="To Field", icon="BACK")


def _draw_target(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    asked, armature = settings(context), target_armature(context)
    column = layout.column(align=True)
    column.prop(asked, "target", text="", icon="ARMATURE_DATA", placeholder="Active armature")
    if armature is None:
        column.label(text="Select an armature, or add one", icon="INFO")
    elif asked.target is None:
        column.label(text=f"Onto '{armature.name}'", icon="CHECKMARK")
    column.operator("hmvlm.add_armature", icon="ADD")


def _draw_job(layout: bpy.types.UILayout, session: Session | None) -> None:
    if session is None or session.request is None:
        row = layout.row()
        row.scale_y = 1.5
        row.operator("hmvlm.generate", icon="RENDER_ANIMATION")
        return
    row = layout.row(align=True)
    row.scale_y = 1.5
    number, total = session.number
    which = f"{number} of {total}: " if total > 1 else ""
    text = f"{which}{session.status[:1].upper()}{session.status[1:]} {session.fraction:.0%}"
    row.progress(factor=session.fraction, type="BAR", text=text)
    row.operator("hmvlm.cancel", text="", icon="X")


def _draw_messages(
    layout: bpy.types.UILayout, context: bpy.types.Context, session: Session | None
) -> None:
    draw_problem(layout, context, session, ("", "text_to_motion"))
    draw_kept(layout, session)


CLASSES = (HMVLM_PT_main,)
