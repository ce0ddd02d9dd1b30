# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the backend examine itself."""

import bpy

from ..bridge import setup
from ..core.locate import BackendNotFoundError
from ..preferences import preferences


class HMVLM_OT_doctor(bpy.types.Operator):
    """Check the backend's installation; the report is a text, a summary is in the panel"""

    bl_idname = "hmvlm.doctor"
    bl_label = "Doctor"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One at a time, and of a backend on this computer."""
        if preferences().where == "NETWORK":
            cls.poll_message_set("Run `hmvlm doctor` on the machine that has the backend")
            return False
        if setup.examining() or setup.installing():
            cls.poll_message_set("Wait until the work that is under way has ended")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin; the panel tells what came of it."""
        try:
            setup.examine()
        except (BackendNotFoundError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (HMVLM_OT_doctor,)
