# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend on another machine of the studio: what the user types in, made into a connection.

No bpy here.
"""

import ipaddress

import zmq

from ..shared.connection import ConnectionFileError, ConnectionInfo

KEY_LETTERS = 40  # of a CURVE key as Z85 text


def network_connection(address: str, port: int, server_key: str, access_key: str) -> ConnectionInfo:
    """What `hmvlm serve --host` shows, as a connection.

    access_key: the secret that the clients share; whoever holds it may use the backend. Raises
    ConnectionFileError, which names what is missing or not whole.
    """
    address, server_key, access_key = address.strip(), server_key.strip(), access_key.strip()
    if not address or any(letter.isspace() or letter in "/*" for letter in address):
        raise ConnectionFileError("Type in the address of the machine that runs the backend.")
    if not 0 < port < 65536:
        raise ConnectionFileError(f"The port {port} is not between 1 and 65535.")
    for name, key in (("server", server_key), ("access", access_key)):
        if len(key) != KEY_LETTERS:
            raise ConnectionFileError(
                f"The {name} key has {len(key)} of {KEY_LETTERS} letters: copy it whole from what "
                "`hmvlm serve --host` shows on the other machine."
            )
    try:
        access_public = zmq.curve_public(access_key.encode()).decode()
    except (zmq.ZMQError, ValueError) as error:
        raise ConnectionFileError("The access key is mistyped: copy it anew.") from error
    return ConnectionInfo(
        endpoint=f"tcp://{_bracketed(address)}:{port}",
        server_public_key=server_key,
        client_public_key=access_public,
        client_secret_key=access_key,
        pid=0,
    )


def _bracketed(address: str) -> str:
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address
