# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips and actions in words, clips as motion, and the conversation, through a real server."""

import os
import subprocess
import time

import bpy
import numpy as np
import pytest

PACKAGE = "bl_ext.user_default.hmvlm"
LIMIT_S = 240.0


@pytest.fixture
def runtime(part, tmp_path):
    """The add-on set up to start the stand-in; its backend is stopped afterwards."""
    runtime = part("bridge.runtime")
    chosen = bpy.context.preferences.addons[PACKAGE].preferences
    chosen.backend_path = os.environ["HMVLM_BACKEND_PYTHON"]
    chosen.connection_file = str(tmp_path / "connection.json")
    chosen.arguments = "--engine tests.bpy.answers_engine:create --cancel-grace 0.5"
    yield runtime
    runtime.unregister()
    runtime.register()


@pytest.fixture
def armature(extension):
    bpy.ops.hmvlm.add_armature()
    return bpy.context.active_object


@pytest.fixture
def clip(tmp_path):
    def choose(name: str) -> str:
        path = tmp_path / f"{name}.mp4"
        path.write_bytes(b"the stand-in does not look")
        assert bpy.ops.hmvlm.open_clip(filepath=str(path)) == {"FINISHED"}
        return str(path)

    return choose


@pytest.fixture
def log(extension, part):
    """The conversation, empty."""
    part("bridge.chat_log").conversation().clear()
    return bpy.context.window_manager.hmvlm_chat


def tick_until(runtime, condition) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, (runtime.peek().status, runtime.peek().problem)
        runtime.tick()
        time.sleep(0.01)


def finish(runtime) -> None:
    tick_until(runtime, lambda: runtime.peek().request is None)


def send(runtime, log, text: str) -> None:
    log.draft = text
    assert bpy.ops.hmvlm.send_message() == {"FINISHED"}
    finish(runtime)


def said(log) -> list:
    return [(turn.role, turn.name) for turn in log.turns]


def test_a_clip_is_described_and_asked_about(runtime, clip):
    clip("wave")
    assert bpy.ops.hmvlm.describe_clip() == {"FINISHED"}
    tick_until(runtime, lambda: runtime.peek().job is not None and runtime.peek().job.text)
    finish(runtime)
    assert runtime.peek().latest["describe"].text == "a person waves with the left hand"
    bpy.context.scene.hmvlm_clip.question = "Which hand?"
    bpy.ops.hmvlm.describe_clip()
    finish(runtime)
    assert runtime.peek().latest["describe"].text == "the left one"
    assert bpy.ops.hmvlm.copy_answer() == {"FINISHED"}


def test_a_clip_is_tracked_onto_the_rig(runtime, armature, clip):
    clip("walking by")
    bpy.context.scene.hmvlm.start_frame = 5
    assert bpy.ops.hmvlm.track_clip() == {"FINISHED"}
    finish(runtime)
    assert runtime.peek().problem == ""
    action = armature.animation_data.action
    assert action.name == "walking by"
    assert action.frame_range[0] == 5.0
    bpy.context.scene.hmvlm_clip.in_place = True
    bpy.ops.hmvlm.track_clip()
    finish(runtime)
    assert runtime.peek().note.endswith("The last 2 frames were left out")


def test_a_part_of_a_clip(runtime, armature, clip):
    clip("walking by")
    asked = bpy.context.scene.hmvlm_clip
    assert (asked.start, asked.seconds) == (0.0, 0.0)
    asked.start, asked.seconds = 1.5, 4.0
    bpy.ops.hmvlm.track_clip()
    finish(runtime)
    assert runtime.peek().note.endswith("from 1.5 for 4 s")
    asked.seconds = 0.0
    bpy.ops.hmvlm.describe_clip()
    finish(runtime)
    assert runtime.peek().latest["describe"].text.endswith("from 1.5 s on")
    clip("another")
    assert asked.start == 0.0


def test_tracked_for_an_armature_that_goes(runtime, armature, clip):
    clip("slow")
    bpy.ops.hmvlm.track_clip()
    tick_until(runtime, lambda: runtime.peek().fraction > 0.1)
    bpy.data.objects.remove(armature)
    finish(runtime)
    assert "press Apply" in runtime.peek().problem
    bpy.ops.hmvlm.add_armature()
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}


_VIDEO = """
import sys
from PIL import Image
frames = [Image.new("RGB", (64, 64), (80 * i, 0, 0)) for i in range(3)]
frames[0].save(sys.argv[1], save_all=True, append_images=frames[1:], duration=100)
"""


def test_the_active_strip_or_movie_clip(extension, tmp_path):
    with pytest.raises(RuntimeError, match="No movie strip"):
        bpy.ops.hmvlm.active_clip()
    files = [tmp_path / "strip.gif", tmp_path / "clip.gif"]
    for file in files:
        command = [os.environ["HMVLM_BACKEND_PYTHON"], "-c", _VIDEO, str(file)]
        subprocess.run(command, check=True)
    scene = bpy.context.scene
    scene.active_clip = bpy.data.movieclips.load(str(files[1]))
    assert bpy.ops.hmvlm.active_clip() == {"FINISHED"}
    assert scene.hmvlm_clip.path == str(files[1])
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_movie("strip", str(files[0]), 1, 1)
    assert bpy.ops.hmvlm.active_clip() == {"FINISHED"}
    asked = scene.hmvlm_clip
    assert asked.path == str(files[0])
    assert (asked.start, asked.seconds) == (0.0, 0.0)
    names = ("left_handle_offset", "right_handle_offset")  # from 5.2 on
    strip = editor.active_strip
    if not hasattr(strip, names[0]):
        names = ("frame_offset_start", "frame_offset_end")
    setattr(strip, names[0], 1)
    assert bpy.ops.hmvlm.active_clip() == {"FINISHED"}
    assert (asked.start, asked.seconds) == (pytest.approx(0.1), 0.0)
    setattr(strip, names[1], 1)
    bpy.ops.hmvlm.active_clip()
    assert (asked.start, asked.seconds) == (pytest.approx(0.1), pytest.approx(0.1))
    assert len(bpy.data.movieclips) == 1
    files[0].unlink()
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.hmvlm.active_clip()


def test_an_action_is_described(runtime, armature):
    scene = bpy.context.scene
    scene.render.fps = 24
    asked = scene.hmvlm
    asked.prompt, asked.seconds = "a person walks", 3.0
    bpy.ops.hmvlm.generate()
    finish(runtime)
    scene.frame_set(7)
    assert bpy.ops.hmvlm.describe_action() == {"FINISHED"}
    assert scene.frame_current == 7
    finish(runtime)
    # 60 frames at 20 fps last 2.95 s, walked at 1 m/s; keyed at 24 fps and read back at 20
    text = armature.animation_data.action["hmvlm_description"]
    assert text.startswith("60 frames, 2.9")
    assert text.endswith(", 20")


def test_the_capture_is_exact_on_smpl_and_close_on_a_scaled_rig(runtime, armature, part, motion):
    key, capture = part("bridge.delivery").key, part("bridge.capture").capture_animation
    scene = bpy.context.scene
    scene.render.fps = 20
    key(scene, armature, motion, 1, "wander")
    read = capture(scene, armature)
    assert read.num_frames == motion.num_frames
    assert np.abs(read.joint_positions() - motion.joint_positions()).max() < 1e-4
    family = part("core.mapping").family_named("Mixamo")
    for joint, names in family.candidates():
        armature.data.bones[joint].name = names[0]
    armature.scale = (3.0, 3.0, 3.0)
    read = capture(scene, armature)
    assert np.abs(read.joint_positions() - motion.joint_positions()).max() < 1e-3


def test_what_has_no_animation_is_refused(runtime, armature):
    with pytest.raises(RuntimeError, match="no animation"):
        bpy.ops.hmvlm.describe_action()
    with pytest.raises(RuntimeError, match="Choose a clip"):
        bpy.ops.hmvlm.describe_clip()


def test_a_long_animation_is_read_with_fewer_frames_a_second(runtime, armature, part, motion):
    scene = bpy.context.scene
    part("bridge.delivery").key(scene, armature, motion.resampled(2.0), 1, "long")
    action = armature.animation_data.action
    action.frame_end = 24 * 60
    read = part("bridge.capture").capture_animation(scene, armature)
    assert 150 <= read.num_frames <= 160
    assert read.seconds == pytest.approx(60, abs=1)


def test_a_conversation(runtime, armature, log):
    send(runtime, log, "hello there")
    assert said(log) == [("user", "hello there"), ("assistant", "hello there (1)")]
    send(runtime, log, "again")
    assert said(log)[-1] == ("assistant", "again (3)")
    assert log.draft == ""
    assert log.active == 3
    assert armature.animation_data is None


def test_the_text_streams(runtime, log):
    log.draft = "one two three four five six"
    bpy.ops.hmvlm.send_message()
    seen = set()

    def look() -> bool:
        job = runtime.peek().job
        seen.add(job.text if job is not None else "")
        return runtime.peek().request is None

    tick_until(runtime, look)
    assert len(seen) > 2


def test_a_motion_turn_keys_the_armature(runtime, armature, log):
    bpy.ops.ed.undo_push(message="armature added")
    send(runtime, log, "a person can walk")
    assert armature.animation_data.action.name == "a person can walk"
    assert log.turns[1].made_motion
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert len(log.turns) == 2  # what was said is not taken back


def test_a_motion_without_an_armature_is_kept(runtime, log):
    send(runtime, log, "a person can walk")
    assert "No armature was selected" in runtime.peek().problem
    assert runtime.peek().kept is not None
    assert len(log.turns) == 2


def test_orders_run_the_operators(runtime, armature, log, clip):
    clip("walking by")
    send(runtime, log, "Track the clip onto the rig")
    assert armature.animation_data.action.name == "walking by"
    assert said(log)[-1][1].startswith("Keyed frames")
    send(runtime, log, "what does this animation show?")
    assert "frames" in said(log)[-1][1]
    assert armature.animation_data.action["hmvlm_description"] == said(log)[-1][1]
    send(runtime, log, "/describe which hand?")
    assert said(log)[-1] == ("assistant", "the left one")
    send(runtime, log, "hello")
    assert said(log)[-1] == ("assistant", "hello (1)")  # the model never sees what it did not say
    send(runtime, log, "/help")
    assert "/track" in said(log)[-1][1]


def test_a_turn_that_fails_is_taken_back(runtime, armature, log, clip):
    log.draft = "describe this action"
    with pytest.raises(RuntimeError, match="no animation"):
        bpy.ops.hmvlm.send_message()
    assert log.draft == "describe this action"
    log.draft = "/dance"
    with pytest.raises(RuntimeError, match="no command /dance"):
        bpy.ops.hmvlm.send_message()
    log.draft = ""
    with pytest.raises(RuntimeError, match="Write something"):
        bpy.ops.hmvlm.send_message()
    clip("die")
    send(runtime, log, "describe the clip")
    assert runtime.peek().problem
    assert (log.draft, len(log.turns)) == ("describe the clip", 0)


def test_a_turn_that_is_cancelled_is_taken_back(runtime, log):
    log.draft = " ".join(["word"] * 400)
    bpy.ops.hmvlm.send_message()
    tick_until(runtime, lambda: runtime.peek().job is not None and runtime.peek().job.text)
    bpy.ops.hmvlm.cancel()
    finish(runtime)
    assert log.draft.startswith("word word")
    assert len(log.turns) == 0


def test_the_conversation_is_saved_with_the_file(runtime, log, part, tmp_path):
    send(runtime, log, "hello")
    path = str(tmp_path / "talk.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert len(bpy.context.window_manager.hmvlm_chat.turns) == 0
    bpy.ops.wm.open_mainfile(filepath=path)
    turns = bpy.context.window_manager.hmvlm_chat.turns
    assert [turn.name for turn in turns] == ["hello", "hello (1)"]
    assert bpy.ops.hmvlm.clear_chat() == {"FINISHED"}
    assert len(bpy.context.window_manager.hmvlm_chat.turns) == 0
    assert not bpy.ops.hmvlm.clear_chat.poll()
