# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone mapping of the armature that is animated, as a list to edit. It reads state only."""

import bpy

from ..bridge.armature import is_smpl_armature
from ..bridge.rig_mapping import kept_mapping
from ..core.mapping import REQUIRED
from ..properties import HmvlmJoint, HmvlmRig, settings, target_armature

_SURE = 0.75  # matches of less confidence are shown in red


class HMVLM_UL_joints(bpy.types.UIList):
    """One joint a row: its name, its bone, how sure the match is."""

    bl_idname = "HMVLM_UL_joints"

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: HmvlmRig,
        item: HmvlmJoint,
        _icon: int,
        _active_data: HmvlmRig,
        _active_property: str,
    ) -> None:
        """Draw one row."""
        row = layout.split(factor=0.34)
        row.label(text=item.name.replace("_", " ").title())
        row = row.split(factor=0.7)
        row.prop_search(item, "bone", data.armature.data, "bones", text="", icon="NONE")
        if item.bone:
            row.alert = item.confidence < _SURE
            row.label(text=f"{item.confidence:.0%}")
        else:
            row.label(text="", icon="ERROR" if item.name in REQUIRED else "REMOVE")


class HMVLM_PT_rig(bpy.types.Panel):
    """How the target is keyed, and its bone mapping."""

    bl_idname = "HMVLM_PT_rig"
    bl_label = "Rig"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender reads a plain set)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With an armature to animate."""
        return target_armature(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """The options, then the list."""
        asked, armature, layout = settings(context), target_armature(context), self.layout
        column = layout.column(heading="Keys")
        column.use_property_split = True
        column.use_property_decorate = False
        smpl = is_smpl_armature(armature)
        if not smpl:
            column.prop(asked, "foot_lock")
            column.prop(asked, "ik_targets")
        column.prop(asked, "selected_only")
        column.prop(asked, "as_layer")
        if smpl or armature is None:
            return

        kept = kept_mapping(context.scene, armature)
        row = layout.row(align=True)
        text = "Detect Bones" if kept is None else "Detect Again"
        row.operator("hmvlm.map_bones", text=text, icon="VIEWZOOM")
        row.operator("hmvlm.load_mapping", text="", icon="FILE_FOLDER")
        row.operator("hmvlm.save_mapping", text="", icon="FILE_TICK")
        if kept is None:
            layout.label(text="Bones are detected when a motion is keyed", icon="INFO")
            return
        if kept.family:
            layout.label(text=f"Kind of rig: {kept.family}", icon="ARMATURE_DATA")
        layout.template_list(HMVLM_UL_joints.bl_idname, "", kept, "joints", kept, "active", rows=8)
        if 0 <= kept.active < len(kept.joints):
            layout.label(text=kept.joints[kept.active].reason, icon="INFO")


CLASSES = (HMVLM_UL_joints, HMVLM_PT_rig)
