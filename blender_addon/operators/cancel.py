# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop the motion that is being made."""

import bpy

from ..bridge import runtime


class HMVLM_OT_cancel(bpy.types.Operator):
    """Stop making this motion"""

    bl_idname = "hmvlm.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Only while one is being made."""
        session = runtime.peek()
        return session is not None and session.request is not None

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask the backend to stop; the job ends when it answers."""
        runtime.current().cancel()
        runtime.wake()
        return {"FINISHED"}


CLASSES = (HMVLM_OT_cancel,)
