# SPDX-License-Identifier: GPL-3.0-or-later
"""A helper process whose words go to a file, read bit by bit without ever waiting. No bpy here.

A file and not a pipe, because no system but POSIX reads a pipe without waiting for it, and because
the words are still there when Blender is not.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MAX_BYTES_A_LOOK = 64_000
KILL_AFTER_S = 3.0
CLOSE_LIMIT_S = 5.0


class Child:
    """One process and everything that it starts: `cancel` ends them all.

    log_file: made anew at `start`; whole lines of it come out of `poll`.
    """

    def __init__(
        self,
        command: Sequence[str],
        log_file: Path,
        *,
        environment: Mapping[str, str] | None = None,
        working_folder: Path | None = None,
    ) -> None:
        self.command = list(command)
        self.log_file = log_file
        self.code: int | None = None
        self.cancelled = False
        self._environment = environment
        self._working_folder = working_folder
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._rest = b""
        self._kill_at = 0.0

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it and return at once. Raises OSError when that cannot be done."""
        environment = dict(os.environ if self._environment is None else self._environment)
        environment.pop("PYTHONHOME", None)  # Blender's own would break another Python
        environment["PYTHONUNBUFFERED"] = "1"
        environment["PYTHONIOENCODING"] = "utf-8"
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_file, "wb") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self._working_folder,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
                | getattr(subprocess, "CREATE_NO_WINDOW", 0),
                start_new_session=os.name == "posix",
            )

    def poll(self) -> list[str]:
        """The lines that came since the last time; `code` is set once all has been said."""
        code = self._process.poll() if self._process is not None else self.code
        lines = self._new_lines()
        if self._process is None:
            return lines
        if code is None:
            if self.cancelled and time.monotonic() > self._kill_at:
                self._end_group(hard=True)
        elif self._all_read():
            if self._rest:
                lines.append(self._rest.decode("utf-8", "replace"))
                self._rest = b""
            if self.cancelled:
                self._end_group(hard=True)  # what the first of them left behind
            self._process, self.code = None, code
        return lines

    def cancel(self) -> None:
        """Ask the process and all that it started to end; `poll` insists after a while."""
        if self._process is None or self.cancelled:
            return
        self.cancelled, self._kill_at = True, time.monotonic() + KILL_AFTER_S
        self._end_group(hard=False)

    def close(self) -> None:
        """End everything now, for the end of Blender."""
        if self._process is None:
            return
        self._end_group(hard=True)
        try:
            self._process.wait(CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            return
        self.code, self._process = self._process.returncode, None

    def _new_lines(self) -> list[str]:
        try:
            with open(self.log_file, "rb") as file:
                file.seek(self._read)
                data = file.read(MAX_BYTES_A_LOOK)
        except OSError:
            return []
        self._read += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace").rstrip("\r") for line in whole]

    def _all_read(self) -> bool:
        try:
            return self._read >= self.log_file.stat().st_size
        except OSError:
            return True

    def _end_group(self, *, hard: bool) -> None:
        assert self._process is not None
        if os.name == "posix":
            try:
                os.killpg(self._process.pid, signal.SIGKILL if hard else signal.SIGTERM)
            except ProcessLookupError:
                return
            except PermissionError:  # macOS says so of a group whose processes have all ended
                return
        elif self._process.poll() is None:
            # /T: with all that it started
            subprocess.Popen(
                ["taskkill", "/T", "/F", "/PID", str(self._process.pid)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
