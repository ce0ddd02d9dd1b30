# SPDX-License-Identifier: Apache-2.0
"""`hmvlm generate`, `gate` and `serve` as a user runs them, with the fake engine."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from backend_harness import ENGINE, HMVLM, ROOT, Backend, alive, wait_until

from backend.cli import main
from blender_addon.shared.connection import read_connection_file
from blender_addon.shared.motion import Motion

pytestmark = pytest.mark.wire
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def hmvlm(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HMVLM, *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def file(backend: Backend) -> list[str]:
    return ["--connection-file", str(backend.connection_file)]


def test_generate_starts_a_server_and_stops_it(tmp_path):
    connection = tmp_path / "run" / "c.json"
    done = hmvlm(
        *["generate", "--prompt", "a person walks", "--seconds", 2, "--out", "x.npz"],
        *["--connection-file", connection, "--engine", ENGINE],
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "40 frames" in done.stdout
    assert "starting the backend" in done.stderr
    assert "generating" in done.stderr
    motion = Motion.load_npz(tmp_path / "x.npz")
    assert motion.fps == 20
    np.testing.assert_allclose(motion.trans[:, 2], np.arange(40) / 20, atol=1e-6)
    assert not connection.exists()


def test_keep_leaves_the_server_for_the_next_command(tmp_path):
    connection = tmp_path / "c.json"
    where = ["--connection-file", connection]
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("what is the capital of France?\n\na person jümps\n", "utf-8")
    first = hmvlm(
        *["gate", "--file", prompts, "--json", "--keep", "--engine", ENGINE, *where],
        folder=tmp_path,
    )
    assert first.returncode == 0, first.stderr
    assert [json.loads(line) for line in first.stdout.splitlines()] == [
        {"prompt": "what is the capital of France?", "alpha": [1.0, 0.0]},
        {"prompt": "a person jümps", "alpha": [1.0, 0.0]},
    ]
    pid = read_connection_file(connection).pid
    try:
        second = hmvlm("gate", "--file", prompts, *where, folder=tmp_path)
        assert second.returncode == 0, second.stderr
        assert "starting" not in second.stderr
        other = hmvlm("gate", "--file", prompts, *where, "--device", "cuda", folder=tmp_path)
        assert other.returncode == 1
        assert "--device" in other.stderr
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid))
    assert not connection.exists()


def test_bvh_out(file, tmp_path):
    done = hmvlm("generate", "--prompt", "walk", "--out", "x.bvh", *file, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.bvh").read_text().startswith("HIERARCHY")


def test_start_and_end_go_along(file, tmp_path):
    Motion(np.zeros((4, 22, 3)), np.zeros((4, 3)), 30.0).save_npz(tmp_path / "s.npz")
    done = hmvlm(
        *["generate", "--prompt", "walk", "--out", "x.npz", "--start", "s.npz", "--end", "s.npz"],
        *file,
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--prompt", "  "], "prompt is empty"),
        (["--prompt", "x", "--seconds", "0.1"], "between"),
        (["--prompt", "x", "--seconds", "500"], "between"),
        (["--prompt", "x", "--out", "x.fbx"], ".npz or .bvh"),
        (["--prompt", "x", "--out", "no/such/x.npz"], "does not exist"),
        (["--prompt", "x", "--start", "none.npz"], "none.npz"),
    ],
)
def test_bad_input(file, tmp_path, monkeypatch, capsys, arguments, word):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test process keeps its own
    assert main(["generate", "--out", "x.npz", *arguments, *file]) == 1
    assert word in capsys.readouterr().err
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT cannot be sent to one process elsewhere")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_the_job_and_leaves_the_server(backend, file, tmp_path, number):
    process = subprocess.Popen(
        [*HMVLM, "generate", "--prompt", "x", "--seconds", "30", "--out", "x.npz", *file],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        # a shell starts its background jobs with SIGINT ignored, and a child inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    while "generating" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait(30) == 130
    assert "cancelled" in rest
    assert not (tmp_path / "x.npz").exists()
    client = backend.client()
    client.request_status()
    wait_until(lambda: client.pump() and client.report)
    assert client.report is not None
    assert client.report.running == ""


def test_serve_stops_cleanly_on_a_signal(tmp_path):
    connection = tmp_path / "c.json"
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [*HMVLM, "serve", "--engine", ENGINE, "--connection-file", str(connection)],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stderr=log,
        )
    wait_until(connection.exists)
    process.terminate()
    assert process.wait(30) == 0
    assert not connection.exists()
    assert "stopped" in (tmp_path / "log").read_text()
