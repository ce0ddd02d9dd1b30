# SPDX-License-Identifier: GPL-3.0-or-later
"""From the Generate button to keyframes, through the installed extension and a real server.

The server runs a stand-in for the model that walks at 1 m/s. Timers do not fire in Blender as a
module, so these checks call the timer's function themselves.
"""

import os
import signal
import time
from pathlib import Path

import bpy
import numpy as np
import pytest

PACKAGE = "bl_ext.user_default.hmvlm"
LIMIT_S = 120.0


@pytest.fixture
def runtime(part, tmp_path):
    """The add-on set up to start the stand-in; its backend is stopped afterwards."""
    runtime = part("bridge.runtime")
    chosen = bpy.context.preferences.addons[PACKAGE].preferences
    chosen.backend_path = os.environ["HMVLM_BACKEND_PYTHON"]
    chosen.connection_file = str(tmp_path / "connection.json")
    chosen.arguments = "--engine tests.wire.fake_engine:create --cancel-grace 0.5"
    yield runtime
    runtime.unregister()
    runtime.register()


@pytest.fixture
def armature(extension):
    bpy.ops.hmvlm.add_armature()
    return bpy.context.active_object


def tick_until(runtime, condition) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, (runtime.peek().status, runtime.peek().problem)
        runtime.tick()
        time.sleep(0.01)


def begin(runtime, seconds=3.0, prompt="a person walks") -> None:
    asked = bpy.context.scene.hmvlm
    asked.prompt, asked.seconds = prompt, seconds
    assert bpy.ops.hmvlm.generate() == {"FINISHED"}
    assert runtime.peek().request is not None


def finish(runtime) -> None:
    tick_until(runtime, lambda: runtime.peek().request is None)


def generate(runtime, seconds=3.0, prompt="a person walks") -> None:
    begin(runtime, seconds, prompt)
    finish(runtime)


def test_generate_starts_the_backend_and_keys_the_motion(runtime, armature):
    scene = bpy.context.scene
    scene.render.fps = 30
    scene.hmvlm.start_frame = 11
    generate(runtime)
    session = runtime.peek()
    assert session.problem == ""
    action = armature.animation_data.action
    assert action.name == "a person walks"
    assert session.note == "Keyed frames 11 to 99"
    # 60 frames at 20 fps last 59/20 s: 88.5 steps at 30 fps, rounded to even
    assert tuple(action.frame_range) == (11.0, 99.0)
    assert (scene.frame_start, scene.frame_end) == (11, 99)
    heads = []
    for frame in (11, 71):
        scene.frame_set(frame)
        heads.append(np.array(armature.pose.bones["pelvis"].head))
    assert np.abs(heads[1] - heads[0] - (0.0, -2.0, 0.0)).max() < 1e-4  # 2 s at 1 m/s, forward


def test_start_then_stop(runtime, extension):
    assert bpy.ops.hmvlm.start_backend() == {"FINISHED"}
    session = runtime.peek()
    tick_until(runtime, lambda: session.state == "ready")
    assert session.owns_backend
    assert not bpy.ops.hmvlm.start_backend.poll()
    assert bpy.ops.hmvlm.stop_backend() == {"FINISHED"}
    tick_until(runtime, lambda: session.state == "stopped")
    assert session.problem == ""
    assert not session.active


def test_a_second_motion_replaces_the_first_which_is_kept(runtime, armature):
    generate(runtime, prompt="one")
    generate(runtime, prompt="two")
    assert armature.animation_data.action.name == "two"
    assert bpy.data.actions["one"].use_fake_user
    assert len(bpy.data.actions) == 2


def test_a_seed_is_drawn_and_shown_unless_it_is_fixed(runtime, armature):
    asked = bpy.context.scene.hmvlm
    asked.random_seed, asked.seed = False, 5
    generate(runtime)
    assert asked.seed == 5
    asked.random_seed = True
    generate(runtime)
    assert asked.seed != 5


def test_cancel(runtime, armature):
    begin(runtime, seconds=30.0)
    tick_until(runtime, lambda: runtime.peek().fraction > 0.05)
    assert not bpy.ops.hmvlm.generate.poll()
    assert bpy.ops.hmvlm.cancel() == {"FINISHED"}
    finish(runtime)
    assert runtime.peek().note == "Cancelled."
    assert armature.animation_data is None
    generate(runtime)  # and the server is fit for more
    assert armature.animation_data.action is not None


def test_the_armature_is_deleted_while_the_job_runs(runtime, armature):
    begin(runtime)
    tick_until(runtime, lambda: runtime.peek().fraction > 0.05)
    bpy.data.objects.remove(armature)
    finish(runtime)
    session = runtime.peek()
    assert "'SMPL' is gone" in session.problem
    assert "press Apply" in session.problem
    assert len(bpy.data.actions) == 0
    assert not bpy.ops.hmvlm.apply_kept.poll()
    bpy.ops.hmvlm.add_armature()
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}
    assert bpy.context.active_object.animation_data.action.name == "a person walks"
    assert session.kept is None
    assert session.problem == ""


def test_another_file_is_opened_while_the_job_runs(runtime, armature, tmp_path):
    path = str(tmp_path / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)  # holds an armature of the same name
    begin(runtime)
    tick_until(runtime, lambda: runtime.peek().fraction > 0.05)
    bpy.ops.wm.open_mainfile(filepath=path)
    finish(runtime)
    assert "Another file was opened" in runtime.peek().problem
    assert bpy.data.objects["SMPL"].animation_data is None
    bpy.context.view_layer.objects.active = bpy.data.objects["SMPL"]
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}


def test_what_blender_raises_loses_no_motion(runtime, armature, part, monkeypatch):
    def refuse(*_args, **_options):
        raise RuntimeError("out of keys")

    monkeypatch.setattr(part("bridge.delivery"), "keyframe_motion", refuse)
    generate(runtime)
    assert "out of keys" in runtime.peek().problem
    monkeypatch.undo()
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}
    assert armature.animation_data.action.name == "a person walks"


def test_the_backend_is_killed_while_the_job_runs(runtime, armature):
    begin(runtime, seconds=30.0)
    tick_until(runtime, lambda: runtime.peek().fraction > 0.05)
    os.kill(runtime.peek()._launcher.pid, signal.SIGKILL)
    finish(runtime)
    session = runtime.peek()
    assert session.problem
    assert armature.animation_data is None
    tick_until(runtime, lambda: session.state == "stopped")
    generate(runtime)  # Generate starts another one
    assert session.problem == ""
    assert armature.animation_data.action is not None


def test_a_prompt_without_words_is_refused_here(runtime, armature):
    bpy.context.scene.hmvlm.prompt = "   "
    with pytest.raises(RuntimeError, match="Write what the person does"):
        bpy.ops.hmvlm.generate()
    assert runtime.peek().request is None


def test_a_refusal_of_the_backend_is_shown(runtime, armature, part):
    session = runtime.current()
    session.generate(part("core.requests").Request("walks", 500.0, 1, None))
    finish(runtime)
    assert "between 1 and 30" in session.problem
    assert session.state == "ready"


def test_no_backend_on_this_computer(runtime, armature, tmp_path):
    chosen = bpy.context.preferences.addons[PACKAGE].preferences
    chosen.backend_path = str(tmp_path / "nowhere")
    with pytest.raises(RuntimeError, match="preferences"):
        bpy.ops.hmvlm.generate()
    assert "preferences" in runtime.peek().problem
    assert runtime.peek().state == "stopped"


def test_a_backend_that_cannot_start_says_why(runtime, armature, tmp_path):
    chosen = bpy.context.preferences.addons[PACKAGE].preferences
    chosen.arguments = "--engine no.such.module:create"
    assert bpy.ops.hmvlm.start_backend() == {"FINISHED"}  # begun; what follows is seen later
    tick_until(runtime, lambda: runtime.peek().state == "stopped")
    assert "The backend ended with code" in runtime.peek().problem
    assert "no.such" in runtime.peek().problem


def test_one_undo_step(runtime, armature):
    bpy.ops.ed.undo_push(message="armature added")
    scene_end = bpy.context.scene.frame_end
    generate(runtime)
    assert bpy.context.scene.frame_end != scene_end
    assert bpy.ops.ed.undo() == {"FINISHED"}
    armature = bpy.data.objects["SMPL"]
    assert armature.animation_data is None or armature.animation_data.action is None
    assert bpy.context.scene.frame_end == scene_end
    assert bpy.ops.ed.redo() == {"FINISHED"}
    assert bpy.data.objects["SMPL"].animation_data.action.name == "a person walks"


def test_switching_the_add_on_off_ends_the_backend(runtime, armature):
    import addon_utils

    begin(runtime, seconds=30.0)
    tick_until(runtime, lambda: runtime.peek().fraction > 0.05)
    pid = runtime.peek()._launcher.pid
    addon_utils.disable(PACKAGE)
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
    addon_utils.enable(PACKAGE)


def test_a_tick_is_short(runtime, armature):
    begin(runtime, seconds=30.0)
    longest = 0.0
    while runtime.peek().fraction < 0.9:
        begun = time.perf_counter()
        runtime.tick()
        if runtime.peek().fraction > 0.05:
            longest = max(longest, time.perf_counter() - begun)
        time.sleep(0.01)
    bpy.ops.hmvlm.cancel()
    finish(runtime)
    assert longest < 0.05  # 5 ms by design; other processes may take the processor meanwhile
