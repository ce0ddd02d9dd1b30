# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing, examining and removing the backend from inside Blender, with a stand-in for uv.

Timers do not fire in Blender as a module, so these checks call the timer's function themselves.
"""

import os
import socket
import subprocess
import time
from pathlib import Path

import bpy
import pytest

PACKAGE = "bl_ext.user_default.hmvlm"
LIMIT_S = 120.0
UV = """#!/bin/sh
echo "uv $@"
case "$1" in
venv) mkdir -p "$3/bin"; cp "$0.python" "$3/bin/python" ;;
pip) sleep $PAUSE ;;
esac
"""


@pytest.fixture
def chosen(extension, tmp_path):
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.install_folder = str(tmp_path / "root")
    preferences.connection_file = str(tmp_path / "connection.json")
    preferences.backend_path = ""
    bpy.context.preferences.system.use_online_access = True
    yield preferences
    for name in ("install_folder", "backend_path", "arguments", "address", "access_key"):
        preferences.property_unset(name)
    preferences.where = "LOCAL"


@pytest.fixture
def setup(part, chosen, monkeypatch, tmp_path):
    """The add-on's set-up, with the stand-in where uv would be put."""
    script = part("core.installer_script")
    folder = tmp_path / "root" / "bootstrap" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "root" / script.MARKER).touch()
    (folder / "uv").write_text(UV)
    (folder / "uv.python").write_text("#!/bin/sh\necho 'ok    torch: here'\n")
    for path in folder.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PAUSE", "0")
    monkeypatch.setattr(
        part("core.installer"), "estimate", lambda _: part("core.installer").SizeEstimate(1, 1)
    )
    setup = part("bridge.setup")
    yield setup
    setup.unregister()
    setup.register()


def tick_until(tick, condition) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        tick()
        time.sleep(0.01)


def install(setup) -> None:
    assert bpy.ops.hmvlm.install_backend(choice="CPU") == {"FINISHED"}
    tick_until(setup.tick, lambda: not setup.installing())


def test_the_zip_carries_the_backend(part, extension):
    package = part("core.installer").find_package(Path(extension.__file__).parent)
    assert package.version == "0.1.0"
    assert package.wheel.stat().st_size > 20_000_000  # with its weights


def test_install_examine_remove(setup, chosen, tmp_path):
    chosen.backend_path = "/somewhere/else"
    assert setup.installed() is None
    install(setup)
    assert setup.peek().note == "The backend is installed.", setup.peek().problem
    assert setup.installed().choice == "cpu"
    assert chosen.backend_path == ""
    log = bpy.data.texts[setup.INSTALL_LOG].as_string()
    assert "== Checking the backend" in log
    assert "--torch-backend cpu" in log or os.uname().sysname == "Darwin"

    assert bpy.ops.hmvlm.doctor() == {"FINISHED"}
    assert not bpy.ops.hmvlm.doctor.poll()
    tick_until(setup.tick, lambda: not setup.examining())
    assert setup.diagnosis().text == "All is well: 1 checks"
    assert "torch: here" in bpy.data.texts[setup.DOCTOR_LOG].as_string()
    assert bpy.ops.hmvlm.show_log(text=setup.DOCTOR_LOG) == {"FINISHED"}

    assert bpy.ops.hmvlm.remove_backend() == {"FINISHED"}
    tick_until(setup.tick, lambda: not setup.installing())
    assert setup.installed() is None
    assert not (tmp_path / "root").exists()
    with pytest.raises(RuntimeError, match="holds no backend"):
        bpy.ops.hmvlm.remove_backend()


def test_cancel_keeps_the_old_one(setup, monkeypatch):
    install(setup)
    before = setup.installed()
    assert not bpy.ops.hmvlm.cancel_setup.poll()
    monkeypatch.setenv("PAUSE", "600")
    assert bpy.ops.hmvlm.install_backend(choice="CPU") == {"FINISHED"}
    assert not bpy.ops.hmvlm.install_backend.poll()
    tick_until(setup.tick, lambda: "packages" in setup.peek().step)
    assert bpy.ops.hmvlm.cancel_setup() == {"FINISHED"}
    tick_until(setup.tick, lambda: not setup.installing())
    assert setup.peek().note == "Cancelled: nothing was changed."
    assert setup.installed() == before


def test_switching_the_add_on_off_ends_the_installer(setup, monkeypatch):
    monkeypatch.setenv("PAUSE", "600")
    bpy.ops.hmvlm.install_backend(choice="CPU")
    tick_until(setup.tick, lambda: "packages" in setup.peek().step)
    child = setup.peek()._child
    setup.unregister()
    setup.register()
    assert not child.running
    assert not setup.installing()


def test_offline_blender_installs_nothing_and_says_how(setup):
    bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.hmvlm.install_backend(choice="CPU")
    assert not setup.installing()


def test_an_existing_environment_needs_no_network(setup, chosen):
    bpy.context.preferences.system.use_online_access = False
    python = os.environ["HMVLM_BACKEND_PYTHON"]
    assert bpy.ops.hmvlm.install_backend(choice="EXISTING", path=python) == {"FINISHED"}
    assert chosen.backend_path == python
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.hmvlm.install_backend(choice="EXISTING", path="/no/such/place")


def test_a_backend_on_another_machine(part, chosen, tmp_path):
    """Served on a second address of this machine, with keys that are typed in."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keys = tmp_path / "keys.json"
    command = [os.environ["HMVLM_BACKEND_PYTHON"], "-m", "backend.cli", "serve"]
    command += ["--engine", "tests.wire.fake_engine:create", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--keys", str(keys)]
    command += ["--connection-file", str(tmp_path / "theirs.json")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        shown = {}
        while "Access" not in shown:
            words = server.stdout.readline().split()
            shown[words[0]] = words[-1]
        while not (tmp_path / "theirs.json").exists():
            time.sleep(0.05)
        runtime = part("bridge.runtime")
        chosen.where, chosen.address, chosen.port = "NETWORK", "127.0.0.1", port
        chosen.server_key, chosen.access_key = shown["Server"], shown["Access"]
        assert bpy.ops.hmvlm.start_backend() == {"FINISHED"}
        session = runtime.peek()
        tick_until(runtime.tick, lambda: session.report is not None)
        assert not session.owns_backend
        assert not bpy.ops.hmvlm.doctor.poll()
        bpy.ops.hmvlm.stop_backend()
        assert server.poll() is None  # somebody else's

        chosen.access_key = shown["Server"]
        with pytest.raises(RuntimeError, match=r"mistyped|does not accept"):
            _connect(runtime)
        bpy.context.preferences.system.use_online_access = False
        chosen.address = "studio-box"
        with pytest.raises(RuntimeError, match="work offline"):
            bpy.ops.hmvlm.start_backend()
    finally:
        server.terminate()
        server.wait(30)
        part("bridge.runtime").reset()


def _connect(runtime) -> None:
    bpy.ops.hmvlm.start_backend()
    tick_until(runtime.tick, lambda: runtime.peek().state == "stopped")
    raise RuntimeError(runtime.peek().problem)
