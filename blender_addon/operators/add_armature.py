# SPDX-License-Identifier: GPL-3.0-or-later
"""Add an armature that motions can be keyed onto."""

from typing import ClassVar

import bpy

from ..bridge.armature import add_smpl_armature
from ..bridge.errors import BridgeError


class HMVLM_OT_add_armature(bpy.types.Operator):
    """Add an armature with SMPL's 24 joints, standing on the 3D cursor"""

    bl_idname = "hmvlm.add_armature"
    bl_label = "Add SMPL Armature"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add it, and make it the active object."""
        try:
            add_smpl_armature(context, "SMPL", tuple(context.scene.cursor.location))
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def _draw_in_add_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.operator(HMVLM_OT_add_armature.bl_idname, text="SMPL", icon="ARMATURE_DATA")


def register() -> None:
    """Also offer it under Add > Armature."""
    bpy.types.VIEW3D_MT_armature_add.append(_draw_in_add_menu)


def unregister() -> None:
    """The inverse of `register`."""
    bpy.types.VIEW3D_MT_armature_add.remove(_draw_in_add_menu)


CLASSES = (HMVLM_OT_add_armature,)
