# SPDX-License-Identifier: Apache-2.0
"""Things that break: workers, servers, files. Each ends in a message; the rest goes on."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
from backend_harness import ENGINE, HMVLM, ROOT, Backend, alive, collect, finish, wait_until

from backend import assets
from backend.doctor import check_server
from blender_addon.core.client import Client, ClientError, ClientState
from blender_addon.core.jobs import JobState
from blender_addon.core.launcher import Launcher, LaunchState
from blender_addon.shared import protocol
from blender_addon.shared.connection import (
    ConnectionFileError,
    ConnectionInfo,
    read_connection_file,
    write_connection_file,
)

pytestmark = pytest.mark.wire


def report(client: Client) -> protocol.StatusReport:
    client.report = None
    client.request_status()
    collect(client, lambda _: client.report)
    assert client.report is not None
    return client.report


def assert_works(client: Client) -> None:
    assert finish(client, client.submit("echo", {"n": 1})).values == {"n": 1}


def failed(client: Client, task: str, **params: object) -> protocol.Error:
    job = finish(client, client.submit(task, params))
    assert job.state is JobState.FAILED
    assert job.error is not None
    return job.error


def test_a_killed_worker_ends_its_job_and_is_replaced(client):
    assert_works(client)
    job_id = client.submit("text_to_motion", {"prompt": "x", "seconds": 30})
    waiting = client.submit("echo", {"n": 2})
    collect(client, lambda _: client.jobs[job_id].state is JobState.RUNNING)
    before = report(client).worker_pid
    psutil.Process(before).kill()
    job = finish(client, job_id)
    assert job.error is not None
    assert job.error.code == protocol.Code.WORKER_DIED
    assert job.error.retryable
    assert finish(client, waiting).state is JobState.DONE
    assert report(client).worker_pid not in (0, before)


def test_a_worker_that_does_not_stop_is_killed(client):
    job_id = client.submit("misbehave", {"how": "sleep"})
    collect(client, lambda _: client.jobs[job_id].state is JobState.RUNNING)
    before = report(client).worker_pid
    client.cancel(job_id)
    events = collect(client, lambda _: client.jobs[job_id].finished)
    assert client.jobs[job_id].state is JobState.CANCELLED
    assert sum(isinstance(e.message, protocol.TERMINAL) for e in events) == 1
    assert not alive(before)
    assert_works(client)


@pytest.mark.parametrize(
    ("how", "code", "word"),
    [
        ("exit", protocol.Code.WORKER_DIED, "ended"),
        ("raise", protocol.Code.INTERNAL, "log"),
        ("memory", protocol.Code.OUT_OF_MEMORY, "memory"),
        ("disk", protocol.Code.ASSET, "space"),
    ],
)
def test_a_task_that_fails(client, how, code, word):
    error = failed(client, "misbehave", how=how)
    assert error.code == code
    assert word in error.message
    assert_works(client)


def asset_error(folder: Path, engine: str) -> protocol.Error:
    """What two jobs in a row end in, with the cache and the wheels in `folder`."""
    backend = Backend(
        folder,
        f"tests.wire.fake_engine:{engine}",
        HMVLM_CACHE_DIR=str(folder / "cache"),
        HMVLM_ASSET_WHEELS=str(folder / "wheels"),
    ).start()
    try:
        client = backend.client()
        first, second = failed(client, "echo"), failed(client, "echo")
        assert first == msgspec.structs.replace(second, job_id=first.job_id)
        assert report(client).model == "not loaded"
        assert report(client).worker == "idle"
    finally:
        backend.stop()
    assert first.code == protocol.Code.ASSET
    return first


def test_a_missing_asset(tmp_path):
    error = asset_error(tmp_path, "create_with_assets")
    assert str(tmp_path / "wheels") in error.message


def test_an_altered_asset(tmp_path, monkeypatch):
    monkeypatch.setenv("HMVLM_CACHE_DIR", str(tmp_path / "cache"))
    folder = assets.folder_of(assets.get("minilm"))
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    assets.write_manifest(folder)
    (folder / "model.safetensors").write_bytes(b"others!")
    error = asset_error(tmp_path, "create_with_assets")
    assert "model.safetensors" in error.message
    assert "hmvlm fetch --force" in error.message


def test_a_full_disk(tmp_path):
    error = asset_error(tmp_path, "create_on_a_full_disk")
    assert "HMVLM_CACHE_DIR" in error.message
    assert "0 are free" in error.message
    assert not any((tmp_path / "cache" / "assets").iterdir())


def test_a_worker_that_never_starts(tmp_path):
    backend = Backend(tmp_path, "tests.wire.fake_engine:create_broken").start()
    try:
        client = backend.client()
        for _ in range(2):
            error = failed(client, "echo")
            assert error.code == protocol.Code.WORKER_DIED
            assert "log" in error.message
        assert "this engine never starts" in backend.launcher.log_tail()
    finally:
        backend.stop()


def test_a_killed_server_is_reported_and_leaves_no_process(tmp_path):
    backend = Backend(tmp_path).start()
    client = backend.client()
    job_id = client.submit("text_to_motion", {"prompt": "x", "seconds": 30})
    collect(client, lambda _: client.jobs[job_id].state is JobState.RUNNING)
    state = report(client)
    psutil.Process(state.pid).kill()
    job = finish(client, job_id)
    assert job.error is not None
    assert job.error.code == protocol.Code.BACKEND_LOST
    assert "start it again" in job.error.message
    assert client.state is ClientState.LOST
    with pytest.raises(ClientError, match="start it again"):
        client.submit("echo", {})
    wait_until(lambda: not alive(state.worker_pid))
    # the launcher knows too, and the stale file does not keep the next server from starting
    wait_until(lambda: backend.launcher.poll() is LaunchState.FAILED)
    stale = read_connection_file(backend.connection_file)
    backend.start()
    assert read_connection_file(backend.connection_file) != stale
    client.connect()
    collect(client, lambda _: client.state is not ClientState.CONNECTING)
    assert_works(client)
    backend.stop()


def test_a_silent_server_is_given_up(backend, monkeypatch):
    from blender_addon.core import client as module

    monkeypatch.setattr(module, "SILENCE_S", 0.4)
    monkeypatch.setattr(module, "PING_EVERY_S", 0.1)
    client = backend.client()
    pid = client.welcome.pid
    process = psutil.Process(pid)
    job_id = client.submit("misbehave", {"how": "sleep"})
    collect(client, lambda _: client.jobs[job_id].state is JobState.RUNNING)
    process.suspend()
    try:
        job = finish(client, job_id)
    finally:
        process.resume()
    assert job.error is not None
    assert job.error.code == protocol.Code.BACKEND_LOST
    assert "not answered" in job.error.message
    other = backend.client()
    other.cancel(job_id)
    collect(other, lambda events: any(e.job_id == job_id for e in events))


def test_a_second_server_on_the_same_file(backend, client):
    before = read_connection_file(backend.connection_file)
    second = subprocess.run(
        [*HMVLM, "serve", "--engine", ENGINE, "--connection-file", str(backend.connection_file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert str(before.pid) in second.stderr
    assert "--connection-file" in second.stderr
    assert "Traceback" not in second.stderr
    assert read_connection_file(backend.connection_file) == before
    assert_works(client)


def test_no_backend_at_all(tmp_path):
    client = Client(tmp_path / "none.json")
    with pytest.raises(ConnectionFileError, match="hmvlm serve"):
        client.connect()
    with pytest.raises(ClientError, match="not connected"):
        client.submit("echo", {})
    assert client.pump() == []


def test_a_stale_file_is_noticed_at_once(backend, tmp_path):
    info = read_connection_file(backend.connection_file)
    dead = ConnectionInfo(
        "tcp://127.0.0.1:1",
        info.server_public_key,
        info.client_public_key,
        info.client_secret_key,
        1,
    )
    write_connection_file(tmp_path / "c.json", dead)
    client = Client(tmp_path / "c.json")
    with pytest.raises(ConnectionFileError, match="start it"):
        client.connect()
    assert client.state is ClientState.LOST


def test_doctor_sees_the_server(backend):
    finding = check_server(backend.connection_file)
    assert finding.ok
    assert f"process {read_connection_file(backend.connection_file).pid}" in finding.detail


def test_shutdown_ends_jobs_and_removes_the_file(tmp_path):
    backend = Backend(tmp_path).start()
    client = backend.client()
    job_id = client.submit("text_to_motion", {"prompt": "x", "seconds": 30})
    collect(client, lambda _: client.jobs[job_id].state is JobState.RUNNING)
    worker = report(client).worker_pid
    client.shutdown()
    job = finish(client, job_id)
    assert job.error is not None
    assert job.error.code == protocol.Code.SERVER_STOPPING
    wait_until(lambda: backend.launcher.poll() is not LaunchState.READY)
    assert not backend.connection_file.exists()
    assert not alive(worker)


def test_a_server_ends_with_the_process_it_was_started_for(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    launcher = Launcher(
        sys.executable,
        tmp_path / "c.json",
        tmp_path / "log",
        parent_pid=parent.pid,
        arguments=["--engine", ENGINE],
        environment={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    launcher.start()
    wait_until(lambda: launcher.poll() is not LaunchState.STARTING)
    assert launcher.state is LaunchState.READY
    parent.kill()
    parent.wait()
    wait_until(lambda: launcher.poll() is LaunchState.FAILED)
    assert "is gone" in launcher.problem
    assert not (tmp_path / "c.json").exists()


def test_launcher_says_why_it_failed(tmp_path):
    launcher = Launcher(
        sys.executable,
        tmp_path / "c.json",
        tmp_path / "log",
        parent_pid=None,
        arguments=["--engine", "no.such:engine"],
    )
    launcher.start()
    wait_until(lambda: launcher.poll() is not LaunchState.STARTING)
    assert launcher.state is LaunchState.FAILED
    assert "no.such" in launcher.problem
    missing = Launcher(tmp_path / "python", tmp_path / "c.json", tmp_path / "log", parent_pid=None)
    missing.start()
    assert missing.poll() is LaunchState.FAILED
    assert "could not be started" in missing.problem
