# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop the backend, or let go of one that somebody else started."""

import bpy

from ..bridge import runtime
from ..core.session import BackendState


class HMVLM_OT_stop_backend(bpy.types.Operator):
    """Stop the backend; one that was started outside of this Blender keeps running"""

    bl_idname = "hmvlm.stop_backend"
    bl_label = "Stop Backend"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Only while it runs."""
        session = runtime.peek()
        return session is not None and session.state not in (
            BackendState.STOPPED,
            BackendState.STOPPING,
        )

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin; the status line tells when it is done."""
        runtime.current().stop()
        runtime.wake()
        return {"FINISHED"}


CLASSES = (HMVLM_OT_stop_backend,)
