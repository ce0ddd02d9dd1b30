# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip as a user installs it, in a Blender without pyzmq and msgspec of its own."""

import os
import sys
from pathlib import Path

import addon_utils
import bpy

PACKAGE = "bl_ext.user_default.hmvlm"
OPERATORS = (
    "generate",
    "cancel",
    "map_bones",
    "save_mapping",
    "load_mapping",
    "add_armature",
    "apply_kept",
    "start_backend",
    "stop_backend",
    "install_backend",
    "remove_backend",
    "cancel_setup",
    "doctor",
    "show_log",
    "open_photo",
    "paste_photo",
    "choose_person",
    "pose_from_photo",
    "key_pose",
    "save_pose",
    "show_photo",
    "open_clip",
    "active_clip",
    "describe_clip",
    "track_clip",
    "describe_action",
    "copy_answer",
    "send_message",
    "clear_chat",
    "copy_turn",
)
PANELS = (
    "HMVLM_PT_main",
    "HMVLM_PT_backend",
    "HMVLM_PT_setup",
    "HMVLM_PT_rig",
    "HMVLM_UL_joints",
    "HMVLM_PT_pose",
    "HMVLM_PT_clip",
    "HMVLM_PT_chat",
    "HMVLM_UL_turns",
    "HMVLM_FH_photo",
    "HMVLM_FH_clip",
)


def ours() -> dict[str, object]:
    """Everything in Blender that bears our name, and how many handlers and menus hang on it."""
    operators = [name for name in OPERATORS if hasattr(bpy.types, f"HMVLM_OT_{name}")]
    panels = [name for name in PANELS if hasattr(bpy.types, name)]
    menu = getattr(bpy.types.VIEW3D_MT_armature_add.draw, "_draw_funcs", [])
    from_us = lambda f: (f.__module__ or "").startswith(PACKAGE)  # noqa: E731
    return {
        "operators": operators,
        "panels": panels,
        "settings": hasattr(bpy.types.Scene, "hmvlm"),
        "handlers": sum(from_us(f) for f in bpy.app.handlers.load_post),
        "menu": sum(from_us(f) for f in menu),
    }


def test_it_is_installed_and_loaded(extension):
    assert PACKAGE in bpy.context.preferences.addons
    assert addon_utils.check(PACKAGE) == (True, True)
    scratch = Path(os.environ["BLENDER_USER_RESOURCES"]).resolve()
    assert Path(extension.__file__).resolve().is_relative_to(scratch)
    assert ours() == {
        "operators": list(OPERATORS),
        "panels": list(PANELS),
        "settings": True,
        "handlers": 2,
        "menu": 1,
    }


def test_its_wheels_come_with_it(extension):
    import msgspec
    import zmq

    scratch = Path(os.environ["BLENDER_USER_RESOURCES"]).resolve()
    assert Path(zmq.__file__).resolve().is_relative_to(scratch)
    assert Path(msgspec.__file__).resolve().is_relative_to(scratch)
    assert zmq.has("curve")


def test_no_part_of_the_backend_is_needed(extension):
    assert not {"torch", "backend", "training"} & set(sys.modules)


def test_switching_off_leaves_nothing_behind_and_on_again_works(extension):
    before = ours()
    for _ in range(3):
        addon_utils.disable(PACKAGE)
        assert ours() == {
            "operators": [],
            "panels": [],
            "settings": False,
            "handlers": 0,
            "menu": 0,
        }
        assert addon_utils.enable(PACKAGE) is not None
        assert ours() == before


def test_add_smpl_armature(extension):
    assert bpy.ops.hmvlm.add_armature() == {"FINISHED"}
    assert bpy.context.active_object.name == "SMPL"
    assert bpy.ops.hmvlm.generate.poll()
    assert not bpy.ops.hmvlm.cancel.poll()
