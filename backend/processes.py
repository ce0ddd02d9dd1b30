# SPDX-License-Identifier: Apache-2.0
"""Facts about processes: is our parent still there, who holds a file."""

import os
from pathlib import Path
from typing import IO

import psutil


class ParentWatch:
    """Remembers a process by id and start time, so that a reused id is not mistaken for it."""

    def __init__(self, pid: int) -> None:
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def gone(self) -> bool:
        """True when the process has ended, also while nobody has reaped it yet."""
        if self._process is None:
            return True
        try:
            running = self._process.is_running()
            return not running or self._process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def memory_of(pid: int) -> int:
    """Bytes that a process holds in memory; 0 when it is gone."""
    try:
        return psutil.Process(pid).memory_info().rss if pid else 0
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


class FileLock:
    """An advisory lock that the system lets go of when its holder ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """True when the lock is ours now; False when another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = open(self._path, "ab")  # noqa: SIM115 (held for the process's life)
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # as POSIX and Windows say "it is taken"
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let go; the file stays, since removing it would race with the next holder."""
        if self._file is not None:
            self._file.close()
            self._file = None


if os.name == "nt":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
