# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete the backend that was installed, and nothing else."""

import bpy

from ..bridge import runtime, setup
from ..core.installer import is_ours
from ..core.session import BackendState
from ..preferences import preferences


class HMVLM_OT_remove_backend(bpy.types.Operator):
    """Delete the installed backend and all that was downloaded for it; files you made stay"""

    bl_idname = "hmvlm.remove_backend"
    bl_label = "Remove Backend"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Not beside another job, nor under a backend that runs."""
        if setup.installing():
            cls.poll_message_set("The installer is at work")
            return False
        session = runtime.peek()
        if session is not None and session.state is not BackendState.STOPPED:
            cls.poll_message_set("Stop the backend first")
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Say what is deleted, and ask."""
        return context.window_manager.invoke_props_dialog(self, width=440)

    def draw(self, _context: bpy.types.Context) -> None:
        """The folder that goes."""
        self.layout.label(text="This folder is deleted:", icon="TRASH")
        self.layout.label(text=str(preferences().install_root()), icon="BLANK1")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin; the panel tells when it is done."""
        root = preferences().install_root()
        if not is_ours(root):
            self.report({"ERROR"}, f"{root} holds no backend that was installed from here.")
            return {"CANCELLED"}
        problem = setup.remove()
        if problem:
            self.report({"ERROR"}, problem)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (HMVLM_OT_remove_backend,)
