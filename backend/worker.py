# SPDX-License-Identifier: Apache-2.0
"""The child process that owns the device: takes one job at a time and streams what it makes.

It is a process of its own so that the server answers while the model computes, and so that a job
which hangs, crashes or runs out of memory takes nothing with it. It ends with its server.
"""

import errno
import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zmq

from backend.device_memory import device_memory
from backend.engine import Arrays, Engine, EngineOptions, create_engine
from backend.errors import Cancelled, HmvlmError
from backend.worker_messages import ToWorker, WorkerSettings, WorkerState
from blender_addon.shared import protocol
from blender_addon.shared.codec import Codec, encode, pack_arrays, unpack_arrays

PROGRESS_EVERY_S = 0.05
LOAD_SHARE = 0.5  # of the progress of the job that has to load the model first
STDIN = 0

log = logging.getLogger("hmvlm.worker")


class Worker:
    """Connects to its server, says it is ready, and runs what it is given."""

    def __init__(self, settings: WorkerSettings, engine: Engine) -> None:
        self._engine = engine
        self._codec: Codec[Any] = Codec(ToWorker)
        self._cancelled: set[str] = set()
        self._stopping = False
        self._model = ""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 1000  # the last result must not be lost when we are told to stop
        self._socket.sndhwm = 0
        self._socket.routing_id = settings.identity.encode()
        self._socket.curve_serverkey = settings.server_public_key.encode()
        self._socket.curve_publickey = settings.public_key.encode()
        self._socket.curve_secretkey = settings.secret_key.encode()
        self._socket.connect(settings.endpoint)

    def run(self) -> None:
        """Until the server says shutdown."""
        self.announce("not loaded")
        while not self._stopping:
            self._handle(self._socket.recv_multipart())
        self._context.destroy()

    def announce(self, model: str) -> None:
        """Tell the server what state the model is in."""
        memory = device_memory(self._engine.device)
        self._model = model
        self.send(
            WorkerState(
                os.getpid(),
                model,
                self._engine.device,
                getattr(self._engine, "model_name", ""),  # not every engine has one
                memory.name,
                memory.used,
                memory.total,
            )
        )

    def send(self, message: msgspec.Struct, buffers: list[bytes] | None = None) -> None:
        self._socket.send_multipart(encode(message, buffers or []))

    def is_cancelled(self, job_id: str) -> bool:
        """Look for a cancel that came in meanwhile; cheap enough for every decoding step."""
        while self._socket.poll(0):
            self._handle(self._socket.recv_multipart())
        return self._stopping or job_id in self._cancelled

    def _handle(self, frames: list[bytes]) -> None:
        envelope = self._codec.decode(frames)
        match envelope.message:
            case protocol.Submit() as submit:
                self._run_job(submit, envelope.buffers)
            case protocol.Cancel(job_id):
                self._cancelled.add(job_id)
            case protocol.Shutdown():
                self._stopping = True

    def _run_job(self, submit: protocol.Submit, buffers: list[bytes]) -> None:
        job = _Job(self, submit.job_id)
        started = time.monotonic()
        try:
            arrays = unpack_arrays(submit.arrays, buffers)
            self._load(job, LOAD_SHARE if submit.task in self._engine.tasks else 1.0)
            values, made = {}, {}
            if submit.task != "load_model":
                output = self._engine.tasks[submit.task].run(submit.params, arrays, job)
                values, made = output.values, output.arrays
            refs, out = pack_arrays(made)
            self.send(protocol.Result(submit.job_id, values, refs), out)
        except Cancelled:
            self.send(protocol.Cancelled(submit.job_id))
        # the boundary of the process: whatever a task raises must end the job, not the worker
        except Exception as error:
            self.send(_error_event(error, submit.job_id))
        self._cancelled.discard(submit.job_id)
        self.announce(self._model)  # its memory has changed
        log.info("%s %s: %.2f s", submit.task, submit.job_id, time.monotonic() - started)

    def _load(self, job: "_Job", share: float) -> None:
        """Load the model if need be, as the first `share` of the job's progress."""
        if self._engine.loaded:
            return
        self.announce("loading")
        job.end = share
        try:
            self._engine.load(job.progress_or_stop)
        finally:
            self.announce("loaded" if self._engine.loaded else "not loaded")
        job.begin, job.end = share, 1.0


class _Job:
    """The JobContext of one job (backend.engine).

    begin, end: the part of the job's whole progress that is reported on now.
    """

    def __init__(self, worker: Worker, job_id: str) -> None:
        self._worker = worker
        self._job_id = job_id
        self.begin, self.end = 0.0, 1.0
        self._chunks = 0
        self._reported = 0.0
        self._message = ""

    def progress(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        # a new message always goes out; a number that only moves does not need to flood the line
        if message == self._message and now - self._reported < PROGRESS_EVERY_S:
            return
        self._reported, self._message = now, message
        whole = self.begin + (self.end - self.begin) * float(fraction)
        self._worker.send(protocol.Progress(self._job_id, whole, message))

    def progress_or_stop(self, fraction: float, message: str) -> None:
        """For loading, which asks nothing itself: a cancel ends it at the next report."""
        if self.is_cancelled():
            raise Cancelled()
        self.progress(fraction, message)

    def chunk(
        self,
        *,
        start_frame: int = 0,
        text: str = "",
        values: Mapping[str, Any] | None = None,
        arrays: Arrays | None = None,
    ) -> None:
        refs, buffers = pack_arrays({n: np.asarray(a) for n, a in (arrays or {}).items()})
        chunk = protocol.Chunk(
            self._job_id, self._chunks, start_frame, text, dict(values or {}), refs
        )
        self._chunks += 1
        self._worker.send(chunk, buffers)

    def is_cancelled(self) -> bool:
        return self._worker.is_cancelled(self._job_id)


def _error_event(error: Exception, job_id: str) -> protocol.Error:
    """What the user is told; a traceback goes to the log only."""
    if isinstance(error, HmvlmError):
        return protocol.Error(error.code, error.message, error.retryable, job_id)
    log.error("job %s failed", job_id, exc_info=error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        message = "The device ran out of memory: ask for fewer seconds, or close other programs."
        return protocol.Error(protocol.Code.OUT_OF_MEMORY, message, True, job_id)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" ({error.filename})" if error.filename else ""
        message = f"No space is left on the disk{where}: free some and try again."
        return protocol.Error(protocol.Code.ASSET, message, True, job_id)
    message = f"The backend failed ({type(error).__name__}: {error}): its log has the details."
    return protocol.Error(protocol.Code.INTERNAL, message, False, job_id)


def read_settings() -> WorkerSettings:
    """The first line of standard input."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(STDIN, 1)
        if not byte:
            raise SystemExit("the worker is started by its server, not by hand")
        line += byte
    return msgspec.json.decode(line, type=WorkerSettings)


def _end_with_the_server() -> None:
    # raw reads: a buffered stdin held by this thread would trip the interpreter's shutdown
    while os.read(STDIN, 1):
        pass
    os._exit(0)


def main() -> None:
    """Run as `python -m backend.worker` by the server."""
    # Ctrl-C in a terminal reaches the server too, and it is the server that decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    settings = read_settings()
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    weights = Path(settings.weights) if settings.weights else None
    engine = create_engine(settings.engine, EngineOptions(weights, settings.device))
    Worker(settings, engine).run()


if __name__ == "__main__":
    main()
