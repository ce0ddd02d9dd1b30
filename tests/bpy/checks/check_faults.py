# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong while a job runs: nothing is lost, and nothing is keyed by half.

The server is real and runs a stand-in for the model that walks at 1 m/s and stays at its first
frames for as long as a check holds it there.
"""

import json
import os
import signal

import bpy
import numpy as np
import pytest
from driving import HELD_ENGINE, PACKAGE, Hold, finish, serving, tick_until, use_backend

SECONDS, FRAMES, SEED = 4.0, 80, 5


@pytest.fixture(scope="module")
def hold(tmp_path_factory):
    """What the stand-ins of this module look at."""
    path = tmp_path_factory.mktemp("hold") / "seeds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HMVLM_HOLD", str(path))
        yield Hold(path)


@pytest.fixture(scope="module")
def server(tmp_path_factory, hold):
    """The connection file of a server for all checks that leave it alone."""
    path = tmp_path_factory.mktemp("server") / "connection.json"
    with serving(path, *HELD_ENGINE):
        yield path


@pytest.fixture
def connected(part, server, hold):
    """The add-on, connected to that server."""
    yield from _session(part, server, hold)


@pytest.fixture
def alone(part, tmp_path, hold):
    """The add-on without a server: it starts its own."""
    yield from _session(part, tmp_path / "connection.json", hold)


def _session(part, connection_file, hold):
    runtime = part("bridge.runtime")
    use_backend(connection_file, " ".join(HELD_ENGINE))
    yield runtime
    hold.only()
    runtime.reset()


@pytest.fixture
def armature(extension):
    bpy.context.scene.render.fps = 20
    bpy.ops.hmvlm.add_armature()
    return bpy.context.active_object


def made():
    return bpy.context.scene.hmvlm_generate


def begin(runtime, hold, *, at=SEED, **options) -> None:
    """Ask for motions with seeds from SEED on, and come back while the one of seed `at` is made."""
    asked = bpy.context.scene.hmvlm
    asked.prompt, asked.seconds, asked.random_seed, asked.seed = "walks", SECONDS, False, SEED
    made().preview = False
    for name, value in options.items():
        setattr(made(), name, value)
    hold.only(at)
    assert bpy.ops.hmvlm.generate() == {"FINISHED"}
    before = len(made().clips) + at - SEED
    tick_until(
        runtime,
        lambda: len(made().clips) == before and runtime.peek().job and runtime.peek().job.fraction,
    )


def end(runtime, hold) -> None:
    hold.only()
    finish(runtime)


def generate(runtime, hold) -> None:
    begin(runtime, hold)
    end(runtime, hold)
    assert runtime.peek().problem == ""


def curves(action) -> list:
    if bpy.app.version < (4, 4, 0):
        return list(action.fcurves)
    return [
        c for layer in action.layers for s in layer.strips for b in s.channelbags for c in b.fcurves
    ]


def assert_whole(armature) -> None:
    """The armature's action is the walk, all of it, and plays."""
    action = armature.animation_data.action
    assert len(curves(action)) == 22 * 4 + 3
    assert {len(c.keyframe_points) for c in curves(action)} == {FRAMES}
    heads = []
    for frame in (1, FRAMES):
        bpy.context.scene.frame_set(frame)
        heads.append(np.array(armature.pose.bones["pelvis"].head))
    assert np.abs(heads[1] - heads[0] - (0.0, -(FRAMES - 1) / 20, 0.0)).max() < 1e-3


def assert_no_orphans() -> None:
    """Every action is in a list of clips."""
    listed = {c.action for scene in bpy.data.scenes for c in scene.hmvlm_generate.clips}
    assert set(bpy.data.actions) <= listed


def assert_untouched(armature) -> None:
    assert armature.animation_data is None or armature.animation_data.action is None
    assert not bpy.data.actions
    assert not made().clips


def worker_pid(runtime) -> int:
    session = runtime.peek()
    tick_until(runtime, lambda: session.report is not None and session.report.worker_pid)
    return session.report.worker_pid


# --- the backend --------------------------------------------------------------------------------


def test_the_worker_dies_and_the_next_job_has_another(connected, armature, hold):
    begin(connected, hold)
    dead = worker_pid(connected)
    os.kill(dead, signal.SIGKILL)
    end(connected, hold)
    assert connected.peek().problem
    assert_untouched(armature)
    generate(connected, hold)
    assert_whole(armature)


def test_the_worker_dies_at_the_first_of_several_and_the_others_come(connected, armature, hold):
    begin(connected, hold, variants=3)
    os.kill(worker_pid(connected), signal.SIGKILL)
    end(connected, hold)
    assert [clip.number for clip in made().clips] == [2, 3]
    assert bpy.ops.hmvlm.play_clip(index=0) == {"FINISHED"}
    assert_whole(armature)
    assert_no_orphans()


def test_the_backend_dies_at_the_second_and_the_first_stays(alone, armature, hold):
    begin(alone, hold, variants=3, at=SEED + 1)
    session = alone.peek()
    assert session.owns_backend
    os.kill(session._launcher.pid, signal.SIGKILL)
    end(alone, hold)
    assert session.problem
    assert [clip.number for clip in made().clips] == [1]
    assert_whole(armature)
    tick_until(alone, lambda: not session.owns_backend)
    made().variants = 1
    generate(alone, hold)  # starts another one
    assert len(made().clips) == 2
    assert_whole(armature)
    assert_no_orphans()


def test_a_backend_that_was_not_started_here_dies_and_comes_back(alone, armature, hold, tmp_path):
    file = tmp_path / "connection.json"
    with serving(file, *HELD_ENGINE) as server:
        begin(alone, hold)
        assert not alone.peek().owns_backend
        server.kill()
        server.wait()
        end(alone, hold)
    assert alone.peek().problem
    assert_untouched(armature)
    with serving(file, *HELD_ENGINE):
        generate(alone, hold)
        assert not alone.peek().owns_backend
    assert_whole(armature)


@pytest.fixture
def other_version(tmp_path):
    """Processes that are started from here on have a backend that speaks protocol 2."""
    folder = tmp_path / "other version"
    folder.mkdir()
    patch = "import blender_addon.shared.protocol as protocol\nprotocol.MAJOR = 2\n"
    (folder / "sitecustomize.py").write_text(patch)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))
        yield patched


def refused(runtime) -> str:
    """What is said when no motion can be asked for, once that is known."""
    bpy.context.scene.hmvlm.prompt = "walks"
    try:
        bpy.ops.hmvlm.generate()
    except RuntimeError as error:
        return str(error)
    finish(runtime)
    return runtime.peek().problem


def test_a_backend_of_another_version_is_named_and_ended(alone, armature, other_version):
    problem = refused(alone)
    assert "protocol 2" in problem
    assert "same release" in problem
    assert_untouched(armature)
    tick_until(alone, lambda: not alone.peek().owns_backend)  # nobody could use it
    assert "protocol 2" in alone.peek().problem


def test_a_backend_of_another_version_runs_already(alone, armature, hold, other_version, tmp_path):
    file = tmp_path / "connection.json"
    with serving(file, *HELD_ENGINE) as server:
        other_version.undo()
        problem = refused(alone)
        assert "protocol 2" in problem
        assert "same release" in problem
        tick_until(alone, lambda: not alone.peek().owns_backend)
        assert server.poll() is None  # it is another program's
        alone.reset()

        # over the network nothing is known of it before it answers
        info = json.loads(file.read_text())
        chosen = bpy.context.preferences.addons[PACKAGE].preferences
        chosen.where, chosen.address = "NETWORK", "127.0.0.1"
        chosen.port = int(info["endpoint"].rpartition(":")[2])
        chosen.server_key, chosen.access_key = info["server_public_key"], info["client_secret_key"]
        problem = refused(alone)
        assert "protocol 2" in problem
        assert "same release" in problem
        assert_untouched(armature)
    chosen.where = "LOCAL"
    generate(alone, hold)
    assert_whole(armature)


# --- the file -----------------------------------------------------------------------------------


def test_the_file_is_saved_meanwhile(connected, armature, hold, tmp_path):
    path = str(tmp_path / "meanwhile.blend")
    begin(connected, hold)
    bpy.ops.wm.save_as_mainfile(filepath=path)
    end(connected, hold)
    assert_whole(armature)
    bpy.ops.wm.open_mainfile(filepath=path)  # as it was then: without the motion
    assert_untouched(bpy.data.objects["SMPL"])


def test_another_file_is_opened_at_the_second_of_several(connected, armature, hold, tmp_path):
    path = str(tmp_path / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)  # with an armature of the same name
    begin(connected, hold, variants=3, at=SEED + 1)
    bpy.ops.wm.open_mainfile(filepath=path)
    end(connected, hold)
    session, armature = connected.peek(), bpy.data.objects["SMPL"]
    assert "Another file was opened" in session.problem
    assert_untouched(armature)
    bpy.context.view_layer.objects.active = armature
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}
    assert session.kept is None
    assert len(made().clips) == 2  # both that came after the file was opened
    assert bpy.ops.hmvlm.play_clip(index=0) == {"FINISHED"}
    assert_whole(armature)
    assert_no_orphans()


# --- undo ---------------------------------------------------------------------------------------


def test_something_else_is_undone_meanwhile(connected, armature, hold):
    bpy.ops.ed.undo_push(message="armature added")
    armature.location.x = 3.0
    bpy.ops.ed.undo_push(message="moved")
    begin(connected, hold)
    assert bpy.ops.ed.undo() == {"FINISHED"}
    end(connected, hold)
    assert connected.peek().problem == ""
    assert bpy.data.objects["SMPL"].location.x == 0.0
    assert_whole(bpy.data.objects["SMPL"])
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert_untouched(bpy.data.objects["SMPL"])
    assert bpy.ops.ed.redo() == {"FINISHED"}
    assert_whole(bpy.data.objects["SMPL"])
    assert_no_orphans()


def test_the_armature_is_undone_meanwhile(connected, extension, hold):
    bpy.context.scene.render.fps = 20
    bpy.ops.ed.undo_push(message="nothing there")
    bpy.ops.hmvlm.add_armature()
    bpy.ops.ed.undo_push(message="armature added")
    begin(connected, hold)
    assert bpy.ops.ed.undo() == {"FINISHED"}
    end(connected, hold)
    assert "press Apply" in connected.peek().problem
    assert not bpy.data.actions
    bpy.ops.hmvlm.add_armature()
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}
    assert_whole(bpy.context.active_object)


def test_the_first_of_several_is_undone_while_the_second_is_made(connected, armature, hold):
    bpy.ops.ed.undo_push(message="armature added")
    begin(connected, hold, variants=2, at=SEED + 1)
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert_untouched(bpy.data.objects["SMPL"])
    end(connected, hold)
    assert connected.peek().problem == ""
    assert [clip.number for clip in made().clips] == [2]
    assert bpy.ops.hmvlm.play_clip(index=0) == {"FINISHED"}
    assert_whole(bpy.data.objects["SMPL"])
    assert_no_orphans()


# --- objects and scenes -------------------------------------------------------------------------


@pytest.mark.parametrize("preview", [False, True])
def test_others_take_the_names_of_the_armature_and_its_scene(connected, armature, hold, preview):
    scene = bpy.context.scene
    begin(connected, hold, preview=preview)
    armature.name, scene.name = "Hero", "Shot 10"
    bpy.ops.hmvlm.add_armature()
    namesake = bpy.context.active_object
    assert namesake.name == "SMPL"
    other_scene = bpy.data.scenes.new("Scene")
    end(connected, hold)
    assert connected.peek().problem == ""
    assert_whole(armature)
    assert namesake.animation_data is None
    assert (made().preview_pose, made().preview_armature) == ("", None)
    assert not other_scene.hmvlm_generate.clips
    assert_no_orphans()


def test_the_armature_is_deleted_while_it_shows_a_preview(connected, armature, hold):
    begin(connected, hold, preview=True)
    tick_until(connected, lambda: made().preview_armature == armature)
    bpy.data.objects.remove(armature)
    end(connected, hold)
    assert "'SMPL' is gone" in connected.peek().problem
    assert (made().preview_pose, made().preview_armature) == ("", None)
    assert not bpy.data.actions
    bpy.ops.hmvlm.add_armature()
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}
    assert_whole(bpy.context.active_object)
    assert_no_orphans()


def test_an_armature_that_is_being_edited_gets_its_motion(connected, armature, hold):
    begin(connected, hold)
    bpy.ops.object.mode_set(mode="EDIT")
    end(connected, hold)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert connected.peek().problem == ""
    assert_whole(armature)


@pytest.mark.parametrize("own_rig", [True, False])
def test_the_scene_is_switched(connected, armature, hold, part, own_rig):
    """own_rig: SMPL's armature; else one that has to be read in the scene that is not shown."""
    for joint, names in part("core.mapping").family_named("Mixamo").candidates():
        if not own_rig and joint in armature.data.bones:
            armature.data.bones[joint].name = names[0]
    scene, other = bpy.context.scene, bpy.data.scenes.new("Other")
    other.frame_end = 33
    begin(connected, hold)
    with bpy.context.temp_override(scene=other, view_layer=other.view_layers[0]):
        assert bpy.context.scene == other
        bpy.ops.ed.undo_push(message="something in the other scene")
        end(connected, hold)
    assert connected.peek().problem == ""
    assert (scene.frame_end, other.frame_end) == (FRAMES, 33)
    assert len(scene.hmvlm_generate.clips) == 1
    assert not other.hmvlm_generate.clips
    found = curves(armature.animation_data.action)
    assert {len(c.keyframe_points) for c in found} == {FRAMES}
    assert_no_orphans()


def test_the_scene_is_deleted(connected, armature, hold):
    scene = bpy.context.scene
    begin(connected, hold)
    bpy.data.scenes.new("Other")
    bpy.data.scenes.remove(scene)
    hold.only()
    finish(connected)
    assert "is gone" in connected.peek().problem
    assert not bpy.data.actions
    bpy.context.scene.render.fps = 20
    bpy.ops.hmvlm.add_armature()
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}
    assert_whole(bpy.context.active_object)


def test_an_action_that_is_renamed_gets_its_description(connected, armature, hold):
    generate(connected, hold)
    action = armature.animation_data.action
    assert bpy.ops.hmvlm.describe_action() == {"FINISHED"}
    name, action.name = action.name, "Take 4"
    namesake = bpy.data.actions.new(name)
    finish(connected)
    assert f"{FRAMES} frames" in action["hmvlm_description"]
    assert "hmvlm_description" not in namesake


# --- keys that cannot be set --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fails", "as_layer"),
    [("join_keys", False), ("clips.choose", False), ("clips.choose", True), ("_fit_range", False)],
)
def test_keys_that_fail_midway_leave_the_rig_as_it_was(
    connected, armature, hold, part, monkeypatch, fails, as_layer
):
    generate(connected, hold)
    before = armature.animation_data.action
    bpy.context.scene.hmvlm.as_layer = as_layer

    def refuse(*_args, **_options):
        raise RuntimeError("out of keys")

    monkeypatch.setattr(f"{part('bridge.delivery').__name__}.{fails}", refuse)
    begin(connected, hold, into_action="NEW" if as_layer else "JOIN")
    end(connected, hold)
    assert "out of keys" in connected.peek().problem
    assert list(bpy.data.actions) == [before]
    assert armature.animation_data.action == before
    assert len(armature.animation_data.nla_tracks) == 0
    assert [clip.action for clip in made().clips] == [before]
    assert_whole(armature)
    monkeypatch.undo()
    bpy.context.scene.hmvlm.as_layer = False
    assert bpy.ops.hmvlm.apply_kept() == {"FINISHED"}
    assert armature.animation_data.action != before
    assert_whole(armature)
    assert_no_orphans()
