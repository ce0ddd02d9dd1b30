# SPDX-License-Identifier: GPL-3.0-or-later
"""Every button of the sidebar's tab, pressed with the mouse in a windowed Blender.

The tests share one Blender and follow each other. The last one compares what was pressed with
what the panels draw and with their code, so that a new button wants a press here.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from documents import PLAIN_VIEW, picture
from pressing import Hand, places_in_the_code
from steadiness import UNSTEADY

pytestmark = [pytest.mark.gui, pytest.mark.timeout(1200)]

# what the pages of docs/ show, and no others of ours
PICTURES = (
    "text-to-motion",
    "text-to-motion-options",
    "pose-from-photo",
    "photo-beside",
    "clip",
    "chat",
    "new-clips",
    "history",
    "sequence",
    "rig",
)
NEVER_DRAWN = {"open_clip"}  # what a dropped video runs
UV = """#!/bin/sh
echo "uv $@"
case "$1" in
venv) mkdir -p "$3/bin"; cp "$0.python" "$3/bin/python" ;;
pip) sleep $PAUSE ;;
esac
"""
MIXAMO_RIG = """
from blender_addon.core.mapping import family_named
from tests.unit.made_up_rigs import family_names, make_rig
names = family_names(family_named("Mixamo"))
rig = make_rig(names={joint: f"mixamorig:{bone}" for joint, bone in names.items()})
data = bpy.data.armatures.new("Mixamo")
thing = bpy.data.objects.new("Mixamo", data)
with in_sidebar():
    bpy.context.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    bpy.ops.object.mode_set(mode="EDIT")
    for i, name in enumerate(rig.names):
        bone = data.edit_bones.new(name)
        bone.head, bone.tail = rig.heads[i], rig.tails[i]
        if rig.parents[i] >= 0:
            bone.parent = data.edit_bones[rig.names[rig.parents[i]]]
    bpy.ops.object.mode_set(mode="OBJECT")
"""
IDLE = "session() is not None and session().request is None"
BUSY = "session() is not None and session().request is not None"


@pytest.fixture(scope="module")
def hand(window) -> Hand:
    window.run(PLAIN_VIEW)
    return Hand(window)


@pytest.fixture(scope="module")
def video() -> Iterator[Path]:
    """In a folder whose name says nothing: the path is in a picture."""
    import imageio.v3 as imageio

    with TemporaryDirectory(prefix="clips") as folder:
        path = Path(folder) / "somebody waves.mp4"
        imageio.imwrite(path, np.full((24, 64, 64, 3), 90, np.uint8), fps=24)
        yield path


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    from PIL import Image

    path = tmp_path_factory.mktemp("photo") / "two people.png"
    Image.new("RGB", (64, 48), (90, 120, 90)).save(path)
    return path


def settings(hand: Hand, **values: object) -> None:
    """What the panels show, set from here."""
    lines = [f"bpy.context.scene.{name.replace('__', '.')} = {v!r}" for name, v in values.items()]
    hand.window.run("\n".join(lines))


def make(hand: Hand, prompts: list[str], seconds: float = 1.0) -> None:
    """Clips, one of each prompt, as Generate makes them."""
    for prompt in prompts:
        settings(hand, hmvlm__prompt=prompt, hmvlm__seconds=seconds)
        hand.window.run("with in_sidebar():\n    bpy.ops.hmvlm.generate('INVOKE_DEFAULT')")
        hand.wait_for(IDLE)
    assert hand.window.run("answer = session().problem") == ""


def select(hand: Hand, name: str) -> None:
    hand.window.run(
        "with in_sidebar():\n"
        "    for thing in bpy.context.scene.objects:\n"
        f"        thing.select_set(thing.name == {name!r})\n"
        f"    bpy.context.view_layer.objects.active = bpy.data.objects[{name!r}]"
    )


def test_text_to_motion(hand):
    hand.show("main")
    picture(hand.window, "text-to-motion", PICTURES)
    hand.show("main", "timing", "ends", "way")
    picture(hand.window, "text-to-motion-options", PICTURES)
    hand.press("panel", "edit_prompt", 0)
    hand.close_windows()
    hand.press("panel", "edit_prompt", 1)
    hand.close_windows()
    hand.press("panel", "prompt_to_field")
    hand.press("panel", "add_armature")
    hand.wait_for("len(bpy.data.armatures) == 2")
    settings(hand, hmvlm_generate__variants=8, hmvlm__seconds=30.0)
    hand.press("panel", "generate")
    hand.wait_for(BUSY)
    hand.press("panel", "cancel")
    hand.wait_for(IDLE)
    assert hand.window.run("answer = session().note") == "Cancelled."


def test_a_sequence(hand):
    hand.show("main")
    settings(hand, hmvlm_generate__mode="SEQUENCE", hmvlm_generate__variants=1)
    prompts = ["a person walks forward", "the person sits down", "the person waves"]
    for prompt in [*prompts, "one too many"]:
        hand.press("sequence_list", "add_step")
        settings(hand, **{"hmvlm_generate__steps[-1].prompt": prompt})
    hand.press("sequence_list", "remove_step")
    hand.press("sequence_list", "move_step", 0)
    hand.press("sequence_list", "move_step", 1)
    listed = "answer = [step.prompt for step in bpy.context.scene.hmvlm_generate.steps]"
    assert hand.window.run(listed) == prompts
    hand.window.run("session().note = ''")
    picture(hand.window, "sequence", PICTURES)
    settings(hand, hmvlm_generate__mode="ONE")


def test_new_clips(hand):
    hand.show("new_clips", "main")
    make(hand, ["a person walks forward", "someone limps", "a person jumps up", "a person turns"])
    hand.show("new_clips")
    picture(hand.window, "new-clips", PICTURES)
    hand.press("history_panel", "play_clip", 0)
    hand.window.run("with in_sidebar():\n    bpy.ops.screen.animation_cancel()")
    hand.press("history_panel", "keep_clip")
    hand.press("history_panel", "discard_clip", 0)
    hand.window.run(
        "made = bpy.context.scene.hmvlm_generate\n"
        "made.clip = next(i for i, c in enumerate(made.clips) if c.state == 'NEW')"
    )
    hand.press("history_panel", "keep_only")
    make(hand, ["a person walks in a circle"])
    hand.press("history_panel", "discard_new")
    states = "answer = sorted(clip.state for clip in bpy.context.scene.hmvlm_generate.clips)"
    assert hand.window.run(states) == ["KEPT", "KEPT", "REJECTED", "REJECTED", "REJECTED"]


@UNSTEADY
def test_history(hand, tmp_path):
    make(hand, ["a person walks forward and waves with the right hand"])
    hand.show("history")
    picture(hand.window, "history", PICTURES)
    hand.press("history_panel", "play_clip", 1)
    hand.window.run("with in_sidebar():\n    bpy.ops.screen.animation_cancel()")
    hand.press("history_panel", "rerun", 0)
    hand.wait_for(IDLE)
    hand.press("history_panel", "rerun", 1)
    hand.wait_for(IDLE)
    hand.press("history_panel", "recall_prompt")
    hand.press("history_panel", "push_to_nla")
    hand.press("history_panel", "export_clip", 1)
    hand.choose_file(tmp_path / "walk.bvh", "export_clip")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*.bvh")):
        assert time.monotonic() < deadline, list(tmp_path.iterdir())
        time.sleep(0.2)
    hand.press("history_panel", "discard_clip", 1)
    hand.press("history_panel", "clear_history")
    table = tmp_path / "clips.csv"
    table.write_text("prompt,seconds\na person hops,1\na person bows,1\n")
    before = hand.window.run("answer = len(bpy.context.scene.hmvlm_generate.clips)")
    hand.press("history_panel", "batch")
    hand.choose_file(table, "batch")
    hand.wait_for(f"len(bpy.context.scene.hmvlm_generate.clips) == {before} + 2")


@UNSTEADY
def test_pose_from_photo(hand, photo):
    hand.show("pose")
    hand.press("pose_panel", "open_photo")
    hand.choose_file(photo, "open_photo")
    hand.wait_for("len(bpy.context.scene.hmvlm_pose.people) == 2")
    hand.press("pose_panel", "choose_person", nth=1)
    hand.wait_for("bpy.context.scene.hmvlm_pose.active == 1")
    hand.press("pose_panel", "choose_person", nth=0)
    hand.press("pose_panel", "pose_from_photo")
    hand.wait_for(BUSY)
    hand.press("wrapped", "cancel")
    hand.wait_for(IDLE)
    hand.press("pose_panel", "pose_from_photo")
    hand.wait_for(f"{IDLE} and 'pose' in session().latest")
    assert hand.window.run("answer = session().problem") == ""
    hand.press("pose_panel", "key_pose")
    hand.press("pose_panel", "save_pose")
    hand.wait_for("any(action.asset_data for action in bpy.data.actions)")
    picture(hand.window, "pose-from-photo", PICTURES)
    hand.press("pose_panel", "show_photo")
    hand.wait_for("any(a.type == 'IMAGE_EDITOR' for a in window().screen.areas)")
    picture(hand.window, "photo-beside", PICTURES, whole=True)
    hand.window.run(
        "area = next(a for a in window().screen.areas if a.type == 'IMAGE_EDITOR')\n"
        "with bpy.context.temp_override(window=window(), area=area):\n"
        "    bpy.ops.screen.area_close()"
    )


@UNSTEADY
def test_a_photo_is_pasted(hand, photo):
    """A file that was copied, as file managers do."""
    hand.show("pose")
    hand.window.run("bpy.context.scene.hmvlm_pose.people.clear()")
    hand.window.run(f"bpy.context.window_manager.clipboard = {str(photo)!r}")
    hand.press("pose_panel", "paste_photo")
    hand.wait_for(f"{IDLE} and len(bpy.context.scene.hmvlm_pose.people) == 2")
    assert hand.window.run("answer = session().problem") == ""
    assert hand.window.run("answer = bpy.context.scene.hmvlm_pose.path") == str(photo)


@UNSTEADY
@pytest.mark.parametrize("kind", ["photo", "video"])
def test_a_file_is_dropped_on_the_sidebar(hand, kind, request):
    """As Blender hands a dropped file on: to the operator of the handler that takes it."""
    path = request.getfixturevalue(kind)
    operator = {"photo": "open_photo", "video": "open_clip"}[kind]
    before = hand.ran(operator)
    dropped = {"directory": str(path.parent), "files": [{"name": path.name}]}
    hand.window.run(
        f"with in_sidebar():\n    bpy.ops.wm.drop_import_file('INVOKE_DEFAULT', **{dropped!r})"
    )
    hand.window.mouse("key", "o")  # Blender asks: Open ..., or its own reference images
    hand.wait_for(f"recorder.begun({operator!r}) > {before}")
    if kind == "photo":
        hand.wait_for(f"{IDLE} and len(bpy.context.scene.hmvlm_pose.people) == 2")
    else:
        hand.wait_for(f"bpy.context.scene.hmvlm_clip.path == {str(path)!r}")
    assert hand.window.run("answer = bool(session() and session().problem)") is False


@UNSTEADY
def test_clip(hand, video):
    hand.show("clip")
    hand.window.run(
        f"bpy.context.scene.hmvlm_clip.path = ''\n"
        f"bpy.context.scene.active_clip = bpy.data.movieclips.load({str(video)!r})"
    )
    hand.press("clip_panel", "active_clip")
    hand.wait_for(f"bpy.context.scene.hmvlm_clip.path == {str(video)!r}")
    hand.press("clip_panel", "describe_clip")
    hand.wait_for(f"{IDLE} and 'describe' in session().latest")
    hand.press("clip_panel", "copy_answer")
    copied = "answer = bpy.context.window_manager.clipboard"
    assert hand.window.run(copied) == "a person waves with the left hand"
    hand.press("clip_panel", "track_clip")
    hand.wait_for(IDLE)
    hand.press("clip_panel", "describe_action")
    hand.wait_for(f"{IDLE} and 'describe_motion' in session().latest")
    assert hand.window.run("answer = session().problem") == ""
    picture(hand.window, "clip", PICTURES)


@UNSTEADY
def test_chat(hand):
    hand.show("chat")
    for message in ("What is a gait cycle?", "a person can walk to the left"):
        hand.window.run(f"bpy.context.window_manager.hmvlm_chat.draft = {message!r}")
        hand.press("chat_panel", "send_message")
        hand.wait_for(f"{IDLE} and bpy.context.window_manager.hmvlm_chat.draft == ''")
    assert hand.window.run("answer = len(bpy.context.window_manager.hmvlm_chat.turns)") == 4
    picture(hand.window, "chat", PICTURES)
    hand.press("chat_panel", "copy_turn")
    assert "walk" in hand.window.run("answer = bpy.context.window_manager.clipboard")
    hand.press("chat_panel", "clear_chat")
    assert hand.window.run("answer = len(bpy.context.window_manager.hmvlm_chat.turns)") == 0


@UNSTEADY
def test_a_motion_that_was_kept(hand):
    hand.show("clip")
    hand.window.run("with in_sidebar():\n    bpy.ops.hmvlm.add_armature()")
    gone = hand.window.run("answer = bpy.context.view_layer.objects.active.name")
    settings(hand, hmvlm__seconds=4.0)
    hand.window.run("with in_sidebar():\n    bpy.ops.hmvlm.generate('INVOKE_DEFAULT')")
    hand.wait_for(BUSY)
    hand.window.run(f"bpy.data.objects.remove(bpy.data.objects[{gone!r}])")
    hand.wait_for(f"{IDLE} and session().kept is not None")
    select(hand, "SMPL")
    hand.press("wrapped", "apply_kept")
    hand.wait_for("session().kept is None")


@UNSTEADY
def test_rig(hand, tmp_path):
    hand.window.run(MIXAMO_RIG)
    hand.show("rig")
    hand.press("mapping_panel", "map_bones")
    picture(hand.window, "rig", PICTURES)
    hand.press("mapping_panel", "save_mapping")
    hand.choose_file(tmp_path / "mixamo.json", "save_mapping")
    deadline = time.monotonic() + 60
    while not (tmp_path / "mixamo.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    hand.press("mapping_panel", "load_mapping")
    hand.choose_file(tmp_path / "mixamo.json", "load_mapping")
    assert hand.window.run("answer = len(bpy.context.scene.hmvlm.rigs[0].joints)") == 22


@UNSTEADY
def test_backend(hand, tmp_path):
    hand.show("backend", "setup")
    if hand.window.state["state"] == "stopped":
        hand.press("backend_panel", "start_backend")
        hand.window.wait(lambda s: s["state"] == "ready")
    hand.press("backend_panel", "stop_backend")
    hand.window.wait(lambda s: s["state"] == "stopped")
    if hand.place("backend_panel", "start_backend", 0) not in hand.pressed:
        hand.press("backend_panel", "start_backend")
        hand.window.wait(lambda s: s["state"] == "ready")
        hand.press("backend_panel", "stop_backend")
        hand.window.wait(lambda s: s["state"] == "stopped")
    hand.press("backend_panel", "doctor")
    hand.press("backend_panel", "cancel_setup", 0)
    hand.wait_for("setup.diagnosis() is not None")
    hand.press("backend_panel", "show_log", 0)
    hand.close_windows()


@UNSTEADY
def test_setting_up(hand, tmp_path):
    """With a stand-in for uv, so that nothing is downloaded."""
    tools = tmp_path / "root" / "bootstrap" / "bin"
    tools.mkdir(parents=True)
    (tmp_path / "root" / ".hmvlm-backend").touch()
    (tools / "uv").write_text(UV)
    (tools / "uv.python").write_text("#!/bin/sh\necho 'ok    torch: here'\n")
    for path in tools.iterdir():
        path.chmod(0o755)
    hand.window.run(
        "import os\nos.environ['PAUSE'] = '300'\n"
        "bpy.context.preferences.system.use_online_access = True\n"
        f"bpy.context.preferences.addons[{'bl_ext.user_default.hmvlm'!r}].preferences"
        f".install_folder = {str(tmp_path / 'root')!r}"
    )
    hand.show("backend", "setup")
    _confirmed(hand, "install_backend", 0, "setup.installing()")
    hand.press("backend_panel", "show_log", 1)
    hand.close_windows()
    hand.press("backend_panel", "cancel_setup", 1)
    hand.wait_for("not setup.installing()")
    hand.press("backend_panel", "show_log", 2)
    hand.close_windows()
    hand.window.run("os.environ['PAUSE'] = '0'")
    _confirmed(hand, "install_backend", 0, "setup.installed() is not None")
    _confirmed(hand, "install_backend", 1, "setup.installing()")
    hand.wait_for("not setup.installing()")
    _confirmed(hand, "remove_backend", 0, "setup.installed() is None")


def _confirmed(hand: Hand, operator: str, which: int, condition: str) -> None:
    """Press a button that asks, and Return; the question is where the button is."""
    x, y = hand.find(hand.place("backend_panel", operator, which))
    before = hand.ran(operator)
    hand.window.click(x, y)
    hand.wait_for(f"recorder.begun({operator!r}) > {before}")
    hand.window.mouse("key", "Return")
    hand.wait_for(condition)
    hand.pressed.add(hand.place("backend_panel", operator, which))


@UNSTEADY
def test_every_button_was_pressed(hand):
    """By what the panels drew, by their code, and by the operators there are."""
    drawn, pressed = hand.drawn(), hand.pressed
    ours = {place for place in drawn if place[0] != "preferences"}
    assert ours - pressed == set()
    lines = {(module, line) for module, line, _ in pressed}
    assert [p for p in places_in_the_code() if (p[0], p[1]) not in lines] == []
    registered = hand.window.run("answer = [name for name in dir(bpy.ops.hmvlm) if name[0] != '_']")
    assert set(registered) - {operator for _, _, operator in pressed} == NEVER_DRAWN
