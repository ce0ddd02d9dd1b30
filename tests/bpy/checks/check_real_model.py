# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped weights behind the installed extension: what they make is of use, whatever it is.

One server serves all checks; only the last one, which switches the add-on off, starts another.
"""

import os
import subprocess

import addon_utils
import bpy
import numpy as np
import pytest
from driving import PACKAGE, finish, tick_until, use_backend

LIMIT_S = 600.0  # loading the model, and making it fit for use the first time
SECONDS = 2.0
LIMB = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
VIOLATION = """
import sys, torch
from backend.motion.joint_limits import limit_violation
from backend.motion.kinematics import axis_angle_to_matrix
from blender_addon.shared.motion import Motion
poses = torch.from_numpy(Motion.load_npz(sys.argv[1]).poses[:, :22])
beyond = limit_violation(axis_angle_to_matrix(poses)).abs().rad2deg()
print(beyond.max().item(), (beyond > 5).float().mean().item())
"""
PHOTO = """
from tests.unit.people_pictures import photograph
print(photograph("astronaut"))
"""


def in_backend(code: str, *arguments: str) -> str:
    """What a piece of Python says where the backend is installed; Blender has no torch."""
    command = [os.environ["HMVLM_BACKEND_PYTHON"], "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def runtime(extension, tmp_path_factory):
    """The add-on, set up to start the backend with the weights that it comes with."""
    import importlib

    runtime = importlib.import_module(f"{PACKAGE}.bridge.runtime")
    use_backend(tmp_path_factory.mktemp("backend") / "connection.json", "")
    yield runtime
    runtime.reset()


@pytest.fixture
def armature(runtime):
    bpy.ops.hmvlm.add_armature()
    return bpy.context.active_object


def done(runtime) -> None:
    finish(runtime, LIMIT_S)
    assert runtime.peek().problem == ""


def generate(runtime, prompt: str) -> None:
    asked = bpy.context.scene.hmvlm
    asked.prompt, asked.seconds, asked.random_seed, asked.seed = prompt, SECONDS, False, 1
    assert bpy.ops.hmvlm.generate() == {"FINISHED"}
    done(runtime)


def heads(armature) -> dict[str, np.ndarray]:
    """Bone -> (T, 3) where its head is, over the frames of the armature's action."""
    first, last = (round(frame) for frame in armature.animation_data.action.frame_range)
    found = {bone.name: [] for bone in armature.pose.bones}
    for frame in range(first, last + 1):
        bpy.context.scene.frame_set(frame)
        for bone in armature.pose.bones:
            found[bone.name].append(bone.head[:])
    return {name: np.array(places) for name, places in found.items()}


def assert_human(part, armature, folder) -> None:
    """No joint of what is keyed turns much further than a person's does."""
    path = folder / "keyed.npz"
    part("bridge.capture").capture_animation(bpy.context.scene, armature).save_npz(path)
    furthest, share = map(float, in_backend(VIOLATION, str(path)).split())
    assert furthest < 45  # degrees
    assert share < 0.01  # of all angles


def test_a_prompt_becomes_a_motion_that_is_saved_and_plays(runtime, armature, part, tmp_path):
    generate(runtime, "a person walks forward")
    first, last = armature.animation_data.action.frame_range
    assert last - first == pytest.approx(SECONDS * 24, abs=2)
    before = heads(armature)
    assert all(np.isfinite(places).all() for places in before.values())
    assert max(np.ptp(before[name], axis=0).max() for name in LIMB) > 0.1  # metres
    assert max(np.ptp(places, axis=0).max() for places in before.values()) < 5 * SECONDS
    assert (before["head"][:, 2] > before["left_foot"][:, 2] + 0.8).all()  # upright
    assert_human(part, armature, tmp_path)
    path = str(tmp_path / "walk.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    after = heads(bpy.data.objects["SMPL"])
    assert max(np.abs(after[name] - before[name]).max() for name in before) < 1e-5


def test_a_picture_becomes_a_pose(runtime, armature, part, tmp_path):
    photo = in_backend(PHOTO).splitlines()[-1]
    assert bpy.ops.hmvlm.open_photo(filepath=photo) == {"FINISHED"}
    done(runtime)
    assert len(bpy.context.scene.hmvlm_pose.people) == 1
    posed = heads(armature)
    assert all(np.isfinite(places).all() for places in posed.values())
    assert posed["head"][0, 2] > posed["pelvis"][0, 2] + 0.3  # she sits or stands
    assert_human(part, armature, tmp_path)


def test_an_action_becomes_words(runtime, armature):
    generate(runtime, "a person walks forward")
    assert bpy.ops.hmvlm.describe_action() == {"FINISHED"}
    done(runtime)
    text = armature.animation_data.action["hmvlm_description"]
    assert len(text.split()) > 2
    assert text.isprintable()


def test_a_line_is_answered(runtime, armature, part):
    part("bridge.chat_log").conversation().clear()
    log = bpy.context.window_manager.hmvlm_chat
    log.draft = "What is the capital of France?"
    assert bpy.ops.hmvlm.send_message() == {"FINISHED"}
    done(runtime)
    assert [turn.role for turn in log.turns] == ["user", "assistant"]
    assert len(log.turns[1].name.split()) > 0
    assert not log.turns[1].made_motion
    assert armature.animation_data is None


def test_it_works_again_after_it_was_switched_off(runtime, armature, tmp_path):
    if not runtime.peek() or not runtime.peek().owns_backend:
        assert bpy.ops.hmvlm.start_backend() == {"FINISHED"}
        tick_until(runtime, lambda: runtime.peek().state == "ready", LIMIT_S)
    assert addon_utils.disable(PACKAGE) is None
    assert not hasattr(bpy.types.Scene, "hmvlm")
    addon_utils.enable(PACKAGE)
    use_backend(tmp_path / "connection.json", "")
    generate(runtime, "a person waves")
    assert runtime.peek().owns_backend
    assert len(bpy.data.actions) == 1
