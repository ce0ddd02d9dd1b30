# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the backend into an environment of its own, or install it anew."""

import shutil

import bpy

from ..bridge import runtime, setup
from ..core.installer import GB, Choice, NoPackageError, estimate
from ..core.locate import BackendNotFoundError, find_backend
from ..core.session import BackendState
from ..preferences import preferences

EXISTING = "EXISTING"
OFFLINE = (
    "Blender is set to work offline: switch on Allow Online Access in Edit > Preferences > System, "
    "then install. Once installed, the backend needs no network"
)


class HMVLM_OT_install_backend(bpy.types.Operator):
    """Install the backend in a folder of its own, outside of Blender; shows the size and asks"""

    bl_idname = "hmvlm.install_backend"
    bl_label = "Install Backend"

    choice: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="For",
        description="What the model is to run on",
        items=(
            ("CPU", "CPU", "Works on every computer; a motion takes seconds to a minute"),
            ("CUDA", "NVIDIA GPU", "The CUDA that fits this computer's driver"),
            ("SYSTEM", "As pip Is Set Up", "PyTorch from where this computer gets its packages"),
            (EXISTING, "Existing", "An environment or project folder that has the backend"),
        ),
    )
    path: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Existing",
        description="The folder of the HMVLM project, or a Python that has the backend",
        subtype="FILE_PATH",
    )

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
        """Show what it takes, and ask."""
        there = setup.installed()
        if there is not None and there.choice.upper() in Choice.__members__:
            self.choice = there.choice.upper()
        return context.window_manager.invoke_props_dialog(
            self,
            width=440,
            title="Repair Backend" if there else "Install Backend",
            confirm_text="Go Ahead",
        )

    def draw(self, _context: bpy.types.Context) -> None:
        """The choice, its size, the folder, and what is in the way."""
        layout = self.layout
        layout.prop(self, "choice", expand=True)
        if self.choice == EXISTING:
            layout.prop(self, "path")
            return
        root = preferences().install_root()
        column = layout.column(align=True)
        column.label(text=f"Size: {estimate(Choice[self.choice]).text}", icon="IMPORT")
        column.label(text=f"Into: {root}", icon="FILE_FOLDER")
        place = next(folder for folder in (root, *root.parents) if folder.exists())
        free = shutil.disk_usage(place).free
        low = free < estimate(Choice[self.choice]).disk
        column.label(text=f"Free: {free / GB:.1f} GB", icon="ERROR" if low else "DISK_DRIVE")
        column.label(text="Blender's own Python stays as it is.", icon="CHECKMARK")
        if not bpy.app.online_access:
            system = bpy.context.preferences.system
            box = layout.box()
            box.label(text="The download needs online access:", icon="INTERNET_OFFLINE")
            box.prop(system, "use_online_access")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin; the panel tells how it goes."""
        if self.choice == EXISTING:
            return self._use_existing()
        if not bpy.app.online_access:
            self.report({"ERROR"}, OFFLINE)
            return {"CANCELLED"}
        try:
            problem = setup.install(Choice[self.choice])
        except NoPackageError as error:
            problem = str(error)
        if problem:
            self.report({"ERROR"}, problem)
            return {"CANCELLED"}
        return {"FINISHED"}

    def _use_existing(self) -> set[str]:
        path = bpy.path.abspath(self.path).strip()
        try:
            if not path:
                raise BackendNotFoundError("Choose the folder or the Python of the backend.")
            find_backend(path)
        except BackendNotFoundError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        preferences().backend_path = path
        bpy.context.preferences.is_dirty = True
        return {"FINISHED"}


CLASSES = (HMVLM_OT_install_backend,)
