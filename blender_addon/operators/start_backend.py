# SPDX-License-Identifier: GPL-3.0-or-later
"""Connect to the backend, starting it if none runs."""

import bpy

from ..bridge import runtime
from ..core.session import BackendState


class HMVLM_OT_start_backend(bpy.types.Operator):
    """Connect to the backend that runs on this computer, or start it"""

    bl_idname = "hmvlm.start_backend"
    bl_label = "Start Backend"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Only while it is stopped."""
        session = runtime.peek()
        return session is None or session.state is BackendState.STOPPED

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin; the status line tells how it goes."""
        session = runtime.current()
        session.start()
        runtime.wake()
        if session.problem:
            self.report({"ERROR"}, session.problem)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (HMVLM_OT_start_backend,)
