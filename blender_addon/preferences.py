# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backend is, kept with the user's Blender settings."""

from pathlib import Path

import bpy

from .shared.connection import default_connection_file


class HmvlmPreferences(bpy.types.AddonPreferences):
    """Shown under Preferences > Add-ons > HMVLM."""

    bl_idname = __package__ or "blender_addon"

    backend_path: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Backend",
        description=(
            "The folder of the HMVLM project (with its .venv), or a Python that has it "
            "installed. Empty: the `hmvlm` command of this computer"
        ),
        subtype="FILE_PATH",
    )
    connection_file: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Connection File",
        description="Where a backend leaves its address and keys. Empty: the usual place",
        subtype="FILE_PATH",
    )
    arguments: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Options",
        description="More options for the backend, as for `hmvlm serve`, such as --device cuda",
    )

    def connection_path(self) -> Path:
        """The connection file in use."""
        given = self.connection_file.strip()
        return Path(bpy.path.abspath(given)) if given else default_connection_file()

    def draw(self, context: bpy.types.Context) -> None:
        """The three settings."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "backend_path")
        layout.prop(self, "connection_file")
        layout.prop(self, "arguments")
        layout.label(text="Changes take effect when the backend is started next.", icon="INFO")


def preferences() -> HmvlmPreferences:
    """The add-on's preferences; it must be switched on."""
    return bpy.context.preferences.addons[HmvlmPreferences.bl_idname].preferences


CLASSES = (HmvlmPreferences,)
