# SPDX-License-Identifier: GPL-3.0-or-later
"""Below Text to Motion: when and where a motion begins and ends, and its way over the ground."""

import bpy

from ..generate_properties import generate_settings
from ..properties import settings


class _SubPanel:
    """A folded part of the main panel."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"
    bl_parent_id = "HMVLM_PT_main"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender reads a plain set)

    def column(self) -> bpy.types.UILayout:
        """Names to the left, fields to the right."""
        column = self.layout.column()  # type: ignore[attr-defined]
        column.use_property_split = True
        column.use_property_decorate = False
        return column


class HMVLM_PT_timing(_SubPanel, bpy.types.Panel):
    """The first frame, and which keys the action has."""

    bl_idname = "HMVLM_PT_timing"
    bl_label = "Time"

    def draw(self, context: bpy.types.Context) -> None:
        """Read and draw."""
        asked, made, column = settings(context), generate_settings(context), self.column()
        column.prop(made, "start_at")
        if made.start_at == "FRAME":
            column.prop(asked, "start_frame")
        column.prop(made, "into_action")
        column.prop(asked, "fit_range")


class HMVLM_PT_ends(_SubPanel, bpy.types.Panel):
    """The pose that a motion begins and ends in."""

    bl_idname = "HMVLM_PT_ends"
    bl_label = "Begin and End"

    def draw(self, context: bpy.types.Context) -> None:
        """Read and draw."""
        made, column = generate_settings(context), self.column()
        column.prop(made, "begin_from")
        ends = column.column()
        ends.enabled = not made.loop
        ends.prop(made, "end_in")
        if made.end_in == "FRAME":
            ends.prop(made, "end_frame")
        elif made.end_in == "ACTION":
            ends.prop(made, "end_action")
        if made.loop:
            column.label(text="A loop ends as it begins", icon="INFO")


class HMVLM_PT_way(_SubPanel, bpy.types.Panel):
    """The way over the ground, loops, and the preview."""

    bl_idname = "HMVLM_PT_way"
    bl_label = "Root and Loop"

    def draw(self, context: bpy.types.Context) -> None:
        """Read and draw."""
        made, column = generate_settings(context), self.column()
        column.prop(made, "path", icon="CURVE_DATA")
        column.prop(made, "in_place")
        column.prop(made, "loop")
        column.prop(made, "preview")


CLASSES = (HMVLM_PT_timing, HMVLM_PT_ends, HMVLM_PT_way)
