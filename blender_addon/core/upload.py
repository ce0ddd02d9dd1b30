# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on their way to a backend on another machine, a few pieces at every pump.

A job whose files are to be sent waits here; it is submitted when the last piece has arrived. No
bpy and no sockets here.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from ..shared import protocol
from .jobs import Job

PIECE_BYTES = 256 * 1024  # read from a disk and sealed well within a pump's time
WINDOW = 16
"""Pieces on the line at once: less would leave a fast network idle between two pumps, more would
keep a slow one from answering pings."""
MB = 1024 * 1024

Send = Callable[[msgspec.Struct, list[bytes]], int]


class UploadError(Exception):
    """A file that cannot be sent; the message says what to do."""


class _Outgoing:
    """One open file. arrived: how many of its bytes the server has."""

    def __init__(self, path: str) -> None:
        # what the system could not decode cannot travel as text
        self.name = Path(path).name.encode(errors="replace").decode()[-255:]
        self.upload_id = uuid.uuid4().hex
        self.arrived = 0
        self._sent = 0
        self._digest = hashlib.sha256()
        try:
            if Path(path).is_dir():
                raise UploadError(
                    f"{path} is a folder, and a backend on another machine is sent one file: "
                    "make a video of the pictures (mp4)."
                )
            self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115 (closed by `close`)
            self.size = self._file.seek(0, 2)
            self._file.seek(0)
        except OSError as error:
            raise UploadError(f"{path} cannot be read: {error.strerror}.") from error
        problem = ""
        if self.size == 0:
            problem = f"{path} is empty: it was perhaps not copied to its end."
        elif self.size > protocol.MAX_UPLOAD_BYTES:
            problem = (
                f"{path} has {self.size / MB:.0f} MB, and a backend on another machine is sent at "
                f"most {protocol.MAX_UPLOAD_BYTES // MB}: cut the clip, or save it smaller."
            )
        if problem:
            self.close()
            raise UploadError(problem)

    def next_piece(self) -> tuple[protocol.Upload, bytes] | None:
        """The next piece to send; None when all are sent, or enough are on the line.

        Raises UploadError for a file that can be read no further.
        """
        if self._sent == self.size or self._sent - self.arrived >= WINDOW * PIECE_BYTES:
            return None
        wanted = min(PIECE_BYTES, self.size - self._sent)
        try:
            piece = self._file.read(wanted)
        except OSError as error:
            raise UploadError(f"{self.name} cannot be read: {error.strerror}.") from error
        if len(piece) < wanted:
            raise UploadError(f"{self.name} changed while it was sent: try again.")
        self._digest.update(piece)
        offset, self._sent = self._sent, self._sent + len(piece)
        sha256 = self._digest.hexdigest() if self._sent == self.size else ""
        return protocol.Upload(self.upload_id, self.name, self.size, offset, sha256), piece

    def close(self) -> None:
        self._file.close()


@dataclass
class _Waiting:
    job: Job
    submit: protocol.Submit
    buffers: list[bytes]
    files: dict[str, _Outgoing]  # by the parameter that is to name them

    @property
    def complete(self) -> bool:
        return all(file.arrived == file.size for file in self.files.values())

    def close(self) -> None:
        for file in self.files.values():
            file.close()


class Outbox:
    """The jobs whose files are not yet on the other machine.

    send: puts a message and its buffers on the line and returns its number.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[str, _Waiting] = {}

    def add(
        self, job: Job, submit: protocol.Submit, buffers: list[bytes], paths: Mapping[str, str]
    ) -> None:
        """Send these files, then the job without their paths, which mean nothing there.

        Raises UploadError for one that cannot be sent.
        """
        files: dict[str, _Outgoing] = {}
        waiting = _Waiting(job, submit, buffers, files)
        try:
            for name, path in paths.items():
                files[name] = _Outgoing(path)
        except UploadError:
            waiting.close()
            raise
        uploads = {name: file.upload_id for name, file in files.items()}
        kept = {name: value for name, value in submit.params.items() if name not in paths}
        waiting.submit = msgspec.structs.replace(submit, params=kept, files=uploads)
        self._waiting[job.job_id] = waiting
        _show(waiting)

    def uploaded(self, event: protocol.Uploaded) -> None:
        """Note what the server says it has; of files that were dropped nothing."""
        for waiting in self._waiting.values():
            for file in waiting.files.values():
                if file.upload_id == event.upload_id:
                    file.arrived = max(file.arrived, event.received)
                    _show(waiting)

    def pump(self, deadline: float, sent: Callable[[int, str], None]) -> list[Any]:
        """Send more until `deadline` (of time.monotonic); events that end jobs.

        sent: told the number of each message and the job that it is for.
        """
        events: list[Any] = []
        for job_id, waiting in list(self._waiting.items()):
            if waiting.job.finished:  # refused by the server, or lost with it
                self.drop(job_id)
                continue
            try:
                self._send_pieces(waiting, deadline, sent)
            except UploadError as error:
                self.drop(job_id)
                code = protocol.Code.INVALID_INPUT
                events.append(protocol.Error(code, str(error), False, job_id))
                continue
            if waiting.complete:
                del self._waiting[job_id]
                waiting.close()
                waiting.job.sent()
                sent(self._send(waiting.submit, waiting.buffers), job_id)
        return events

    def drop(self, job_id: str) -> bool:
        """Stop sending for a job and have the server forget what it has; whether there was one."""
        waiting = self._waiting.pop(job_id, None)
        if waiting is None:
            return False
        waiting.close()
        for file in waiting.files.values():
            self._send(protocol.DropUpload(file.upload_id), [])
        return True

    def clear(self) -> None:
        """Forget all of it: the server is gone."""
        for waiting in self._waiting.values():
            waiting.close()
        self._waiting.clear()

    def _send_pieces(
        self, waiting: _Waiting, deadline: float, sent: Callable[[int, str], None]
    ) -> None:
        for file in waiting.files.values():
            while time.monotonic() < deadline and (following := file.next_piece()) is not None:
                upload, piece = following
                sent(self._send(upload, [piece]), waiting.job.job_id)


def _show(waiting: _Waiting) -> None:
    """What the user sees of it, in the job."""
    files = waiting.files.values()
    arrived, size = sum(file.arrived for file in files), sum(file.size for file in files)
    names = " and ".join(file.name for file in files)
    message = f"Sending {names}: {arrived / MB:.1f} of {size / MB:.1f} MB"
    waiting.job.sending(arrived / size, message)
