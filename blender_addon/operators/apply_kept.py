# SPDX-License-Identifier: GPL-3.0-or-later
"""Key a motion whose armature was gone when it arrived."""

import bpy

from ..bridge import runtime
from ..bridge.delivery import deliver_kept
from ..bridge.errors import BridgeError
from ..bridge.targets import make_target
from ..properties import settings, target_armature


class HMVLM_OT_apply_kept(bpy.types.Operator):
    """Key the motion that could not be keyed before onto this armature"""

    bl_idname = "hmvlm.apply_kept"
    bl_label = "Apply"
    # no UNDO: delivery makes the one step itself

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a motion waiting and an armature to take it."""
        session = runtime.peek()
        if session is None or session.kept is None:
            return False
        if target_armature(context) is None:
            cls.poll_message_set("Select an armature, or add one")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Key it at the start frame."""
        armature, asked = target_armature(context), settings(context)
        if armature is None:
            return {"CANCELLED"}
        target = make_target(context.scene, armature, asked.start_frame, fit_range=asked.fit_range)
        try:
            deliver_kept(runtime.current(), target)
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (HMVLM_OT_apply_kept,)
