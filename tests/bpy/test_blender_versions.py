# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in every Blender that it is for: checks/ runs in each, in its own environment.

The environments hold Blender and pytest alone, so pyzmq and msgspec can only come out of the zip.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.bpy

ROOT = Path(__file__).resolve().parents[2]
CHECKS = Path(__file__).parent / "checks"
REAL_MODEL = "check_real_model.py"
FILES = sorted(path.name for path in CHECKS.glob("check_*.py") if path.name != REAL_MODEL)
# (bpy, Python): the two that must work, then the oldest and the newest
VERSIONS = [
    pytest.param("4.5.15", "3.11", id="4.5"),
    pytest.param("5.0.1", "3.11", id="5.0"),
    pytest.param("4.2.23", "3.11", id="4.2", marks=pytest.mark.slow),
    pytest.param("5.2.3", "3.13", id="5.2", marks=pytest.mark.slow),
]


@pytest.fixture(scope="session")
def addon_zip(tmp_path_factory) -> Path:
    """The zip for this computer, built by the real script."""
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, str(ROOT / "build_addon.py"), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def blender(tmp_path_factory):
    """A function (bpy version, Python version) -> a Python with that Blender."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on PATH: it makes the environments with other Blenders")
    made: dict[str, Path] = {}

    def environment(version: str, python: str) -> Path:
        if version not in made:
            folder = tmp_path_factory.mktemp(f"blender-{version}")
            found = _interpreter(uv, python, folder)
            # run outside of the repository, whose pyproject.toml pins one version of bpy
            venv = str(folder / "venv")
            packages = [f"bpy=={version}", "pytest"]
            for command in (
                [uv, "venv", "--quiet", "--python", found, venv],
                [uv, "pip", "install", "--quiet", "--python", venv, *packages],
            ):
                done = subprocess.run(
                    command, cwd=folder, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr
            scripts = "Scripts" if os.name == "nt" else "bin"
            made[version] = folder / "venv" / scripts / "python"
        return made[version]

    return environment


def _interpreter(uv: str, python: str, folder: Path) -> str:
    done = subprocess.run(
        [uv, "python", "find", "--no-python-downloads", python],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    found = sorted(pyenv.glob(f"{python}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {python} on this computer, which that Blender needs")
    return str(found[-1])


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("version", "python"), VERSIONS)
@pytest.mark.parametrize("file", FILES)
def test_checks_inside_blender(blender, addon_zip, tmp_path, version, python, file):
    _check(file, blender(version, python), addon_zip, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("version", "python"), VERSIONS[1:2])
def test_the_shipped_weights_inside_blender(blender, addon_zip, tmp_path, version, python):
    """In one Blender: what differs between them is on this side of the wire."""
    _check(REAL_MODEL, blender(version, python), addon_zip, tmp_path, seconds=1700)


def _check(
    file: str, interpreter: Path, addon_zip: Path, tmp_path: Path, seconds: float = 1100
) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HMVLM_ZIP": str(addon_zip),
        "BLENDER_USER_RESOURCES": str(tmp_path / "blender"),
        "HMVLM_BACKEND_PYTHON": sys.executable,
    }
    (tmp_path / "blender").mkdir()
    options = ["-c", str(CHECKS / "pytest.ini"), "--rootdir", str(CHECKS)]
    done = subprocess.run(
        [str(interpreter), "-m", "pytest", *options, str(CHECKS / file)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
