# SPDX-License-Identifier: GPL-3.0-or-later
"""The HMVLM tab of the 3D view's sidebar. It reads state and changes none."""

import textwrap

import bpy

from ..bridge import runtime
from ..core.session import Session
from ..properties import settings, target_armature

_PIXELS_A_LETTER = 7.0
_MAX_LINES = 12


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
        layout.prop(asked, "prompt", text="", icon="TEXT")

        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(asked, "choose_length")
        row = column.row()
        row.enabled = not asked.choose_length
        row.prop(asked, "seconds")
        row = column.row(align=True)
        seed = row.row(align=True)
        seed.enabled = not asked.random_seed
        seed.prop(asked, "seed")
        row.prop(asked, "random_seed", text="", icon="FILE_REFRESH")
        column.prop(asked, "start_frame")
        column.prop(asked, "fit_range")

        _draw_target(layout, context)
        _draw_job(layout, session)
        _draw_messages(layout, context, session)


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
    text = f"{session.status[:1].upper()}{session.status[1:]} {session.fraction:.0%}"
    row.progress(factor=session.fraction, type="BAR", text=text)
    row.operator("hmvlm.cancel", text="", icon="X")


def _draw_messages(
    layout: bpy.types.UILayout, context: bpy.types.Context, session: Session | None
) -> None:
    if session is None:
        return
    if session.problem:
        box = layout.box()
        width = context.region.width / context.preferences.system.ui_scale
        _draw_text(box, session.problem, max(20, int(width / _PIXELS_A_LETTER)), "ERROR")
    elif session.note:
        layout.label(text=session.note, icon="CHECKMARK")
    if session.kept is not None:
        layout.operator("hmvlm.apply_kept", text="Apply Kept Motion", icon="ACTION")


def _draw_text(layout: bpy.types.UILayout, text: str, width: int, icon: str) -> None:
    column = layout.column(align=True)
    column.scale_y = 0.8
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, width)]
    if len(lines) > _MAX_LINES:  # of a log, what went wrong stands at the end
        lines = [*lines[:3], "...", *lines[4 - _MAX_LINES :]]
    for i, line in enumerate(lines):
        column.label(text=line, icon=icon if i == 0 else "BLANK1")


CLASSES = (HMVLM_PT_main,)
