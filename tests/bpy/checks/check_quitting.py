# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender ends while a job runs, in every way that it can: no process of ours outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest
from driving import Hold

ENDS_WITHIN_S = 30.0
WAYS = {
    "a script's end": "sys.exit(0)",
    "the quit operator": "bpy.ops.wm.quit_blender()",
    "a crash": "os._exit(11)",
}
JOB = """
import importlib, os, sys
from pathlib import Path
import bpy
from driving import HELD_ENGINE, tick_until, use_backend

folder = Path(sys.argv[1])
bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
bpy.ops.extensions.package_install_files(
    filepath=os.environ["HMVLM_ZIP"], repo="user_default", enable_on_install=True
)
runtime = importlib.import_module("bl_ext.user_default.hmvlm.bridge.runtime")
use_backend(folder / "connection.json", " ".join(HELD_ENGINE))
bpy.ops.hmvlm.add_armature()
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
asked = bpy.context.scene.hmvlm
asked.prompt, asked.random_seed, asked.seed = "walks", False, 5
bpy.ops.hmvlm.generate()
session = runtime.peek()
tick_until(runtime, lambda: session.fraction > 0)
tick_until(runtime, lambda: session.report and session.report.worker_pid)
print("PIDS", session._launcher.pid, session.report.worker_pid, flush=True)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return not state.stdout.strip().startswith("Z")


@pytest.mark.skipif(os.name != "posix", reason="looks at processes as POSIX systems show them")
@pytest.mark.parametrize("way", WAYS)
def test_no_process_is_left_and_the_file_is_as_it_was_saved(extension, tmp_path, way):
    Hold(tmp_path / "seeds").only(5)
    (tmp_path / "job.py").write_text(f"{JOB}\n{WAYS[way]}\n")
    (tmp_path / "blender").mkdir()
    environment = os.environ | {
        "BLENDER_USER_RESOURCES": str(tmp_path / "blender"),
        "HMVLM_HOLD": str(tmp_path / "seeds"),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]]),
    }
    done = subprocess.run(
        [sys.executable, str(tmp_path / "job.py"), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = next((line for line in done.stdout.splitlines() if line.startswith("PIDS")), "")
    assert said, done.stdout + done.stderr
    pids, left = [int(pid) for pid in said.split()[1:]], []
    deadline = time.monotonic() + ENDS_WITHIN_S
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, done.stderr
    assert not (tmp_path / "connection.json").exists()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bpy.data.objects["SMPL"].animation_data is None
    assert not bpy.data.actions
