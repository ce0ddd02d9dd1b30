# SPDX-License-Identifier: GPL-3.0-or-later
"""The photo, who is in it, and how the pose is keyed. It reads state and changes none."""

from typing import Any

import bpy

from ..bridge import runtime
from ..bridge.answers import last_pose
from ..properties import target_armature
from .wrapped import draw_job, draw_problem

_TASKS = ("people", "pose")
_PICTURE_SCALE = 7.0
_PEOPLE_A_ROW = 6


class HMVLM_PT_pose(bpy.types.Panel):
    """A photo in, a keyed pose out."""

    bl_idname = "HMVLM_PT_pose"
    bl_label = "Pose from Photo"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender reads a plain set)

    def draw(self, context: bpy.types.Context) -> None:
        """The photo, the options, the button, and what can be done with the last pose."""
        session, layout = runtime.peek(), self.layout
        asked: Any = context.scene.hmvlm_pose
        row = layout.row(align=True)
        row.operator("hmvlm.open_photo", icon="IMAGE_DATA")
        row.operator("hmvlm.paste_photo", text="", icon="PASTEDOWN")
        if asked.image is None:
            layout.label(text="Or drop a photo on this sidebar", icon="INFO")
        else:
            _draw_photo(layout, asked)
            column = layout.column(heading="Keys")
            column.use_property_split = True
            column.use_property_decorate = False
            column.prop(asked, "selected_only")
            column.prop(asked, "keep_place")
            column.prop(asked, "keep_heading")

        if not draw_job(layout, session, _TASKS):
            if asked.image is not None:
                row = layout.row()
                row.scale_y = 1.5
                row.operator("hmvlm.pose_from_photo", icon="POSE_HLT")
            if asked.image is not None and target_armature(context) is None:
                layout.label(text="Select an armature, or add one", icon="INFO")
        if last_pose(session) is not None:
            layout.operator("hmvlm.key_pose", icon="KEY_HLT")
            row = layout.row(align=True)
            row.prop(asked, "asset_name", text="")
            row.operator("hmvlm.save_pose", text="Save Pose", icon="ASSET_MANAGER")
        draw_problem(layout, context, session, _TASKS)


def _draw_photo(layout: bpy.types.UILayout, asked: Any) -> None:
    image = asked.image
    if image.preview is not None and image.preview.icon_id:
        layout.template_icon(icon_value=image.preview.icon_id, scale=_PICTURE_SCALE)
    row = layout.row(align=True)
    row.label(text=image.name)
    row.operator("hmvlm.show_photo", text="Show Beside", icon="WINDOW")
    if len(asked.people) > 1:
        layout.label(text=f"{len(asked.people)} people: whose pose?", icon="COMMUNITY")
        columns = min(len(asked.people), _PEOPLE_A_ROW)
        grid = layout.grid_flow(row_major=True, columns=columns, even_columns=True, align=True)
        for i in range(len(asked.people)):
            chosen = i == asked.active
            grid.operator("hmvlm.choose_person", text=str(i + 1), depress=chosen).number = i + 1


CLASSES = (HMVLM_PT_pose,)
