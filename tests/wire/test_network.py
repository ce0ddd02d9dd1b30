# SPDX-License-Identifier: Apache-2.0
"""A server that listens on the network: here on another address of this machine's loopback."""

import json
import os
import socket
import sys

import pytest
import zmq
from backend_harness import Backend, collect, finish

from backend.errors import HmvlmError, InvalidInput
from backend.network_keys import prepare
from blender_addon.core.client import Client, ClientState
from blender_addon.core.network import network_connection
from blender_addon.shared.connection import ConnectionFileError, read_connection_file

pytestmark = pytest.mark.wire
HOST = "127.0.0.2"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The running server, its port, its keys file."""
    if sys.platform == "darwin":
        pytest.skip("macOS has no second loopback address")
    folder = tmp_path_factory.mktemp("network")
    backend, port = Backend(folder), free_port()
    backend.launcher.arguments += ["--host", HOST, "--port", str(port)]
    backend.launcher.arguments += ["--keys", str(folder / "keys.json")]
    backend.start()
    yield backend, port, json.loads((folder / "keys.json").read_text())
    backend.stop()


def way(port, server_key, access_key):
    return lambda: network_connection(HOST, port, server_key, access_key)


def connect(port, server_key, access_key) -> Client:
    client = Client("", "test", way(port, server_key, access_key))
    client.connect()
    collect(client, lambda _: client.state is not ClientState.CONNECTING)
    return client


def test_what_it_prints_opens_it(served):
    backend, port, _ = served
    log = backend.launcher.log_tail()
    rows = [line.split() for line in log.splitlines() if line.startswith("  ")]
    assert ["Address", HOST] in rows
    assert ["Port", str(port)] in rows
    keys = {row[0]: row[2] for row in rows if row[1:2] == ["Key"]}
    client = connect(port, keys["Server"], keys["Access"])
    assert client.state is ClientState.READY, client.problem
    job = finish(client, client.submit("echo", {"n": 3}))
    assert job.values == {"n": 3}
    client.close()


def test_this_machine_uses_its_file_as_ever(served):
    backend, _, keys = served
    info = read_connection_file(backend.connection_file)
    assert info.endpoint.startswith("tcp://127.0.0.1:")
    assert info.client_secret_key != keys["access_secret"]
    assert backend.client().state is ClientState.READY


def test_without_the_access_key_nobody_gets_in(served):
    backend, port, keys = served
    _, secret = zmq.curve_keypair()
    client = connect(port, keys["server_public"], secret.decode())
    assert client.state is ClientState.LOST
    assert "does not accept the access key" in client.problem
    assert "refused a client at 127" in backend.launcher.log_tail()


def test_a_machine_that_is_not_the_right_one(served):
    _, port, keys = served
    public, _ = zmq.curve_keypair()
    client = Client("", "test", way(port, public.decode(), keys["access_secret"]))
    client.connect()
    with pytest.raises(AssertionError):  # CURVE drops it without a word
        collect(client, lambda _: client.state is ClientState.READY, 0.5)
    client.close()


def test_nobody_listens_there(served):
    _, _, keys = served
    client = Client("", "test", way(free_port(), keys["server_public"], keys["access_secret"]))
    try:
        client.connect()
        collect(client, lambda _: client.state is ClientState.LOST)
        problem = client.problem
    except ConnectionFileError as error:
        problem = str(error)
    assert "No backend listens at" in problem


def test_the_report_tells_memory(served):
    client = served[0].client()
    finish(client, client.load_model())
    client.request_status()
    collect(client, lambda _: client.report is not None and client.report.model == "loaded")
    assert client.report.memory_bytes > 1_000_000
    assert client.report.device_memory_total == 0


# --- keys and addresses, without a server --------------------------------------------------------


def test_by_default_it_listens_on_loopback_alone():
    from backend.cli import build_parser

    assert build_parser("serve").parse_args(["serve"]).host == ""


def test_keys_stay_and_new_ones_can_be_made(tmp_path, capsys):
    path = tmp_path / "new" / "keys.json"
    first = prepare(HOST, 7788, path, new=False).keys
    assert first.access_secret in capsys.readouterr().out
    assert prepare(HOST, 7788, path, new=False).keys == first
    shown = capsys.readouterr().out
    assert first.access_secret not in shown
    assert str(path) in shown
    assert first.server_public in shown
    second = prepare(HOST, 7788, path, new=True).keys
    assert second.access_secret != first.access_secret
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
        with pytest.raises(HmvlmError, match="--new-keys"):
            prepare(HOST, 7788, path, new=False)
        path.chmod(0o600)
    path.write_text("{")
    with pytest.raises(HmvlmError, match="--new-keys"):
        prepare(HOST, 7788, path, new=False)
    with pytest.raises(InvalidInput, match="port"):
        prepare(HOST, 0, path, new=False)


SERVER, SECRET = (key.decode() for key in zmq.curve_keypair())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((" ", 7788, SERVER, SECRET), "address"),
        (("a b", 7788, SERVER, SECRET), "address"),
        (("box", 0, SERVER, SECRET), "port"),
        (("box", 7788, SERVER[:-1], SECRET), "server key has 39 of 40"),
        (("box", 7788, SERVER, ""), "access key has 0 of 40"),
        (("box", 7788, SERVER, " " * 2 + "\\" * 40), "mistyped"),
    ],
)
def test_what_is_mistyped_is_named(given, says):
    with pytest.raises(ConnectionFileError, match=says):
        network_connection(*given)


def test_addresses():
    assert network_connection(" box ", 1, SERVER, SECRET).endpoint == "tcp://box:1"
    assert network_connection("fe80::1", 7788, SERVER, SECRET).endpoint == "tcp://[fe80::1]:7788"
