# SPDX-License-Identifier: Apache-2.0
"""The installer's program, run as a program, with a stand-in for uv that makes what uv makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon.core import installer_script
from blender_addon.core.child import Child
from blender_addon.core.installer import find_installed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")

UV = """#!/bin/sh
echo "uv $@"
case "$1" in
--version) exit 0 ;;
venv)
    [ "$5" = "3.11" ] && [ -n "$NO_PYTHON" ] && { mkdir -p "$3"; exit 2; }
    mkdir -p "$3/bin"
    cp "$0.python" "$3/bin/python"
    ;;
pip) [ -z "$NO_NETWORK" ] ;;
esac
"""
PYTHON = """#!/bin/sh
echo "python $@ with $UV_CACHE_DIR and $PYTHONPATH"
[ "$3" = "doctor" ] && [ -n "$SICK" ] && exit 1
exit 0
"""


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with the stand-in where uv would be put."""
    root = tmp_path / "root"
    (root / "bootstrap" / "bin").mkdir(parents=True)
    (root / installer_script.MARKER).touch()
    for name, text in (("uv", UV), ("uv.python", PYTHON)):
        path = root / "bootstrap" / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
    return root


def run(root: Path, verb: str = "install", id: str = "one", **environment: str):
    plan = {
        "verb": verb,
        "root": str(root),
        "id": id,
        "wheel": "hmvlm-0.1.0-py3-none-any.whl",
        "constraints": "constraints.txt",
        "version": "0.1.0",
        "choice": "cpu",
        "torch_backend": "cpu",
        "python": "3.11",
        "disk_bytes": float(environment.pop("disk_bytes", "0")),
    }
    file = root.parent / "plan.json"
    file.write_text(json.dumps(plan))
    clean = {k: v for k, v in os.environ.items() if k != "UV_CACHE_DIR"}
    return subprocess.run(
        [sys.executable, "-s", installer_script.__file__, str(file)],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def events(done) -> list[dict]:
    lines = [line for line in done.stdout.splitlines() if line.startswith(installer_script.EVENT)]
    return [json.loads(line.removeprefix(installer_script.EVENT)) for line in lines]


def test_install_repair_remove(root):
    done = run(root, PYTHONPATH="/elsewhere")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--constraint constraints.txt hmvlm-0.1.0-py3-none-any.whl --torch-backend cpu" in (
        done.stdout
    )
    assert f"backend.cli doctor with {root / 'cache'} and \n" in done.stdout
    fractions = [event["fraction"] for event in events(done)]
    assert fractions == sorted(fractions)
    first = find_installed(root)
    assert first is not None
    assert (first.choice, first.version) == ("cpu", "0.1.0")

    assert run(root, id="two").returncode == 0
    second = find_installed(root)
    assert second is not None
    assert second.python != first.python
    assert [path.name for path in (root / "environments").iterdir()] == ["two"]

    (root.parent / "mine.txt").touch()
    assert run(root, "remove").returncode == 0
    assert not root.exists()
    assert (root.parent / "mine.txt").exists()
    assert run(root, "remove").returncode == 0


@pytest.mark.parametrize("fault", ["NO_NETWORK", "SICK"])
def test_a_failure_leaves_the_old_one(root, fault):
    run(root)
    done = run(root, id="two", **{fault: "1"})
    assert done.returncode == 1
    assert "see the log" in events(done)[-1]["error"]
    found = find_installed(root)
    assert found is not None
    assert found.python.parts[-3] == "one"
    assert run(root, "clean").returncode == 0
    assert [path.name for path in (root / "environments").iterdir()] == ["one"]


def test_without_another_python_blenders_own_is_used(root):
    done = run(root, NO_PYTHON="1")
    assert done.returncode == 0, done.stdout
    assert f"--python {sys.executable}" in done.stdout
    assert "Blender's own is used" in done.stdout


def test_no_space(root):
    done = run(root, disk_bytes="1e18")
    assert done.returncode == 1
    assert "GB are needed" in events(done)[-1]["error"]


@pytest.mark.parametrize("verb", ["install", "remove", "clean"])
def test_a_folder_that_is_not_ours_stays_as_it_is(tmp_path, verb):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "film.blend").write_text("years of work")
    done = run(tmp_path / "mine", verb)
    assert done.returncode == 1
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["film.blend"]


def test_two_at_once(root):
    lock = installer_script.take(root)
    done = run(root)
    lock.close()
    assert "Another Blender" in events(done)[-1]["error"]


def test_a_cancel_in_the_middle(root, tmp_path):
    run(root)
    slow = root / "bootstrap" / "bin" / "uv"
    slow.write_text(UV.replace("pip) ", "pip) sleep 600; "))
    plan = json.loads((root.parent / "plan.json").read_text()) | {"id": "two"}
    (root.parent / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-s", installer_script.__file__, str(root.parent / "plan.json")]
    child = Child(command, tmp_path / "log.txt")
    child.start()
    heard: list[str] = []
    while not any("uv pip install" in line for line in heard):
        heard += child.poll()
        assert child.running, heard
    child.cancel()
    while child.running:
        child.poll()
    assert child.code != 0
    assert run(root, "clean").returncode == 0
    assert [path.name for path in (root / "environments").iterdir()] == ["one"]
    found = find_installed(root)
    assert found is not None
    assert found.python.parts[-3] == "one"
