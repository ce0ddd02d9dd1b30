# SPDX-License-Identifier: GPL-3.0-or-later
"""HMVLM: text to keyframes in Blender, through a local backend.

Blender is imported only when the extension is switched on: the backend imports `shared` from here.
"""


def register() -> None:
    """Called by Blender when the extension is switched on."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is switched off, and when Blender ends."""
    from . import registration

    registration.unregister()
