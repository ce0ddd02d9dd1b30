# SPDX-License-Identifier: Apache-2.0
"""Files that clients on other machines send for their jobs, kept while they are needed.

They lie in a temporary folder that only the server's user can read, under names made here. A file
goes with its job; one that has no job goes when its client leaves, and all go with the server.
"""

import hashlib
import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from backend.errors import AssetError, HmvlmError, InvalidInput
from backend.processes import FileLock
from blender_addon.shared import protocol

MB = 1024 * 1024
PREFIX = "hmvlm-uploads-"
LOCK = "lock"
_ROOM_LEFT = 64 * MB  # on the disk, for everybody else
ABANDONED_S = 60.0  # a folder younger than this may still be waiting for its lock
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}$")

log = logging.getLogger("hmvlm.server")


@dataclass(frozen=True)
class UploadLimits:
    """file, client, total: bytes of one file, of one client's, of all. files: of one client.

    idle_s: how long a file waits for its next piece or its job. ask_s: how often a client that
    says nothing is asked whether it is there.
    """

    file: int = protocol.MAX_UPLOAD_BYTES
    client: int = 2 * protocol.MAX_UPLOAD_BYTES
    total: int = 16 * protocol.MAX_UPLOAD_BYTES
    files: int = 16
    idle_s: float = 600.0
    ask_s: float = 2.0


@dataclass
class _File:
    path: Path
    name: str
    size: int
    heard: float
    asked: float
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    whole: bool = False
    job_id: str = ""


class Uploads:
    """What clients have sent. Clients are ROUTER identities; an upload is its own client's alone.

    clock: seconds, as `time.monotonic`.
    """

    def __init__(
        self, limits: UploadLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits or UploadLimits()
        self._clock = clock
        self._files: dict[tuple[bytes, str], _File] = {}
        self._folder: Path | None = None
        self._lock: FileLock | None = None

    # --- what clients ask ---------------------------------------------------------------------

    def receive(
        self, client: bytes, upload: protocol.Upload, pieces: list[bytes]
    ) -> protocol.Uploaded:
        """Take in a piece. Raises InvalidInput or AssetError; the upload is gone then."""
        key = (client, upload.upload_id)
        file = self._files.get(key)
        try:
            if len(pieces) != 1 or not 0 < len(pieces[0]) <= protocol.MAX_PIECE_BYTES:
                raise InvalidInput(
                    f"A piece of a file is one buffer of 1 to {protocol.MAX_PIECE_BYTES} bytes."
                )
            if file is None:
                file = self._files[key] = self._begin(client, upload)
            self._append(file, upload, pieces[0])
        except HmvlmError:
            self.drop(*key)
            raise
        except OSError as error:
            self.drop(*key)
            raise AssetError(
                f"The backend's machine cannot store the file ({error.strerror}): free some space "
                "there, or send a smaller one."
            ) from error
        return protocol.Uploaded(upload.upload_id, file.received)

    def drop(self, client: bytes, upload_id: str) -> None:
        """Forget a file, unless a job has it: then it goes with the job."""
        file = self._files.get((client, upload_id))
        if file is not None and not file.job_id:
            self._remove((client, upload_id))

    def claim(self, client: bytes, submit: protocol.Submit) -> protocol.Submit:
        """A job as the worker takes it: with paths where the client named uploads.

        Raises InvalidInput for an upload that this client has not sent, or not to its end, or that
        another job has.
        """
        paths = {}
        for name, upload_id in submit.files.items():
            file = self._files.get((client, upload_id))
            if file is None or not file.whole or file.job_id:
                raise InvalidInput(
                    f"The file for {name!r} is not on the backend's machine: send it again."
                )
            paths[name] = str(file.path)
        for upload_id in submit.files.values():
            self._files[client, upload_id].job_id = submit.job_id
        return msgspec.structs.replace(submit, params={**submit.params, **paths}, files={})

    # --- what else happens --------------------------------------------------------------------

    def in_users_words(self, error: protocol.Error) -> protocol.Error:
        """An error of a job, with what the user calls the file where it names its path here."""
        message = error.message
        for file in self._files.values():
            if file.job_id and file.job_id == error.job_id:
                message = message.replace(str(file.path), file.name)
        return msgspec.structs.replace(error, message=message)

    def drop_client(self, client: bytes) -> None:
        """A client has left: what it sent for no job goes; its jobs run on."""
        for key in [key for key, file in self._files.items() if key[0] == client]:
            self.drop(*key)

    def tick(self, is_open: Callable[[str], bool]) -> list[tuple[bytes, protocol.Uploaded]]:
        """Remove what nobody needs any more; whom to tell how much has come.

        is_open: whether a job waits or runs. A client that has left shows itself only when it is
        sent something, so those whose files have no job yet are.
        """
        now, limits = self._clock(), self._limits
        tell = []
        for key, file in list(self._files.items()):
            if file.job_id:
                if not is_open(file.job_id):
                    self._remove(key)
            elif now - file.heard > limits.idle_s:
                self._remove(key)
            elif now - max(file.heard, file.asked) > limits.ask_s:
                file.asked = now
                tell.append((key[0], protocol.Uploaded(key[1], file.received)))
        return tell

    def close(self) -> None:
        """Remove everything."""
        self._files.clear()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, client: bytes, upload: protocol.Upload) -> _File:
        limits, size = self._limits, upload.size
        if upload.offset != 0:
            raise InvalidInput("The rest of a file came without its beginning: send it again.")
        if not 0 < size <= limits.file:
            raise InvalidInput(
                f"{upload.name!r} has {size / MB:.1f} MB, and a file may have "
                f"{limits.file / MB:.0f}: cut the clip, or save it smaller."
            )
        own = [file for key, file in self._files.items() if key[0] == client]
        everybody = sum(file.size for file in self._files.values())
        if (
            len(own) >= limits.files
            or sum(file.size for file in own) + size > limits.client
            or everybody + size > limits.total
        ):
            raise InvalidInput(
                "The backend holds as many files as it may: try again when other jobs are done."
            )
        folder = self._own_folder()
        if shutil.disk_usage(folder).free < size + _ROOM_LEFT:
            raise AssetError(
                f"The backend's machine has no room for {size / MB:.0f} MB in {folder.parent}: "
                "free some space there, or send a smaller file."
            )
        suffix = _SUFFIX.search(upload.name.lower())
        path = folder / (secrets.token_hex(16) + (suffix.group() if suffix else ""))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        now = self._clock()
        return _File(path, upload.name, size, now, now)

    def _append(self, file: _File, upload: protocol.Upload, piece: bytes) -> None:
        end = upload.offset + len(piece)
        if file.whole or upload.offset != file.received or upload.size != file.size:
            raise InvalidInput(
                f"A piece of {file.name!r} came out of order (byte {upload.offset}, not "
                f"{file.received}): send the file again."
            )
        if end > file.size:
            raise InvalidInput(f"{file.name!r} has more bytes than announced: send it again.")
        with file.path.open("ab") as out:
            out.write(piece)
        file.digest.update(piece)
        file.received, file.heard = end, self._clock()
        if end == file.size:
            if file.digest.hexdigest() != upload.sha256:
                raise InvalidInput(f"{file.name!r} did not come through whole: send it again.")
            file.whole = True

    def _remove(self, key: tuple[bytes, str]) -> None:
        file = self._files.pop(key, None)
        if file is not None:
            with suppress(OSError):  # still open in a worker that dies: `close` removes it
                file.path.unlink(missing_ok=True)

    def _own_folder(self) -> Path:
        if self._folder is None:
            _remove_abandoned(Path(tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # for its owner alone
            self._lock = FileLock(self._folder / LOCK)
            self._lock.acquire()
        return self._folder


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of servers that were killed: nobody holds their locks any more."""
    for folder in parent.glob(f"{PREFIX}*"):
        lock = FileLock(folder / LOCK)
        try:
            if time.time() - folder.stat().st_mtime < ABANDONED_S or not lock.acquire():
                continue
        except OSError:  # another user's, or just removed
            continue
        lock.release()
        log.info("removing %s, which a killed server left", folder)
        shutil.rmtree(folder, ignore_errors=True)
