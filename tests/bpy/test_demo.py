# SPDX-License-Identifier: Apache-2.0
"""`hmvlm demo` from the command line to its four files, with a stand-in for the model."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.demo import blender
from backend.demo.command import Steps
from backend.errors import HmvlmError
from blender_addon.shared.motion import Motion

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.bpy, pytest.mark.timeout(1200)]


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backend.cli", "demo", "a person walks", "--out", folder]
    return subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=1100,
    )


def test_four_files_with_what_they_should_hold(tmp_path):
    import imageio.v2 as imageio

    options = ["--seconds", "1", "--engine", "tests.wire.fake_engine:create"]
    done = demo(tmp_path / "out", *options, "--connection-file", str(tmp_path / "connection.json"))
    assert done.returncode == 0, done.stderr
    for i in range(1, 6):
        assert f"[{i}/5]" in done.stdout
    motion = Motion.load_npz(tmp_path / "out" / "motion.npz")
    assert motion.num_frames == 20
    with imageio.get_reader(tmp_path / "out" / "preview.mp4") as video:
        frames = [np.asarray(frame) for frame in video]
    assert len(frames) == 20
    assert frames[0].std() > 10  # not an empty picture
    strip = imageio.imread(tmp_path / "out" / "filmstrip.png")
    assert strip.shape[1] > 1000
    look = (
        "import bpy, sys; bpy.ops.wm.open_mainfile(filepath=sys.argv[1]);"
        "a = bpy.data.objects['SMPL'].animation_data.action;"
        "print('IS', a.name, tuple(a.frame_range), bpy.context.scene.frame_end)"
    )
    blend = str(tmp_path / "out" / "motion.blend")
    seen = subprocess.run([sys.executable, "-c", look, blend], capture_output=True, text=True)
    assert "IS a person walks (1.0, 20.0) 20" in seen.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "filmstrip.png",
        "motion.blend",
        "motion.npz",
        "preview.mp4",
    ]


def test_an_empty_prompt_is_refused_before_anything_starts(tmp_path):
    command = [sys.executable, "-m", "backend.cli", "demo", " ", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "hmvlm: " in done.stderr
    assert not (tmp_path / "out").exists()


def test_where_blender_cannot_draw_it_says_so_and_stick_figures_stand_in(tmp_path, monkeypatch):
    motion = Motion(np.zeros((6, 22, 3)), np.tile((0.0, 1.1, 0.0), (6, 1)), 20.0)
    motion.save_npz(tmp_path / "short.npz")
    # the same break as without libEGL: Blender's process ends in the middle
    broken = tmp_path / "broken" / "sitecustomize.py"
    broken.parent.mkdir()
    broken.write_text(
        "import os, sys\n"
        "if '-m' in sys.orig_argv and 'backend.demo.scene' in sys.orig_argv:\n"
        "    from backend.demo import stage\n"
        "    def end(*_):\n"
        "        print('no graphics here', flush=True, file=sys.stderr); os._exit(1)\n"
        "    stage.render_video = end\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken.parent), str(ROOT)]))
    done = demo(tmp_path / "out", "--motion", str(tmp_path / "short.npz"))
    assert done.returncode == 0, done.stderr
    assert "Blender cannot draw on this computer" in done.stdout
    assert "no graphics here" in done.stdout
    assert "apt-get install" in done.stdout
    for name in ("motion.blend", "motion.npz", "preview.mp4", "filmstrip.png"):
        assert (tmp_path / "out" / name).stat().st_size > 1000


def test_a_blender_that_does_not_start_is_an_error(tmp_path):
    # no motion.npz to read: the process ends before there is a scene
    with pytest.raises(HmvlmError, match="could not make the scene"):
        blender.make_scene(tmp_path, "a person walks", Steps(2))
