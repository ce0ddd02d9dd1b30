# SPDX-License-Identifier: Apache-2.0
"""For programs without a main loop: a client with a server behind it, started if none runs."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import Cancelled, HmvlmError
from blender_addon.core.client import Client, ClientError, ClientEvent, ClientState
from blender_addon.core.jobs import Job, JobState
from blender_addon.core.launcher import Launcher, LaunchState
from blender_addon.shared import protocol
from blender_addon.shared.connection import ConnectionFileError, default_connection_file

TURN_MS = 100
STOP_LIMIT_S = 10.0


class BackendError(HmvlmError):
    """The backend could not be reached, or ended a job in an error."""

    def __init__(self, message: str, code: str = "internal") -> None:
        super().__init__(message)
        self.code = code


class Session:
    """Runs jobs one after the other and waits for each."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def run(
        self,
        task: str,
        params: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        on_event: Callable[[ClientEvent, Job], None] | None = None,
    ) -> Job:
        """Submit, wait, return the finished job.

        Raises BackendError when it fails. An interrupt (Ctrl-C) cancels it by id: Cancelled.
        """
        try:
            job = self.client.jobs[self.client.submit(task, params, arrays)]
            try:
                self._wait(job, on_event)
            except KeyboardInterrupt:
                self.client.cancel(job.job_id)
                self._wait(job, None)
        except ClientError as error:
            raise BackendError(str(error)) from error
        self.client.forget(job.job_id)
        if job.state is JobState.CANCELLED:
            raise Cancelled(f"The job {job.job_id} was cancelled.")
        if job.error is not None:
            raise BackendError(job.error.message, job.error.code)
        return job

    def _wait(self, job: Job, on_event: Callable[[ClientEvent, Job], None] | None) -> None:
        while not job.finished:
            self.client.wait(TURN_MS)
            for event in self.client.pump():
                if on_event is not None and event.job_id == job.job_id:
                    on_event(event, job)


@contextmanager
def open_session(
    connection_file: Path | None = None,
    *,
    keep: bool = False,
    serve_arguments: Sequence[str] = (),
    say: Callable[[str], None] = lambda message: None,
) -> Iterator[Session]:
    """A session with the server that runs, or with one started for it (and stopped after it).

    keep: leave a server that was started here running. serve_arguments: how it is to be started;
    a server that runs keeps its own settings, so with any of these that is an error.
    """
    path = (connection_file or default_connection_file()).absolute()
    client = Client(path, name="hmvlm")
    launcher: Launcher | None = None
    try:
        problem = connect(client)
        if not problem and serve_arguments:
            raise BackendError(
                f"A backend runs already, with its own settings: stop it, or leave out "
                f"{' and '.join(a for a in serve_arguments if a.startswith('--'))}."
            )
        if problem:
            say("starting the backend")
            launcher = _launch(path, keep, serve_arguments, problem)
            problem = connect(client)
            if problem:
                raise BackendError(f"The backend was started but cannot be used: {problem}")
        yield Session(client)
    finally:
        if launcher is not None and not keep:
            _stop(client, launcher)
        client.close()


def connect(client: Client) -> str:
    """Connect to the server that runs and wait for it; why not, when that fails."""
    try:
        client.connect()
    except ConnectionFileError as error:
        return str(error)
    while client.state is ClientState.CONNECTING:
        client.wait(TURN_MS)
        client.pump()
    return client.problem


def server_status(client: Client) -> protocol.StatusReport:
    """What the connected server says about itself. Raises BackendError when it does not."""
    client.report = None
    client.request_status()
    while client.report is None:
        client.wait(TURN_MS)
        client.pump()
        if client.state is ClientState.LOST:
            raise BackendError(client.problem)
    return client.report


def _launch(path: Path, keep: bool, arguments: Sequence[str], problem: str) -> Launcher:
    launcher = Launcher(
        sys.executable,
        path,
        path.with_suffix(".log"),
        parent_pid=None if keep else os.getpid(),
        arguments=arguments,
    )
    launcher.start()
    try:
        while launcher.poll() is LaunchState.STARTING:
            time.sleep(0.05)
    except KeyboardInterrupt:
        launcher.stop()
        raise
    if launcher.state is not LaunchState.READY:
        # what kept us from the server that may run, then what kept us from starting one
        raise BackendError(f"{problem}\n{launcher.problem}")
    return launcher


def _stop(client: Client, launcher: Launcher) -> None:
    if client.state is ClientState.READY:
        client.shutdown()
        client.wait(TURN_MS)
    launcher.stop()
    deadline = time.monotonic() + STOP_LIMIT_S
    while launcher.poll() is LaunchState.STOPPING and time.monotonic() < deadline:
        time.sleep(0.02)
