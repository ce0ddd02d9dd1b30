# SPDX-License-Identifier: GPL-3.0-or-later
"""From a photo to keys at the playhead and an asset, through the installed extension and a server.

The server runs a stand-in for the model: both arms up, standing 1.5 m aside.
"""

import os
import signal
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
def photo(tmp_path):
    def make(name: str) -> str:
        path = tmp_path / f"{name}.jpg"
        path.write_bytes(b"the stand-in does not look")
        return str(path)

    return make


def tick_until(runtime, condition) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, (runtime.peek().status, runtime.peek().problem)
        runtime.tick()
        time.sleep(0.01)


def finish(runtime) -> None:
    tick_until(runtime, lambda: runtime.peek().request is None)


def open_photo(runtime, path: str, **options) -> None:
    assert bpy.ops.hmvlm.open_photo(filepath=path, **options) == {"FINISHED"}
    finish(runtime)
    assert runtime.peek().problem == ""


def curves(armature) -> dict:
    """(path, index) -> curve of the armature's action."""
    action = armature.animation_data.action
    if bpy.app.version < (4, 4, 0):
        found = action.fcurves
    else:
        found = action.layers[0].strips[0].channelbag(armature.animation_data.action_slot).fcurves
    return {(c.data_path, c.array_index): c for c in found}


def head(armature, bone: str) -> np.ndarray:
    bpy.context.view_layer.update()
    return np.array(armature.pose.bones[bone].head)


def test_one_person_is_posed_at_the_playhead(runtime, armature, photo):
    scene = bpy.context.scene
    scene.frame_set(14)
    before = head(armature, "pelvis")
    open_photo(runtime, photo("one"))
    asked = scene.hmvlm_pose
    assert (asked.image.name, tuple(asked.image.size)) == ("one.jpg", (400, 300))
    assert asked.image.packed_file is not None
    assert not asked.image.is_dirty
    assert len(asked.people) == 1
    assert runtime.peek().note == "Keyed 22 bones at frame 14"
    keys = {k.co[0] for c in curves(armature).values() for k in c.keyframe_points}
    assert keys == {14.0}
    assert head(armature, "left_wrist")[2] > head(armature, "head")[2]
    # the character stays over its place; the pose stands 1.5 m aside
    assert np.abs(head(armature, "pelvis") - before)[:2].max() < 1e-4


def test_of_several_people_one_is_chosen(runtime, armature, photo):
    open_photo(runtime, photo("two"))
    asked = bpy.context.scene.hmvlm_pose
    assert len(asked.people) == 2
    assert armature.animation_data is None
    assert "choose one" in runtime.peek().note
    assert bpy.ops.hmvlm.choose_person(number=2) == {"FINISHED"}
    assert bpy.ops.hmvlm.pose_from_photo() == {"FINISHED"}
    finish(runtime)
    left, right = head(armature, "left_hip"), head(armature, "right_hip")
    assert (left - right)[0] < -0.1  # turned round
    asked.keep_heading = True
    assert bpy.ops.hmvlm.key_pose() == {"FINISHED"}
    with pytest.raises(RuntimeError, match="shows 2"):
        bpy.ops.hmvlm.choose_person(number=3)


def test_it_can_stand_at_the_origin_and_go_among_other_keys(runtime, armature, photo):
    asked = bpy.context.scene.hmvlm_pose
    asked.keep_place = False
    bpy.context.scene.frame_set(1)
    open_photo(runtime, photo("one"))
    assert head(armature, "pelvis")[0] == pytest.approx(1.5, abs=1e-3)
    bpy.context.scene.frame_set(20)
    assert bpy.ops.hmvlm.key_pose() == {"FINISHED"}
    assert len(bpy.data.actions) == 1
    for curve in curves(armature).values():
        assert [k.co[0] for k in curve.keyframe_points] == [1.0, 20.0]


def test_only_selected_bones(runtime, armature, photo):
    for bone in armature.pose.bones:
        chosen = bone.name.startswith("left_")
        if hasattr(bone, "select"):
            bone.select = chosen
        else:
            bone.bone.select = chosen
    bpy.context.scene.hmvlm_pose.selected_only = True
    open_photo(runtime, photo("one"))
    assert all('"left_' in path for path, _ in curves(armature))
    assert runtime.peek().note == "Keyed 8 bones at frame 1"


def test_another_rig(runtime, armature, photo, part):
    names = dict(part("core.mapping").family_named("Mixamo").candidates())
    for joint, options in names.items():
        armature.data.bones[joint].name = options[0]
    armature.scale = (3.0, 3.0, 3.0)
    knee, hand, top = (names[joint][0] for joint in ("left_knee", "left_wrist", "head"))
    armature.pose.bones[knee].rotation_mode = "XZY"
    open_photo(runtime, photo("one"))
    assert runtime.peek().problem == ""
    assert head(armature, hand)[2] > head(armature, top)[2]
    assert (f'pose.bones["{knee}"].rotation_euler', 0) in curves(armature)


def test_the_pose_library(runtime, armature, photo):
    open_photo(runtime, photo("one"))
    before = armature.animation_data.action
    bpy.context.scene.hmvlm_pose.asset_name = "Cheer"
    assert bpy.ops.hmvlm.save_pose() == {"FINISHED"}
    asset = bpy.data.actions["Cheer"]
    assert asset.asset_data is not None
    assert "one.jpg" in asset.asset_data.description
    assert [tag.name for tag in asset.asset_data.tags] == ["HMVLM"]
    assert asset.use_fake_user
    assert armature.animation_data.action == before
    assert tuple(asset.preview.image_size) == (256, 256)
    pixels = np.empty(256 * 256 * 4, np.float32)
    asset.preview.image_pixels_float.foreach_get(pixels)
    middle = pixels.reshape(256, 256, 4)[128, 128]
    assert middle[0] > middle[2] > 0.3  # the person's colour


def test_one_undo_step(runtime, armature, photo):
    bpy.ops.ed.undo_push(message="armature added")
    open_photo(runtime, photo("one"))
    assert bpy.ops.ed.undo() == {"FINISHED"}
    armature = bpy.data.objects["SMPL"]
    assert armature.animation_data is None or armature.animation_data.action is None
    assert len(bpy.context.scene.hmvlm_pose.people) == 1  # opening it was a step before
    assert bpy.ops.hmvlm.key_pose() == {"FINISHED"}
    assert armature.animation_data.action is not None


def test_the_armature_is_deleted_meanwhile(runtime, armature, photo):
    assert bpy.ops.hmvlm.open_photo(filepath=photo("one slow")) == {"FINISHED"}
    tick_until(runtime, lambda: runtime.peek().fraction > 0.1)
    bpy.data.objects.remove(armature)
    finish(runtime)
    assert len(bpy.context.scene.hmvlm_pose.people) == 1
    assert len(bpy.data.actions) == 0
    bpy.ops.hmvlm.add_armature()
    assert bpy.ops.hmvlm.pose_from_photo() == {"FINISHED"}
    tick_until(runtime, lambda: runtime.peek().fraction > 0.1)
    bpy.data.objects.remove(bpy.context.active_object)
    finish(runtime)
    assert "'SMPL' is gone" in runtime.peek().problem
    assert "Key at Playhead" in runtime.peek().problem
    assert len(bpy.data.actions) == 0
    bpy.ops.hmvlm.add_armature()
    assert bpy.ops.hmvlm.key_pose() == {"FINISHED"}
    assert runtime.peek().problem == ""


def test_nothing_is_half_keyed(runtime, armature, photo, part, monkeypatch):
    armature.pose.bones["head"].rotation_quaternion = (0.9, 0.1, 0.0, 0.0)
    before = tuple(armature.pose.bones["head"].rotation_quaternion)
    real = part("bridge.pose_keys").bone_path
    count = iter(range(1000))  # 23 keys, the last 12 of which fail

    def fail_late(bone, name):
        if next(count) > 10:
            raise RuntimeError("out of keys")
        return real(bone, name)

    monkeypatch.setattr(part("bridge.pose_keys"), "bone_path", fail_late)
    assert bpy.ops.hmvlm.open_photo(filepath=photo("one")) == {"FINISHED"}
    finish(runtime)
    assert "out of keys" in runtime.peek().problem
    assert armature.animation_data is None or armature.animation_data.action is None
    assert len(bpy.data.actions) == 0
    assert tuple(armature.pose.bones["head"].rotation_quaternion) == pytest.approx(before)
    monkeypatch.undo()
    assert bpy.ops.hmvlm.key_pose() == {"FINISHED"}


def test_cancel_and_a_worker_that_dies(runtime, armature, photo):
    assert bpy.ops.hmvlm.open_photo(filepath=photo("slow")) == {"FINISHED"}
    tick_until(runtime, lambda: runtime.peek().fraction > 0.1)
    assert not bpy.ops.hmvlm.pose_from_photo.poll()
    bpy.ops.hmvlm.cancel()
    finish(runtime)
    assert runtime.peek().note == "Cancelled."
    assert bpy.context.scene.hmvlm_pose.image is None
    assert bpy.ops.hmvlm.open_photo(filepath=photo("die")) == {"FINISHED"}
    finish(runtime)
    assert runtime.peek().problem
    assert armature.animation_data is None
    assert bpy.ops.hmvlm.open_photo(filepath=photo("slow")) == {"FINISHED"}
    tick_until(runtime, lambda: runtime.peek().fraction > 0.1)
    os.kill(runtime.peek()._launcher.pid, signal.SIGKILL)
    tick_until(runtime, lambda: not runtime.peek().owns_backend)
    finish(runtime)
    assert runtime.peek().problem
    assert len(bpy.data.actions) == 0
    open_photo(runtime, photo("one"))  # starts another one
    assert armature.animation_data.action is not None


def test_another_file_is_opened_meanwhile(runtime, armature, photo, tmp_path):
    path = str(tmp_path / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    assert bpy.ops.hmvlm.open_photo(filepath=photo("slow")) == {"FINISHED"}
    tick_until(runtime, lambda: runtime.peek().fraction > 0.1)
    bpy.ops.wm.open_mainfile(filepath=path)
    finish(runtime)
    assert "open the photo again" in runtime.peek().problem
    assert bpy.data.objects["SMPL"].animation_data is None


def test_what_is_refused_here(runtime, armature, photo, tmp_path):
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.hmvlm.open_photo(filepath=str(tmp_path / "gone.jpg"))
    with pytest.raises(RuntimeError, match="Open or paste"):
        bpy.ops.hmvlm.pose_from_photo()
    assert not bpy.ops.hmvlm.key_pose.poll()
    assert not bpy.ops.hmvlm.save_pose.poll()
    assert not bpy.ops.hmvlm.show_photo.poll()  # no window
    with pytest.raises(RuntimeError, match="no picture"):
        bpy.ops.hmvlm.paste_photo()


def test_a_file_in_the_clipboard_and_dropped_files(runtime, armature, photo, extension):
    handlers = {h.__name__ for h in bpy.types.FileHandler.__subclasses__()}
    assert {"HMVLM_FH_photo", "HMVLM_FH_clip"} <= handlers
    assert ".jpg" in bpy.types.HMVLM_FH_photo.bl_file_extensions


def test_a_pasted_picture_is_posed_from_its_own_pixels(runtime, armature, part):
    pixels = np.zeros((300, 400, 3), np.uint8)
    ask = part("core.asks").PeopleAsk(
        pixels=pixels, target=part("operators.job").target_now(bpy.context)
    )
    runtime.current().ask(ask)
    finish(runtime)
    assert runtime.peek().problem == ""
    assert bpy.context.scene.hmvlm_pose.path == ""
    made = runtime.peek().latest["pose"].request
    assert made.pixels.shape == (300, 400, 3)
    assert made.pixels[150, 100].tolist() != made.pixels[5, 5].tolist()  # the picture's, upright
    assert armature.animation_data.action is not None
