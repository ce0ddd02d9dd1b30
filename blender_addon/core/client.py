# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the backend: no threads, no waiting; whoever owns it calls `pump` now and then.

    client = Client(connection_file)
    client.connect()
    job_id = client.submit("text_to_motion", {"prompt": "a person walks"})
    for event in client.pump(): ...        # also updates client.jobs[job_id]

A backend that dies or falls silent ends every open job in an `error` event, so a job always ends.
No bpy here.
"""

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zmq
from zmq.utils.monitor import parse_monitor_message

from ..shared import protocol
from ..shared.codec import (
    Codec,
    ProtocolError,
    VersionMismatchError,
    encode,
    pack_arrays,
    unpack_arrays,
)
from ..shared.connection import ConnectionFileError, ConnectionInfo, read_connection_file
from ..shared.motion import MotionError
from .jobs import Job, JobState
from .line_problem import WATCHED, ClientState, line_problem
from .upload import Outbox, UploadError

PING_EVERY_S = 2.0
SILENCE_S = 15.0  # the server answers pings while the model runs, so this long means it is gone
HANDSHAKE_S = 10.0
REFUSAL_MS = 20
PUMP_GAP_S = 1.0  # after such a pause it was we who did not listen: the clock starts anew


class ClientError(Exception):
    """The request could not be sent; the message says what to do."""


@dataclass(frozen=True)
class ClientEvent:
    """One event with its arrays unpacked."""

    message: Any
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        return getattr(self.message, "job_id", "")


class Client:
    """A DEALER socket and the jobs sent through it.

    network: gives the way to a backend on another machine, or raises ConnectionFileError; the
    connection file is not read then.
    """

    def __init__(
        self,
        connection_file: Path | str,
        name: str = "client",
        network: Callable[[], ConnectionInfo] | None = None,
    ) -> None:
        self.connection_file = Path(connection_file)
        self.name = name
        self._network = network
        self._endpoint = ""
        self.state = ClientState.OFFLINE
        self.problem = ""  # why the state is LOST
        self.jobs: dict[str, Job] = {}
        self.welcome: protocol.Welcome | None = None
        self.report: protocol.StatusReport | None = None
        self._codec: Codec[Any] = Codec(protocol.Event)
        self._context: zmq.Context[Any] | None = None
        self._socket: zmq.Socket[Any] | None = None
        self._monitor: zmq.Socket[Any] | None = None
        self._seq = 0
        self._sent: dict[int, str] = {}  # the jobs of what is not yet answered, by seq
        self._outbox = Outbox(self._send)
        self._ended: list[ClientEvent] = []  # jobs that ended before the server knew of them
        self._last_pump = 0.0
        self._heard = 0.0
        self._pinged = 0.0

    @property
    def on_network(self) -> bool:
        """Whether the backend is on another machine."""
        return self._network is not None

    # --- connecting ---------------------------------------------------------------------------

    def connect(self) -> None:
        """Read the connection file and begin to connect; `pump` completes it.

        Raises ConnectionFileError when there is no usable file, or nobody listens where it says.
        Jobs of an earlier connection stay in `jobs`, ended.
        """
        self.close()
        info = self._network() if self._network else read_connection_file(self.connection_file)
        self._endpoint = info.endpoint
        if info.protocol_major != protocol.MAJOR:
            raise ConnectionFileError(
                f"The backend speaks protocol {info.protocol_major}, this client speaks "
                f"{protocol.MAJOR}: install the add-on and the backend from the same release."
            )
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        try:
            socket.linger = 0
            socket.ipv6 = self.on_network
            socket.curve_serverkey = info.server_public_key.encode()
            socket.curve_publickey = info.client_public_key.encode()
            socket.curve_secretkey = info.client_secret_key.encode()
            monitor = socket.get_monitor_socket(WATCHED)
            monitor.linger = 0
            socket.connect(info.endpoint)
        except (zmq.ZMQError, ValueError, UnicodeEncodeError) as error:
            context.destroy(linger=0)
            raise ConnectionFileError(
                f"{self._endpoint} cannot be used ({error}): check address and keys."
                if self._network
                else f"{self.connection_file} is damaged ({error}): restart the backend."
            ) from error
        self._context, self._socket, self._monitor = context, socket, monitor
        self.state, self.problem = ClientState.CONNECTING, ""
        self.welcome = self.report = None
        # a killed server leaves its file behind; on loopback the refusal is there in no time
        if monitor.poll(REFUSAL_MS):
            problem = self._read_monitor()
            if problem:
                self._lose(problem)
                raise ConnectionFileError(problem)
        self._last_pump = self._heard = self._pinged = time.monotonic()
        self._send(protocol.Hello(client=self.name, minor=protocol.MINOR))

    def close(self) -> None:
        """Let go of the socket; jobs that are still open end as failed."""
        if self._context is not None:
            self._lose("The connection to the backend was closed.")
        self.state = ClientState.OFFLINE

    # --- requests -----------------------------------------------------------------------------

    def submit(
        self,
        task: str,
        params: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        job_id: str | None = None,
        files: Collection[str] = (),
    ) -> str:
        """Send a job and return its id. The same id again attaches to the job it named.

        files: the parameters that are paths of files here. A backend on another machine is sent
        these files first, by `pump`, while the job is SENDING. Raises ClientError.
        """
        job_id = job_id or uuid.uuid4().hex
        job = Job(job_id, task)
        paths = {name: str(params[name]) for name in files if params.get(name)}
        try:
            refs, buffers = pack_arrays(arrays or {})
            submit = protocol.Submit(job_id, task, dict(params), refs)
            if self.on_network and paths:
                self._check_takes_files()
                encode(submit, buffers)  # what cannot travel is refused before the files do
                self._outbox.add(job, submit, buffers, paths)
            else:
                self._sent[self._send(submit, buffers)] = job_id
        except ProtocolError as error:
            raise ClientError(f"The request cannot be sent: {error}") from error
        except UploadError as error:
            raise ClientError(str(error)) from error
        self.jobs[job_id] = job
        return job_id

    def _check_takes_files(self) -> None:
        if self.state is not ClientState.READY or self.welcome is None:
            raise ClientError(self.problem or "The backend is not connected: start it first.")
        if self.welcome.minor < protocol.UPLOADS_SINCE:
            raise ClientError(
                f"The backend on the other machine (HMVLM {self.welcome.package}) is too old to be "
                "sent files: update it there to the release of this add-on."
            )

    def load_model(self, job_id: str | None = None) -> str:
        """Have the model loaded now; a job like any other."""
        job_id = job_id or uuid.uuid4().hex
        self._sent[self._send(protocol.LoadModel(job_id))] = job_id
        self.jobs[job_id] = Job(job_id, "load_model")
        return job_id

    def cancel(self, job_id: str) -> None:
        """Ask for one job to stop; it ends with its `cancelled` event."""
        job = self.jobs.get(job_id)
        if job is not None:
            job.cancel_requested = True
        if self._outbox.drop(job_id):
            self._end(protocol.Cancelled(job_id))
        else:
            self._send(protocol.Cancel(job_id))

    def request_status(self) -> None:
        """Ask for a status report; it arrives as an event and in `report`."""
        self._send(protocol.Status())

    def shutdown(self) -> None:
        """Ask the server to stop."""
        self._send(protocol.Shutdown())

    def forget(self, job_id: str) -> None:
        """Drop a job that the owner is done with."""
        self.jobs.pop(job_id, None)

    # --- events -------------------------------------------------------------------------------

    def pump(self, max_ms: float = 5.0) -> list[ClientEvent]:
        """Take what has arrived, for at most `max_ms`, and never wait for more."""
        if self._socket is None:
            return []
        now = time.monotonic()
        deadline = now + max_ms / 1000
        if now - self._last_pump > PUMP_GAP_S:
            self._heard = now
        self._last_pump = now
        events = self._drain(deadline)
        trouble = self._read_monitor()
        if trouble:
            events += self._drain(deadline)
            events += self._lose(trouble)
        elif self._socket is not None:
            events += self._keep_alive(time.monotonic())
            events += self._send_files(deadline)
        ended, self._ended = self._ended, []
        return events + ended

    def wait(self, timeout_ms: int) -> None:
        """Sleep until something arrives or the time is over: for programs without a main loop."""
        if self._socket is None or self._monitor is None:
            time.sleep(timeout_ms / 1000)
            return
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        poller.poll(timeout_ms)

    def _send_files(self, deadline: float) -> list[ClientEvent]:
        try:
            for event in self._outbox.pump(deadline, self._sent.__setitem__):
                self._end(event)
        except ClientError as error:
            return self._lose(str(error))
        return []

    def _end(self, event: Any) -> None:
        """End a job that the server does not know of."""
        job = self.jobs.get(event.job_id)
        if job is not None and job.apply(event):
            self._ended.append(ClientEvent(event))

    def _drain(self, deadline: float) -> list[ClientEvent]:
        events: list[ClientEvent] = []
        while self._socket is not None:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._heard = time.monotonic()
            events += self._receive(frames)
            if time.monotonic() >= deadline:
                break
        return events

    def _receive(self, frames: list[bytes]) -> list[ClientEvent]:
        try:
            envelope = self._codec.decode(frames)
            message = self._named(envelope.header, envelope.message)
            arrays = unpack_arrays(getattr(message, "arrays", {}), envelope.buffers)
            job = self.jobs.get(getattr(message, "job_id", ""))
            if job is not None and not job.apply(message, arrays):
                return []
        except VersionMismatchError as error:
            return self._lose(str(error))
        except (ProtocolError, MotionError) as error:
            return self._lose(f"The backend sent something unreadable ({error}): restart it.")
        if isinstance(message, protocol.Welcome):
            self.state, self.welcome = ClientState.READY, message
        elif isinstance(message, protocol.Accepted):
            self._sent = {seq: name for seq, name in self._sent.items() if name != message.job_id}
        elif isinstance(message, protocol.Uploaded):
            self._sent.pop(envelope.header.reply_to, None)
            self._outbox.uploaded(message)
        elif isinstance(message, protocol.StatusReport):
            self.report = message
        return [ClientEvent(message, arrays)]

    def _named(self, header: protocol.Header, message: Any) -> Any:
        """An error about a submit that the server could not even read belongs to its job."""
        if isinstance(message, protocol.Error) and not message.job_id:
            job_id = self._sent.pop(header.reply_to, "")
            return msgspec.structs.replace(message, job_id=job_id)
        return message

    def _read_monitor(self) -> str:
        """Why the connection broke, as the transport tells it; empty while it holds."""
        while self._monitor is not None:
            try:
                event = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))["event"]
            except zmq.Again:
                return ""
            file = "" if self._network else str(self.connection_file)
            problem = line_problem(event, self.state, self._endpoint, file)
            if problem:
                return problem
        return ""

    def _keep_alive(self, now: float) -> list[ClientEvent]:
        limit = HANDSHAKE_S if self.state is ClientState.CONNECTING else SILENCE_S
        if now - self._heard > limit:
            if self.on_network and self.state is ClientState.CONNECTING:
                return self._lose(
                    f"No answer from {self._endpoint} for {limit:.0f} s: check address, port and "
                    "server key, and that machine's firewall."
                )
            return self._lose(
                f"The backend has not answered for {limit:.0f} s: restart it (its log says why)."
            )
        if self.state is ClientState.READY and now - max(self._pinged, self._heard) > PING_EVERY_S:
            self._pinged = now
            self._send(protocol.Ping())
        return []

    def _send(self, message: msgspec.Struct, buffers: list[bytes] | None = None) -> int:
        if self._socket is None:
            raise ClientError(self.problem or "The backend is not connected: start it first.")
        self._seq += 1
        try:
            self._socket.send_multipart(encode(message, buffers or [], seq=self._seq), zmq.NOBLOCK)
        except zmq.Again as error:
            raise ClientError("The backend takes no more requests: restart it.") from error
        return self._seq

    def _lose(self, problem: str) -> list[ClientEvent]:
        """End every open job and drop the socket."""
        if self._context is not None:
            if self._socket is not None:
                self._socket.disable_monitor()
            self._context.destroy(linger=0)
        self._context = self._socket = self._monitor = None
        self._sent.clear()
        self._outbox.clear()
        self.state, self.problem = ClientState.LOST, problem
        events = []
        for job in self.jobs.values():
            error = protocol.Error(protocol.Code.BACKEND_LOST, problem, True, job.job_id)
            if not job.finished:
                job.apply(error)
                events.append(ClientEvent(error))
        return events


__all__ = ["Client", "ClientError", "ClientEvent", "ClientState", "Job", "JobState"]
