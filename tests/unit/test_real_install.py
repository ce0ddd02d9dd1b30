# SPDX-License-Identifier: Apache-2.0
"""The installer for real: uv, PyTorch, the base models and the doctor, from the package registry.

Takes gigabytes and minutes; uv's own cache is used, so that a second run is quick.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

import build_backend
from blender_addon.core.installer import INSTALLED, Choice, Installer, find_installed, find_package

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def finish(subject: Installer) -> list[str]:
    lines = []
    while subject.active:
        subject.pump()
        lines += subject.take_lines()
        time.sleep(0.1)
    return lines


def test_install_and_remove(tmp_path, monkeypatch):
    cache = os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv"
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    build_backend.write_package(tmp_path / "addon" / "backend")
    subject, root = Installer(tmp_path / "scratch"), tmp_path / "root"
    subject.install(root, find_package(tmp_path / "addon"), Choice.SYSTEM)
    lines = finish(subject)
    assert subject.note == INSTALLED, subject.problem + "\n".join(lines[-30:])
    there = find_installed(root)
    assert there is not None
    found = subprocess.run(
        [there.python, "-c", "import backend; print(backend.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(root)
    absent = subprocess.run([there.python, "-c", "import bpy"], capture_output=True, check=False)
    assert absent.returncode != 0
    subject.remove(root)
    finish(subject)
    assert not root.exists()
