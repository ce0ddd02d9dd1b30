# SPDX-License-Identifier: Apache-2.0
"""Who may connect: ZeroMQ asks on an inproc socket (ZAP, RFC 27), and this answers.

CURVE alone proves the server to the client; only with this does the server refuse a client that
does not hold a key that is on the list: the one in the connection file, and for a server that
listens on the network the access key. Served from the same poll loop as everything else.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Any

import zmq
from zmq.utils import z85

ADDRESS = "inproc://zeromq.zap.01"
VERSION = b"1.0"

log = logging.getLogger("hmvlm.server")


class ZapHandler:
    """allowed: ZAP domain -> the public keys (Z85) that may connect to sockets of it."""

    def __init__(
        self, context: "zmq.Context[Any]", allowed: Mapping[bytes, Collection[bytes]]
    ) -> None:
        self._allowed = {
            domain: {z85.decode(key) for key in keys} for domain, keys in allowed.items()
        }
        self.socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind(ADDRESS)

    def serve(self) -> None:
        """Answer what has been asked; does not wait."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            delimiter = frames.index(b"")
            route, request = frames[: delimiter + 1], frames[delimiter + 1 :]
            self.socket.send_multipart([*route, *self._answer(request)], zmq.NOBLOCK)

    def _answer(self, request: list[bytes]) -> list[bytes]:
        version, request_id, domain, address, _identity, mechanism, *credentials = request
        accepted = (
            version == VERSION
            and mechanism == b"CURVE"
            and len(credentials) == 1
            and credentials[0] in self._allowed.get(domain, ())
        )
        if not accepted:
            log.warning("refused a client at %s: unknown key", address.decode("ascii", "replace"))
        code, text = (b"200", b"OK") if accepted else (b"400", b"unknown key")
        return [VERSION, request_id, code, text, b"", b""]
