# SPDX-License-Identifier: GPL-3.0-or-later
"""What the transport says about the connection to the backend, in words. No bpy here."""

from enum import StrEnum

import zmq

_REFUSED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
WATCHED = zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_DISCONNECTED | _REFUSED
"""The events of a socket's monitor that are looked at."""


class ClientState(StrEnum):
    """OFFLINE before `connect` and after `close`; LOST when the server is gone or refuses us."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"


def line_problem(event: int, state: ClientState, endpoint: str, file: str) -> str:
    """Why the connection cannot be used after this event; empty while it can.

    file: the connection file; empty for a backend on another machine.
    """
    if event == zmq.EVENT_DISCONNECTED and state is ClientState.READY:
        return "The backend stopped while it was connected: start it again and retry."
    if event == zmq.EVENT_CONNECT_RETRIED and state is ClientState.CONNECTING:
        if not file:
            return (
                f"No backend listens at {endpoint}: start `hmvlm serve --host` there, and let its "
                "port through that machine's firewall."
            )
        return f"No backend listens where {file} says: start it."
    if event & _REFUSED:
        if not file:
            return (
                f"The backend at {endpoint} does not accept the access key, or has another server "
                "key: type in both as it shows them."
            )
        return (
            f"The backend does not accept the keys in {file}: the file is not the running "
            "backend's. Stop the backend and start it again."
        )
    return ""
