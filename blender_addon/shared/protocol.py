# SPDX-License-Identifier: Apache-2.0
"""The messages between the add-on and the backend, version 1.

A message travels as ZeroMQ frames `[magic + major][header][body][buffers...]`; codec.py turns
messages into frames and back. Within a major version fields are only ever added, with a default:
a reader ignores fields it does not know. Anything else is a new major.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

MAGIC = b"HMVLM"
MAJOR = 1
MINOR = 2
UPLOADS_SINCE = 2
"""The first minor version whose server takes files."""
MAX_UPLOAD_BYTES = 512 * 1024 * 1024
MAX_PIECE_BYTES = 1024 * 1024

JobId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
TaskName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
UploadId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
# what a parameter may be: the values JSON has; arrays travel beside them as buffers
Value = None | bool | int | float | str | list[Any] | dict[str, Any]


class Code(StrEnum):
    """The error codes of version 1; a client treats one it does not know as `internal`."""

    INVALID_INPUT = "invalid_input"
    ASSET = "asset"
    CANCELLED = "cancelled"
    INTERNAL = "internal"
    MALFORMED = "malformed"
    VERSION = "version"
    UNKNOWN_TASK = "unknown_task"
    UNKNOWN_JOB = "unknown_job"
    BUSY = "busy"
    OUT_OF_MEMORY = "out_of_memory"
    WORKER_DIED = "worker_died"
    SERVER_STOPPING = "server_stopping"
    BACKEND_LOST = "backend_lost"  # made by the client itself: the server no longer answers


class ArrayRef(msgspec.Struct, frozen=True):
    """Where an array's bytes are: buffer number `frame`, little-endian, C order."""

    dtype: str
    shape: list[int]
    frame: int


class Header(msgspec.Struct, frozen=True):
    """seq counts a sender's messages; reply_to is the seq this one answers (0: none).

    buffers: how many frames follow the body.
    """

    seq: int = 0
    reply_to: int = 0
    buffers: int = 0


# --- requests: client to server ---------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first message of a client; answered by `welcome`."""

    client: str = ""
    minor: int = 0


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Answered by `pong` at once, also while a job runs."""


class Status(msgspec.Struct, frozen=True, tag="status"):
    """Answered by `status_report`."""


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Run a task. The client chooses job_id; submitting it again attaches to the same job.

    files: for each parameter that is to name a file, the upload that the client sent before. From
    then on the file is the job's, and goes with it.
    """

    job_id: JobId
    task: TaskName
    params: dict[str, Value] = {}
    arrays: dict[str, ArrayRef] = {}
    files: dict[str, UploadId] = {}


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop this job and no other."""

    job_id: JobId


class LoadModel(msgspec.Struct, frozen=True, tag="load_model"):
    """Load the model now instead of with the first job; itself a job with progress."""

    job_id: JobId


class Upload(msgspec.Struct, frozen=True, tag="upload"):
    """A piece of a file, as the one buffer: the bytes from `offset` on. Answered by `uploaded`.

    The client chooses upload_id, and sends the pieces in order from 0 on. name: what the user calls
    the file; it is shown, and its ending says the kind, but it never becomes a path. size: of the
    whole, in bytes. sha256: of the whole, in hexadecimal, with the last piece.
    """

    upload_id: UploadId
    name: Annotated[str, msgspec.Meta(max_length=255)]
    size: int
    offset: int
    sha256: str = ""


class DropUpload(msgspec.Struct, frozen=True, tag="drop_upload"):
    """Forget a file, whole or not, that no job has yet."""

    upload_id: UploadId


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """Stop the server; jobs that run end in an error."""


Request = Hello | Ping | Status | Submit | Cancel | LoadModel | Upload | DropUpload | Shutdown


# --- events: server to client -----------------------------------------------------------------


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The answer to `hello`: who serves, and the tasks it knows."""

    package: str = ""
    minor: int = 0
    pid: int = 0
    tasks: list[str] = []


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """The answer to `ping`."""


class StatusReport(msgspec.Struct, frozen=True, tag="status_report"):
    """worker: starting, idle, busy or failed; model: not loaded, loading or loaded.

    memory_bytes: of the worker's process; device_memory_*: of a GPU, 0 without one.
    """

    package: str = ""
    pid: int = 0
    uptime_s: float = 0.0
    worker: str = ""
    worker_pid: int = 0
    model: str = ""
    device: str = ""
    running: str = ""
    queued: list[str] = []
    model_name: str = ""
    device_name: str = ""
    memory_bytes: int = 0
    device_memory_bytes: int = 0
    device_memory_total: int = 0


class Uploaded(msgspec.Struct, frozen=True, tag="uploaded"):
    """How much of a file is there. Now and then also said unasked, to see whether one listens."""

    upload_id: UploadId
    received: int


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """The job is known. position: 0 it runs now or next, n jobs are before it."""

    job_id: JobId
    position: int = 0


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """fraction: 0 to 1."""

    job_id: JobId
    fraction: float
    message: str = ""


class Chunk(msgspec.Struct, frozen=True, tag="chunk"):
    """Part of the result as soon as it exists: text, or motion from `start_frame` on.

    Motion arrays: poses (T, 22, 3) axis-angle and trans (T, 3) metres, at values["fps"].
    """

    job_id: JobId
    index: int
    start_frame: int = 0
    text: str = ""
    values: dict[str, Value] = {}
    arrays: dict[str, ArrayRef] = {}


class Result(msgspec.Struct, frozen=True, tag="result"):
    """Terminal: the job is done."""

    job_id: JobId
    values: dict[str, Value] = {}
    arrays: dict[str, ArrayRef] = {}


class Error(msgspec.Struct, frozen=True, tag="error"):
    """Terminal when it names a job; else it answers the request in the header's reply_to."""

    code: str
    message: str
    retryable: bool = False
    job_id: str = ""


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """Terminal: the job was stopped as asked."""

    job_id: JobId


class Goodbye(msgspec.Struct, frozen=True, tag="goodbye"):
    """The server stops."""


JobEvent = Accepted | Progress | Chunk | Result | Error | Cancelled
Event = Welcome | Pong | StatusReport | Uploaded | Goodbye | JobEvent
TERMINAL = (Result, Error, Cancelled)


class Refusal(msgspec.Struct, frozen=True):
    """How a server turns down another major version.

    FROZEN FOR ALL VERSIONS, so that a client of any version can read it: frame 0 is the magic and
    the server's major, frame 1 the word `refused`, frame 2 this structure as JSON.
    """

    message: str
    server_major: int = 0
    client_major: int = 0


REFUSED = b"refused"
