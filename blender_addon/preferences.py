# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backend is, kept with the user's Blender settings."""

from pathlib import Path

import bpy

from .core.installer import default_root
from .core.network import network_connection
from .shared.connection import ConnectionFileError, ConnectionInfo, default_connection_file

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class HmvlmPreferences(bpy.types.AddonPreferences):
    """Shown under Preferences > Add-ons > HMVLM."""

    bl_idname = __package__ or "blender_addon"

    where: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Backend",
        description="Which computer runs the model",
        items=(
            ("LOCAL", "This Computer", "The backend runs here; Blender starts and stops it"),
            (
                "NETWORK",
                "Another Machine",
                "A backend of the studio, started with `hmvlm serve --host`",
            ),
        ),
    )
    address: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Address",
        description="The other machine's name or address, as its backend shows it",
    )
    port: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Port",
        description="The port that the other machine's backend shows",
        default=7788,
        min=1,
        max=65535,
    )
    server_key: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Server Key",
        description="By this key Blender knows that it talks to the right machine",
    )
    access_key: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Access Key",
        description="The secret that lets you in; it is kept in Blender's preferences",
        subtype="PASSWORD",
    )
    install_folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Install Folder",
        description="Where the backend is installed. Empty: the user's own place for data",
        subtype="DIR_PATH",
    )
    backend_path: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Existing",
        description=(
            "The folder of the HMVLM project (with its .venv), or a Python that has it "
            "installed. Empty: the one that was installed here, or the `hmvlm` command"
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

    def install_root(self) -> Path:
        """Where the installer works."""
        given = self.install_folder.strip()
        return Path(bpy.path.abspath(given)) if given else default_root()

    def network_connection(self) -> ConnectionInfo:
        """The way to the other machine. Raises ConnectionFileError."""
        if not bpy.app.online_access and self.address.strip() not in LOOPBACK:
            raise ConnectionFileError(
                "Blender is set to work offline: switch on Allow Online Access in Edit > "
                "Preferences > System to use a backend on another machine."
            )
        return network_connection(self.address, self.port, self.server_key, self.access_key)

    def draw(self, context: bpy.types.Context) -> None:
        """Which computer, and how to start or reach the backend there."""
        layout = self.layout
        layout.use_property_split = True
        layout.row().prop(self, "where", expand=True)
        if self.where == "NETWORK":
            self.draw_network(layout)
        else:
            for name in ("install_folder", "backend_path", "connection_file", "arguments"):
                layout.prop(self, name)
        layout.label(text="Changes take effect when the backend is started next.", icon="INFO")

    def draw_network(self, layout: bpy.types.UILayout) -> None:
        """What is typed in from the other machine's screen."""
        for name in ("address", "port", "server_key", "access_key"):
            layout.prop(self, name)


def preferences() -> HmvlmPreferences:
    """The add-on's preferences; it must be switched on."""
    return bpy.context.preferences.addons[HmvlmPreferences.bl_idname].preferences


CLASSES = (HmvlmPreferences,)
