# SPDX-License-Identifier: Apache-2.0
"""`hmvlm serve --host`: the keys of a backend that other machines use, and what to type in there.

The keys stay the same from run to run, because people type them in: the server's, by which clients
know that it is the right machine, and the access key that all clients share, without which the
server speaks to nobody. The secrets are in a file for its owner alone.
"""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import platformdirs
import psutil
import zmq

from backend.errors import HmvlmError, InvalidInput

EVERYWHERE = ("0.0.0.0", "::", "*")


class NetworkKeys(msgspec.Struct, frozen=True):
    """Two CURVE pairs as Z85 text."""

    server_public: str
    server_secret: str
    access_public: str
    access_secret: str


@dataclass(frozen=True)
class NetworkSettings:
    """Where to listen beside loopback."""

    host: str
    port: int
    keys: NetworkKeys

    @property
    def endpoint(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def default_keys_file() -> Path:
    """In the user's settings on this system."""
    return platformdirs.user_config_path("hmvlm") / "network_keys.json"


def prepare(host: str, port: int, path: Path | None, new: bool) -> NetworkSettings:
    """Read or make the keys, and print what to type in on the other machines.

    The access key is shown only when it was made just now: what a server prints ends up in logs.
    Raises HmvlmError.
    """
    if not 0 < port < 65536:
        raise InvalidInput(f"--port {port}: it is between 1 and 65535.")
    path = (path or default_keys_file()).absolute()
    fresh = new or not path.exists()
    keys = _make(path) if fresh else _read(path)
    access = keys.access_secret if fresh else f"as before; it is access_secret in {path}"
    addresses = _addresses() if host in EVERYWHERE else [host]
    print("In Blender on another machine: HMVLM > Backend > Set-up > Another Machine")
    print(f"  Address     {'  or  '.join(addresses)}")
    print(f"  Port        {port}")
    print(f"  Server Key  {keys.server_public}")
    print(f"  Access Key  {access}")
    print("Whoever has the access key can use this backend and, by path, pictures and videos that")
    print("this user may read. --new-keys shuts out everybody who has the old one.", flush=True)
    return NetworkSettings(host, port, keys)


def _make(path: Path) -> NetworkKeys:
    server_public, server_secret = zmq.curve_keypair()
    access_public, access_secret = zmq.curve_keypair()
    pairs = (server_public, server_secret, access_public, access_secret)
    keys = NetworkKeys(*(key.decode() for key in pairs))
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
        draft.replace(path)
    except OSError as error:
        raise HmvlmError(f"{path} cannot be written ({error}): choose another --keys.") from error
    finally:
        draft.unlink(missing_ok=True)
    return keys


def _read(path: Path) -> NetworkKeys:
    try:
        if sys.platform != "win32" and path.stat().st_mode & 0o077:
            raise HmvlmError(f"Other users may read {path}: make new keys with --new-keys.")
        return msgspec.json.decode(path.read_bytes(), type=NetworkKeys)
    except (OSError, msgspec.DecodeError) as error:
        raise HmvlmError(
            f"{path} is not a file of keys ({error}): make new ones with --new-keys."
        ) from error


def _addresses() -> list[str]:
    found = {
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET and not entry.address.startswith("127.")
    }
    return sorted(found) or [socket.gethostname()]
