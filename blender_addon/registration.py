# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Blender is told when the add-on is switched on, in order; off is the reverse."""

import bpy

from . import preferences, properties
from .bridge import handlers, runtime, setup
from .operators import (
    add_armature,
    apply_kept,
    cancel,
    cancel_setup,
    doctor,
    generate,
    install_backend,
    map_bones,
    remove_backend,
    show_log,
    start_backend,
    stop_backend,
)
from .ui import backend_panel, mapping_panel, panel

CLASSES: tuple[type, ...] = (
    *preferences.CLASSES,
    *properties.CLASSES,
    *add_armature.CLASSES,
    *generate.CLASSES,
    *cancel.CLASSES,
    *map_bones.CLASSES,
    *apply_kept.CLASSES,
    *start_backend.CLASSES,
    *stop_backend.CLASSES,
    *install_backend.CLASSES,
    *remove_backend.CLASSES,
    *cancel_setup.CLASSES,
    *doctor.CLASSES,
    *show_log.CLASSES,
    *panel.CLASSES,
    *backend_panel.CLASSES,
    *mapping_panel.CLASSES,
)
# after the classes, because they use them
MODULES = (properties, add_armature, handlers, runtime, setup)


def register() -> None:
    """Classes first, then what hangs on Blender's own types, handlers and the session."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    for module in MODULES:
        module.register()


def unregister() -> None:
    """The exact inverse of `register`."""
    for module in reversed(MODULES):
        module.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
