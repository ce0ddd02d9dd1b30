# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Blender is told when the add-on is switched on, in order; off is the reverse."""

import bpy

from . import (
    chat_properties,
    clip_properties,
    generate_properties,
    pose_properties,
    preferences,
    properties,
)
from .bridge import chat_log, handlers, photo_overlay, runtime, setup
from .operators import (
    add_armature,
    apply_kept,
    batch,
    cancel,
    cancel_setup,
    chat,
    clip,
    doctor,
    edit_prompt,
    export_clip,
    generate,
    install_backend,
    judge_clip,
    map_bones,
    photo,
    pose,
    push_to_nla,
    remove_backend,
    rerun,
    sequence_steps,
    show_log,
    start_backend,
    stop_backend,
)
from .ui import (
    backend_panel,
    chat_panel,
    clip_panel,
    generate_panels,
    history_panel,
    mapping_panel,
    panel,
    pose_panel,
    sequence_list,
)

CLASSES: tuple[type, ...] = (
    *preferences.CLASSES,
    *properties.CLASSES,
    *pose_properties.CLASSES,
    *clip_properties.CLASSES,
    *chat_properties.CLASSES,
    *generate_properties.CLASSES,
    *add_armature.CLASSES,
    *generate.CLASSES,
    *cancel.CLASSES,
    *map_bones.CLASSES,
    *apply_kept.CLASSES,
    *photo.CLASSES,
    *pose.CLASSES,
    *clip.CLASSES,
    *chat.CLASSES,
    *start_backend.CLASSES,
    *stop_backend.CLASSES,
    *edit_prompt.CLASSES,
    *sequence_steps.CLASSES,
    *judge_clip.CLASSES,
    *rerun.CLASSES,
    *push_to_nla.CLASSES,
    *batch.CLASSES,
    *export_clip.CLASSES,
    *sequence_list.CLASSES,
    *install_backend.CLASSES,
    *remove_backend.CLASSES,
    *cancel_setup.CLASSES,
    *doctor.CLASSES,
    *show_log.CLASSES,
    *panel.CLASSES,
    *generate_panels.CLASSES,
    *history_panel.CLASSES,
    *pose_panel.CLASSES,
    *clip_panel.CLASSES,
    *chat_panel.CLASSES,
    *backend_panel.CLASSES,
    *mapping_panel.CLASSES,
)
# after the classes, because they use them
MODULES = (
    properties,
    generate_properties,
    pose_properties,
    clip_properties,
    chat_properties,
    add_armature,
    handlers,
    chat_log,
    photo_overlay,
    runtime,
    setup,
)


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
