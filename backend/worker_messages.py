# SPDX-License-Identifier: Apache-2.0
"""What the server and its worker process say to each other.

Jobs go out as the client's own `Submit` and `Cancel`, and come back as the client's own events:
the server passes them on without looking inside. Only what follows is private to the pair.
"""

import msgspec

from blender_addon.shared import protocol


class WorkerSettings(msgspec.Struct, frozen=True):
    """One line of JSON on the worker's standard input, which then stays open.

    Keys go this way because arguments and environment can be read by others. The end of that
    input is how the worker learns, on every system, that its server is gone.
    """

    endpoint: str
    server_public_key: str
    public_key: str
    secret_key: str
    identity: str
    engine: str
    device: str = "auto"
    weights: str = ""


class WorkerState(msgspec.Struct, frozen=True, tag="worker_state"):
    """Sent once when the worker is ready, and whenever something in it changes."""

    pid: int
    model: str = "not loaded"
    device: str = ""
    model_name: str = ""
    device_name: str = ""
    device_memory_bytes: int = 0
    device_memory_total: int = 0


ToWorker = protocol.Submit | protocol.Cancel | protocol.Shutdown
FromWorker = (
    WorkerState
    | protocol.Progress
    | protocol.Chunk
    | protocol.Result
    | protocol.Error
    | protocol.Cancelled
)
