# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop the installer or the doctor."""

import bpy

from ..bridge import setup
from ..core.installer import InstallState


class HMVLM_OT_cancel_setup(bpy.types.Operator):
    """Stop it; what was installed before stays as it was"""

    bl_idname = "hmvlm.cancel_setup"
    bl_label = "Cancel Set-up"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """While there is something that can be stopped."""
        installer = setup.peek()
        installing = installer is not None and installer.state is InstallState.INSTALLING
        return installing or setup.examining()

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask; the panel tells when it has stopped."""
        setup.cancel()
        return {"FINISHED"}


CLASSES = (HMVLM_OT_cancel_setup,)
