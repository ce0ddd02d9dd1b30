# SPDX-License-Identifier: Apache-2.0
"""The server's end of the worker: its process, its socket, its life and death."""

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import zmq

from backend.worker_messages import FromWorker, WorkerSettings, WorkerState
from blender_addon.shared import protocol
from blender_addon.shared.codec import Codec, Envelope, ProtocolError, encode

ZAP_DOMAIN = b"worker"
READY_LIMIT_S = 60.0
BACKOFF_S = (0.0, 0.3, 1.0)

log = logging.getLogger("hmvlm.server")


class WorkerLink:
    """Keeps one worker alive. The server calls `poll` often, and `receive` when data is there.

    state: starting, ready or failed (it died before it was ready as often as BACKOFF_S has
    entries; `spawn` tries again).
    """

    def __init__(self, context: "zmq.Context[Any]", engine: str, device: str, weights: str) -> None:
        self._engine, self._device, self._weights = engine, device, weights
        self._server_public, server_secret = zmq.curve_keypair()
        self.public_key, self._secret = zmq.curve_keypair()
        self._codec: Codec[Any] = Codec(FromWorker)
        self.socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.sndhwm = 0
        self.socket.zap_domain = ZAP_DOMAIN
        self.socket.curve_server = True
        self.socket.curve_secretkey = server_secret
        self.socket.bind("tcp://127.0.0.1:*")
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._failures = 0
        self._spawned = 0.0
        self._spawn_at: float | None = None
        self._unstarted = False
        self.state = "starting"
        self.info = WorkerState(0)

    @property
    def _identity(self) -> bytes:
        return f"worker-{self._count}".encode()

    def spawn(self) -> None:
        """Start a process; it is ready when its first WorkerState arrives."""
        self._count += 1
        self._spawned, self._spawn_at = time.monotonic(), None
        self._unstarted = False
        self.state, self.info = "starting", WorkerState(0)
        settings = WorkerSettings(
            endpoint=self.socket.getsockopt_string(zmq.LAST_ENDPOINT),
            server_public_key=self._server_public.decode(),
            public_key=self.public_key.decode(),
            secret_key=self._secret.decode(),
            identity=self._identity.decode(),
            engine=self._engine,
            device=self._device,
            weights=self._weights,
        )
        # an error here, or one that ends the process at once, is found by poll()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "backend.worker"],
                stdin=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            self._process = process
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(settings) + b"\n")
            process.stdin.flush()
        except OSError as error:
            log.error("the worker could not be started: %s", error)
            self._unstarted = self._process is None

    def send(self, message: msgspec.Struct, buffers: Sequence[bytes] = ()) -> None:
        """To the present worker; nothing happens when it is gone (`poll` tells)."""
        self.socket.send_multipart([self._identity, *encode(message, buffers)], zmq.NOBLOCK)

    def receive(self) -> list[Envelope[Any]]:
        """What the present worker has said; a dead predecessor's words are dropped."""
        envelopes = []
        while True:
            try:
                identity, *frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return envelopes
            if identity != self._identity:
                continue
            try:
                envelope = self._codec.decode(frames)
            except ProtocolError as error:
                log.error("the worker sent something unreadable: %s", error)
                continue
            if isinstance(envelope.message, WorkerState):
                self.info = envelope.message
            envelopes.append(envelope)

    def mark_ready(self) -> bool:
        """Note a WorkerState; True when it was the first of this process."""
        first = self.state == "starting"
        self.state, self._failures = "ready", 0
        return first

    def kill(self) -> None:
        """End the process the hard way; `poll` then reports it."""
        if self._process is not None:
            self._process.kill()

    def ended(self) -> bool:
        """True when the process is gone and `poll` has not reported it yet."""
        return self._process is not None and self._process.poll() is not None

    def poll(self, now: float) -> str | None:
        """Why the worker is gone, once when it is; spawns the next one when its time comes."""
        if self._process is None and not self._unstarted:
            if self._spawn_at is not None and now >= self._spawn_at:
                self.spawn()
            return None
        code = self._process.poll() if self._process is not None else "none"
        if code is None:
            if self.state == "starting" and now - self._spawned > READY_LIMIT_S:
                self.kill()
            return None
        log.warning("the worker ended with code %s", code)
        self._release()
        self._unstarted = False
        if self.state != "ready":
            self._failures += 1
        self.state = "starting" if self._failures < len(BACKOFF_S) else "failed"
        if self.state == "starting":
            self._spawn_at = now + BACKOFF_S[self._failures]
            return f"The model's process ended in mid-work (code {code}); a new one is started."
        return f"The model's process cannot be started (code {code}): the backend's log says why."

    def stop(self, patience_s: float) -> None:
        """End the process and wait for it a little; for the end of the server only."""
        if self._process is None:
            return
        self.send(protocol.Shutdown())
        assert self._process.stdin is not None
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._release()

    def _release(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
