# SPDX-License-Identifier: Apache-2.0
"""Starts real server processes with the fake engine, and pumps clients for the tests."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from blender_addon.core.client import Client, ClientEvent, ClientState
from blender_addon.core.jobs import Job
from blender_addon.core.launcher import Launcher, LaunchState

ROOT = Path(__file__).parents[2]
ENGINE = "tests.wire.fake_engine:create"
LIMIT_S = 60.0  # for a machine that does other things too
HMVLM = (sys.executable, "-m", "backend.cli")


def wait_until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Backend:
    """Starts a server in `folder` and gives out clients of it."""

    def __init__(self, folder: Path, engine: str = ENGINE, **environment: str) -> None:
        self.connection_file = folder / "connection.json"
        self.launcher = Launcher(
            sys.executable,
            self.connection_file,
            folder / "server.log",
            parent_pid=os.getpid(),
            arguments=["--engine", engine, "--cancel-grace", "0.3"],
            environment={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            working_folder=folder,
        )
        self.clients: list[Client] = []

    def start(self) -> "Backend":
        self.launcher.start()
        wait_until(lambda: self.launcher.poll() is not LaunchState.STARTING)
        assert self.launcher.state is LaunchState.READY, self.launcher.problem
        return self

    def client(self) -> Client:
        client = Client(self.connection_file, name="test")
        self.clients.append(client)
        client.connect()
        collect(client, lambda _: client.state is not ClientState.CONNECTING)
        return client

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.launcher.stop()
        wait_until(lambda: self.launcher.poll() is not LaunchState.STOPPING)


def collect(
    client: Client, until: Callable[[list[ClientEvent]], object], limit_s: float = LIMIT_S
) -> list[ClientEvent]:
    """Pump until the condition on all events so far holds; returns them."""
    events: list[ClientEvent] = []
    deadline = time.monotonic() + limit_s
    while not until(events):
        assert time.monotonic() < deadline, f"only {[type(e.message).__name__ for e in events]}"
        client.wait(50)
        events += client.pump()
    return events


def finish(client: Client, job_id: str) -> Job:
    """Pump until the job has ended."""
    job = client.jobs[job_id]
    collect(client, lambda _: job.finished)
    return job
