# SPDX-License-Identifier: Apache-2.0
"""The hand-over file: where the server listens and the keys that open it.

Whoever can read the file may use the server, so it is made for its owner alone (0600) and written
in one step: a reader sees the old file or the new one, never half of it.
"""

import os
import sys
from pathlib import Path

import msgspec

from . import protocol


class ConnectionFileError(Exception):
    """The file is missing or unusable; the message says what to do."""


class ConnectionInfo(msgspec.Struct, frozen=True):
    """Keys are Z85 text as ZeroMQ's CURVE uses them.

    launch_id: what the program that started the server passed, to know its own server by.
    """

    endpoint: str
    server_public_key: str
    client_public_key: str
    client_secret_key: str
    pid: int
    protocol_major: int = protocol.MAJOR
    protocol_minor: int = protocol.MINOR
    package: str = ""
    launch_id: str = ""


def default_connection_file() -> Path:
    """The user's own place for it on this system; HMVLM_CONNECTION_FILE overrides it."""
    given = os.environ.get("HMVLM_CONNECTION_FILE")
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        runtime = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME")
        base = Path(runtime) if runtime else Path.home() / ".cache"
    return base / "hmvlm" / "connection.json"


def write_connection_file(path: Path, info: ConnectionInfo) -> None:
    """Write it for the owner alone, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_connection_file(path: Path) -> ConnectionInfo:
    """Read it; ConnectionFileError when there is none or it is not safe or not whole."""
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise ConnectionFileError(
            f"No backend has written {path}: start it (`hmvlm serve`, or Start in the panel)."
        ) from error
    except OSError as error:
        raise ConnectionFileError(f"{path} cannot be read: {error.strerror}.") from error
    if os.name == "posix" and mode & 0o077:
        raise ConnectionFileError(
            f"Other users may read {path}, which holds keys: stop the backend, delete the file "
            "and start it again."
        )
    try:
        return msgspec.json.decode(text, type=ConnectionInfo)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConnectionFileError(
            f"{path} is not a connection file ({error}): delete it and start the backend again."
        ) from error
