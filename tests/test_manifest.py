# SPDX-License-Identifier: Apache-2.0
"""The extension's manifest and its build, with stand-ins for the wheels: no network, no Blender."""

import ast
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

import build_addon

ROOT = Path(__file__).parents[1]
ADDON = ROOT / "blender_addon"


@pytest.fixture
def manifest() -> dict:
    return tomllib.loads((ADDON / "blender_manifest.toml").read_text())


@pytest.fixture
def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_what_blender_reads(manifest, pyproject):
    assert manifest["id"] == "hmvlm"
    assert manifest["schema_version"] == "1.0.0"
    assert manifest["type"] == "add-on"
    assert manifest["blender_version_min"] == "4.2.0"
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert manifest["tags"] == ["Animation"]
    assert manifest["version"] == pyproject["project"]["version"]
    assert set(manifest["permissions"]) == {"network", "files", "clipboard"}
    for reason in [manifest["tagline"], *manifest["permissions"].values()]:
        assert len(reason) <= 64
        assert not reason.endswith(".")


def test_the_wheels_are_the_versions_that_the_backend_has(pyproject):
    pins = pyproject["tool"]["uv"]["constraint-dependencies"]
    for name, version in build_addon.WHEELS.items():
        assert f"{name}=={version}" in pins


def test_the_zip_imports_its_own_parts_relatively():
    for path in ADDON.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            foreign = {"blender_addon", "backend", "training", "torch"}
            assert not foreign & {name.split(".")[0] for name in names}, path


def fake_download(command: list[str]) -> None:
    """In place of pip: empty wheels with the names that the index has."""
    if "download" not in command:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return
    folder = Path(command[command.index("--dest") + 1])
    folder.mkdir(exist_ok=True)
    old = "3.11" in command
    tags = ["cp311-cp311", "cp311-cp311"] if old else ["cp313-cp313", "cp312-abi3"]
    platform = "-win_amd64" if "win_amd64" in command else "-manylinux_2_28_x86_64"
    for name, tag in zip(("msgspec-0.22.0", "pyzmq-27.3.0"), tags, strict=True):
        with zipfile.ZipFile(folder / f"{name}-{tag}{platform}.whl", "w"):
            pass


def fake_package(folder: Path) -> None:
    """In place of the backend, whose weights take seconds to pack."""
    folder.mkdir()
    for name in ("hmvlm-0.1.0-py3-none-any.whl", "constraints.txt"):
        (folder / name).touch()


@pytest.mark.parametrize("platform", ["linux-x64", "windows-x64"])
def test_build(platform, tmp_path, monkeypatch):
    monkeypatch.setattr(build_addon, "_run", fake_download)
    monkeypatch.setattr(build_addon.build_backend, "write_package", fake_package)
    path = build_addon.build(platform, tmp_path)
    assert path.name == f"hmvlm-0.1.0-{platform.replace('-', '_')}.zip"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        inside = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert inside["platforms"] == [platform]
    assert "registration.py" in names
    assert "shared/protocol.py" in names
    assert {"backend/hmvlm-0.1.0-py3-none-any.whl", "backend/constraints.txt"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]
    # a Python each, by name: Blender 5.2 refuses abi3 beside cp311
    pythons = sorted(name.split("-")[2] for name in inside["wheels"])
    assert pythons == ["cp311", "cp311", "cp313", "cp313"]
    assert not [name for name in inside["wheels"] if "abi3" in name]
    assert all(name.removeprefix("./") in names for name in inside["wheels"])


def test_an_unknown_platform_is_refused(monkeypatch):
    monkeypatch.setattr(build_addon.platform, "system", lambda: "Plan9")
    with pytest.raises(build_addon.BuildError, match="--platform"):
        build_addon.current_platform()


def test_a_failing_download_says_why(tmp_path):
    with pytest.raises(build_addon.BuildError, match="failed"):
        build_addon._run(["false"])
