# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and stops the backend process without ever waiting for it. No bpy here."""

import os
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from ..shared.connection import ConnectionFileError, read_connection_file

START_LIMIT_S = 60.0
STOP_GRACE_S = 5.0
LOG_TAIL_BYTES = 4000


class LaunchState(StrEnum):
    """What became of the process."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class Launcher:
    """One backend process: `<python> -m backend.cli serve`, its log in a file.

    python: an interpreter that has the backend installed.
    parent_pid: the server stops when this process is gone; None lets it live on.
    arguments: more options of `serve`.
    """

    def __init__(
        self,
        python: Path | str,
        connection_file: Path | str,
        log_file: Path | str,
        *,
        parent_pid: int | None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        working_folder: Path | str | None = None,
    ) -> None:
        self.python = str(python)
        self.connection_file = Path(connection_file)
        self.log_file = Path(log_file)
        self.parent_pid = parent_pid
        self.arguments = list(arguments)
        self.environment = environment
        self.working_folder = working_folder
        self.state = LaunchState.STOPPED
        self.problem = ""  # why the state is FAILED, with the end of the log
        self._process: subprocess.Popen[bytes] | None = None
        self._launch_id = ""
        self._deadline = 0.0

    @property
    def pid(self) -> int | None:
        """The process that was started, while it is ours."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process and return at once; `poll` tells when it is ready."""
        if self._process is not None:
            return
        self._launch_id, self.problem = uuid.uuid4().hex, ""
        command = [self.python, "-m", "backend.cli", "serve"]
        command += ["--connection-file", str(self.connection_file), "--launch-id", self._launch_id]
        if self.parent_pid is not None:
            command += ["--parent-pid", str(self.parent_pid)]
        try:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            with open(self.log_file, "wb") as log:
                self._process = subprocess.Popen(
                    command + self.arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    cwd=self.working_folder,
                    # its own group: Ctrl-C in our terminal is for us to handle, not for it
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
                    | getattr(subprocess, "CREATE_NO_WINDOW", 0),
                    start_new_session=os.name == "posix",
                )
        except OSError as error:
            self._fail(f"The backend could not be started with {self.python}: {error}.")
            return
        self.state, self._deadline = LaunchState.STARTING, time.monotonic() + START_LIMIT_S

    def poll(self) -> LaunchState:
        """Look at the process and return its state; call it now and then."""
        if self._process is None:
            return self.state
        code = self._process.poll()
        if code is not None:
            self._process = None
            if self.state is LaunchState.STOPPING:
                self.state = LaunchState.STOPPED
            else:
                self._fail(f"The backend ended with code {code}.")
        elif self.state is LaunchState.STARTING:
            if self._has_written_file():
                self.state = LaunchState.READY
            elif time.monotonic() > self._deadline:
                self._process.kill()
                self._process = None
                self._fail(f"The backend did not come up within {START_LIMIT_S:.0f} s.")
        elif self.state is LaunchState.STOPPING and time.monotonic() > self._deadline:
            self._process.kill()
        return self.state

    def stop(self) -> None:
        """Ask the process to end and return at once; `poll` kills it if it does not.

        Windows has no such request for a process without a console: there it ends at once, and
        its worker with it; send `Client.shutdown` before to let it clean up.
        """
        if self._process is None:
            self.state = LaunchState.STOPPED
            return
        if self.state is LaunchState.STOPPING:
            return
        self.state, self._deadline = LaunchState.STOPPING, time.monotonic() + STOP_GRACE_S
        self._process.terminate()

    def log_tail(self) -> str:
        """The end of the log, for a message to the user."""
        try:
            with open(self.log_file, "rb") as file:
                file.seek(max(0, self.log_file.stat().st_size - LOG_TAIL_BYTES))
                return file.read().decode("utf-8", "replace").strip()
        except OSError as error:
            return f"({self.log_file} cannot be read: {error.strerror})"

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ if self.environment is None else self.environment)
        # Blender's own Python home would break another interpreter
        environment.pop("PYTHONHOME", None)
        environment["PYTHONUNBUFFERED"] = "1"
        return environment

    def _has_written_file(self) -> bool:
        try:
            return read_connection_file(self.connection_file).launch_id == self._launch_id
        except ConnectionFileError:
            return False

    def _fail(self, problem: str) -> None:
        self.state = LaunchState.FAILED
        tail = self.log_tail() if self.log_file.exists() else ""
        self.problem = f"{problem}\n{tail}".strip()
