# SPDX-License-Identifier: Apache-2.0
"""The server process: one loop over three sockets, which never computes and never waits.

Clients talk to a ROUTER socket on loopback, and on the network if that is asked for; the worker to
another; ZeroMQ itself asks on a third who may connect. Torch is never imported here.
"""

import logging
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import zmq

from backend.engine import DEFAULT_ENGINE, EngineOptions, create_engine
from backend.errors import HmvlmError
from backend.network_keys import NetworkSettings
from backend.processes import FileLock, ParentWatch, memory_of
from backend.scheduler import Effect, KillWorker, Scheduler, SchedulerLimits, Send, StartJob
from backend.uploads import Uploads
from backend.version import package_version
from backend.worker_link import ZAP_DOMAIN as WORKER_DOMAIN
from backend.worker_link import WorkerLink
from backend.worker_messages import WorkerState
from backend.zap import ZapHandler
from blender_addon.shared import protocol
from blender_addon.shared.codec import (
    MAX_BUFFER_BYTES,
    Codec,
    ProtocolError,
    VersionMismatchError,
    encode,
    encode_refusal,
    unpack_arrays,
)
from blender_addon.shared.connection import (
    ConnectionFileError,
    ConnectionInfo,
    read_connection_file,
    write_connection_file,
)

CLIENT_DOMAIN = b"client"
TICK_MS = 200
FAREWELL_MS = 300
MAX_MESSAGES_A_TURN = 100
LOAD_MODEL = "load_model"

log = logging.getLogger("hmvlm.server")


class AlreadyServedError(HmvlmError):
    """Another server holds the connection file."""


@dataclass(frozen=True)
class ServerSettings:
    """engine: "module:function"; parent_pid: stop when that process is gone.

    network: where to listen beside loopback, and with which keys; None: nowhere.
    """

    connection_file: Path
    engine: str = DEFAULT_ENGINE
    options: EngineOptions = field(default_factory=EngineOptions)
    parent_pid: int | None = None
    launch_id: str = ""
    limits: SchedulerLimits = field(default_factory=SchedulerLimits)
    network: NetworkSettings | None = None


class Server:
    """`run` serves until it is told to stop; everything else reacts to one thing that happened."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._tasks = create_engine(settings.engine, settings.options).tasks
        self._scheduler = Scheduler(settings.limits)
        self._uploads = Uploads()
        self._codec: Codec[Any] = Codec(protocol.Request)
        self._parent = ParentWatch(settings.parent_pid) if settings.parent_pid else None
        self._lock = FileLock(
            settings.connection_file.with_name(settings.connection_file.name + ".lock")
        )
        self._started = time.monotonic()
        self._stopping = False
        self._seq = 0

    def run(self) -> None:
        """Serve. Raises AlreadyServedError when another server holds the connection file."""
        try:
            if not self._lock.acquire():
                raise AlreadyServedError(_already_served(self._settings.connection_file))
            self._serve()
        except OSError as error:
            raise HmvlmError(
                f"{self._settings.connection_file} cannot be written ({error}): free some space, "
                "or choose another place with --connection-file."
            ) from error
        finally:
            self._uploads.close()
            self._lock.release()

    def _serve(self) -> None:
        # fresh keys for each run: an old file opens nothing
        server_public, server_secret = zmq.curve_keypair()
        client_public, client_secret = zmq.curve_keypair()
        keys = [client_public]
        network = self._settings.network
        if network is not None:  # typed in by people: this key stays the same
            server_public = network.keys.server_public.encode()
            server_secret = network.keys.server_secret.encode()
            keys.append(network.keys.access_public.encode())
        context = zmq.Context()
        options = self._settings.options
        self._worker = WorkerLink(
            context, self._settings.engine, options.device, str(options.weights or "")
        )
        zap = ZapHandler(context, {CLIENT_DOMAIN: keys, WORKER_DOMAIN: [self._worker.public_key]})
        self._clients = _bind(context, server_secret, network)
        poller = zmq.Poller()
        for socket in (zap.socket, self._clients, self._worker.socket):
            poller.register(socket, zmq.POLLIN)
        info = ConnectionInfo(
            endpoint=self._clients.getsockopt_string(zmq.LAST_ENDPOINT),
            server_public_key=server_public.decode(),
            client_public_key=client_public.decode(),
            client_secret_key=client_secret.decode(),
            pid=os.getpid(),
            package=package_version(),
            launch_id=self._settings.launch_id,
        )
        self._worker.spawn()
        try:
            write_connection_file(self._settings.connection_file, info)
            log.info("serving %s, process %d", self._settings.connection_file, info.pid)
            while not self._stopping:
                ready = dict(poller.poll(TICK_MS))
                if zap.socket in ready:
                    zap.serve()
                if self._worker.socket in ready:
                    self._from_worker()
                if self._clients in ready:
                    self._from_clients()
                self._tick()
        finally:
            self._apply(self._scheduler.stop())
            self._worker.stop(patience_s=1.0)
            _remove_own_file(self._settings.connection_file, info)
            # everywhere else we do not linger; here the last words should still go out
            self._clients.close(linger=FAREWELL_MS)
            zap.socket.close()
            self._worker.socket.close()
            context.term()
            log.info("stopped")

    def stop(self) -> None:
        """Leave the loop at its next turn."""
        self._stopping = True

    # --- what happens -------------------------------------------------------------------------

    def _tick(self) -> None:
        now = time.monotonic()
        if self._parent is not None and self._parent.gone():
            log.info("process %s is gone, so this server stops", self._settings.parent_pid)
            self.stop()
        if self._worker.ended():
            self._scheduler.worker_dying()
            self._from_worker()  # what it said before it died comes first
        reason = self._worker.poll(now)
        if reason is not None:
            if self._worker.state == "failed":
                self._apply(self._scheduler.worker_unavailable(reason))
            else:
                self._apply(self._scheduler.worker_lost(reason))
        self._apply(self._scheduler.tick(now))
        for client, uploaded in self._uploads.tick(self._scheduler.is_open):
            self._reply(client, uploaded)

    def _from_worker(self) -> None:
        for envelope in self._worker.receive():
            if isinstance(envelope.message, WorkerState):
                if self._worker.mark_ready():
                    self._apply(self._scheduler.worker_ready())
            else:
                event = envelope.message
                if isinstance(event, protocol.Error):
                    event = self._uploads.in_users_words(event)
                self._apply(self._scheduler.worker_event(event, envelope.buffers))

    def _from_clients(self) -> None:
        for _ in range(MAX_MESSAGES_A_TURN):
            try:
                client, *frames = self._clients.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                envelope = self._codec.decode(frames)
            except VersionMismatchError as mismatch:
                log.warning("refused a client of protocol %d", mismatch.theirs)
                self._send_frames(client, encode_refusal(mismatch.theirs))
                continue
            except ProtocolError as error:
                log.warning("a malformed message: %s", error)
                refusal = _error(protocol.Code.MALFORMED, f"Malformed message: {error}.")
                self._reply(client, refusal, error.seq)
                continue
            seq = envelope.header.seq
            try:
                self._request(client, seq, envelope.message, envelope.buffers)
            # the boundary of the server: a fault in one request must not end it for all
            except Exception as error:
                log.exception("a request failed")
                text = f"The backend failed ({type(error).__name__}): its log has the details."
                self._reply(client, _error(protocol.Code.INTERNAL, text), seq)

    def _request(self, client: bytes, seq: int, message: Any, buffers: list[bytes]) -> None:
        match message:
            case protocol.Hello():
                tasks = sorted(self._tasks)
                welcome = protocol.Welcome(package_version(), protocol.MINOR, os.getpid(), tasks)
                self._reply(client, welcome, seq)
            case protocol.Ping():
                self._reply(client, protocol.Pong(), seq)
            case protocol.Status():
                self._reply(client, self._report(), seq)
            case protocol.Submit():
                self._submit(client, message, buffers)
            case protocol.LoadModel(job_id):
                self._enqueue(client, protocol.Submit(job_id, LOAD_MODEL), [])
            case protocol.Upload():
                self._upload(client, seq, message, buffers)
            case protocol.DropUpload(upload_id):
                self._uploads.drop(client, upload_id)
            case protocol.Cancel(job_id):
                self._apply(self._scheduler.cancel(job_id, client, time.monotonic()))
            case protocol.Shutdown():
                self._reply(client, protocol.Goodbye(), seq)
                self.stop()

    def _submit(self, client: bytes, submit: protocol.Submit, buffers: list[bytes]) -> None:
        """Turn down what cannot work before it waits in the queue."""
        if not self._scheduler.knows(submit.job_id):
            task = self._tasks.get(submit.task)
            try:
                submit = self._uploads.claim(client, submit)  # so that they go with a refusal too
                if task is None:
                    self._reply(client, self._unknown_task(submit))
                    return
                task.check(submit.params, unpack_arrays(submit.arrays, buffers))
            except ProtocolError as error:
                text = f"Malformed arrays: {error}."
                self._reply(client, _error(protocol.Code.MALFORMED, text, submit.job_id))
                return
            except HmvlmError as error:
                refusal = protocol.Error(error.code, error.message, error.retryable, submit.job_id)
                self._reply(client, refusal)
                return
        self._enqueue(client, submit, buffers)

    def _unknown_task(self, submit: protocol.Submit) -> protocol.Error:
        message = (
            f"This backend has no task {submit.task!r}; it has "
            f"{', '.join(sorted(self._tasks))}: update whichever side is older."
        )
        return protocol.Error(protocol.Code.UNKNOWN_TASK, message, False, submit.job_id)

    def _upload(
        self, client: bytes, seq: int, upload: protocol.Upload, buffers: list[bytes]
    ) -> None:
        try:
            self._reply(client, self._uploads.receive(client, upload, buffers), seq)
        except HmvlmError as error:
            self._reply(client, protocol.Error(error.code, error.message, error.retryable), seq)

    def _enqueue(self, client: bytes, submit: protocol.Submit, buffers: list[bytes]) -> None:
        if self._worker.state == "failed":
            self._worker.spawn()
        self._apply(self._scheduler.submit(submit, buffers, client))

    def _report(self) -> protocol.StatusReport:
        state, info = self._worker.state, self._worker.info
        if state == "ready":
            state = "busy" if self._scheduler.running else "idle"
        return protocol.StatusReport(
            package=package_version(),
            pid=os.getpid(),
            uptime_s=time.monotonic() - self._started,
            worker=state,
            worker_pid=info.pid,
            model=info.model,
            device=info.device,
            running=self._scheduler.running or "",
            queued=self._scheduler.queued,
            model_name=info.model_name,
            device_name=info.device_name,
            memory_bytes=memory_of(info.pid),
            device_memory_bytes=info.device_memory_bytes,
            device_memory_total=info.device_memory_total,
        )

    # --- what is done about it ----------------------------------------------------------------

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._reply(effect.listener, effect.event, buffers=effect.buffers)
            elif isinstance(effect, StartJob):
                self._worker.send(effect.submit, effect.buffers)
            elif isinstance(effect, KillWorker):
                log.warning("killing the worker: %s", effect.reason)
                self._worker.kill()
            else:
                self._worker.send(protocol.Cancel(effect.job_id))

    def _reply(
        self, client: bytes, event: msgspec.Struct, reply_to: int = 0, buffers: Iterable[bytes] = ()
    ) -> None:
        self._seq += 1
        self._send_frames(client, encode(event, list(buffers), seq=self._seq, reply_to=reply_to))

    def _send_frames(self, client: bytes, frames: list[bytes]) -> None:
        try:
            self._clients.send_multipart([client, *frames], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._scheduler.drop_listener(client)
            self._uploads.drop_client(client)


def serve(settings: ServerSettings) -> None:
    """Run a server in this process until a signal or a client stops it."""
    server = Server(settings)
    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    for number in (getattr(signal, name, None) for name in names):
        if number is not None:
            signal.signal(number, lambda *_: server.stop())
    server.run()


def _bind(
    context: "zmq.Context[Any]", secret: bytes, network: NetworkSettings | None
) -> "zmq.Socket[Any]":
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    socket.router_mandatory = True  # so that we learn when a client is gone
    # a client that does not listen for a while (a render) must not lose its result; what can pile
    # up is small, since a job's output is bounded
    socket.sndhwm = 0
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_BUFFER_BYTES)
    socket.zap_domain = CLIENT_DOMAIN
    socket.curve_server = True
    socket.curve_secretkey = secret
    if network is not None:
        try:
            socket.ipv6 = ":" in network.host
            socket.bind(network.endpoint)
        except zmq.ZMQError as error:
            context.destroy(linger=0)
            raise HmvlmError(
                f"{network.endpoint} cannot be listened on ({error}): name an address of this "
                "machine with --host (0.0.0.0 for all of them) and a free --port."
            ) from error
        log.info("also listening on %s", network.endpoint)
        socket.ipv6 = False
    socket.bind("tcp://127.0.0.1:*")  # last, so that it is the endpoint in the file
    return socket


def _error(code: str, message: str, job_id: str = "") -> protocol.Error:
    return protocol.Error(code, message, False, job_id)


def _already_served(path: Path) -> str:
    try:
        holder = f"process {read_connection_file(path).pid}"
    except ConnectionFileError:
        holder = "another process that is just starting"
    return (
        f"A backend already serves {path} ({holder}): use that one, stop it first, "
        "or choose another file with --connection-file."
    )


def _remove_own_file(path: Path, info: ConnectionInfo) -> None:
    try:
        ours = read_connection_file(path) == info
    except ConnectionFileError:
        return
    if ours:
        path.unlink(missing_ok=True)
