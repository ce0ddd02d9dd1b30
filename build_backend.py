# SPDX-License-Identifier: Apache-2.0
"""Packs the backend for the add-on's installer: a wheel of what serves, and the exact versions.

The project's own wheel is for those who train, too. This one leaves out `training` and what only
training and the demo need (Blender, above all), and holds of the add-on what the backend imports.
"""

import base64
import hashlib
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LEFT_OUT = {"bpy", "tensorboard", "pyarrow", "pycocoevalcap"}
FOLDERS = ("backend", "blender_addon/shared", "blender_addon/core")
FILES = ("blender_addon/__init__.py",)
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the same sources give the same bytes


def write_package(folder: Path) -> Path:
    """Write hmvlm-VERSION-py3-none-any.whl and constraints.txt; return the wheel's path."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    pins = project["tool"]["uv"]["constraint-dependencies"]
    kept = [pin for pin in pins if _name(pin) not in LEFT_OUT]
    (folder / "constraints.txt").write_text("\n".join(kept) + "\n", "utf-8")
    version = project["project"]["version"]
    wheel = folder / f"hmvlm-{version}-py3-none-any.whl"
    info = f"hmvlm-{version}.dist-info"
    record: list[str] = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, data: bytes) -> None:
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}")

        for path in _sources():
            add(path.relative_to(ROOT).as_posix(), path.read_bytes())
        for path in sorted((ROOT / "LICENSES").glob("*.txt")):
            add(f"{info}/licenses/{path.name}", path.read_bytes())
        add(f"{info}/METADATA", _metadata(project["project"]).encode())
        tags = "Wheel-Version: 1.0\nGenerator: hmvlm\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        add(f"{info}/WHEEL", tags.encode())
        add(f"{info}/entry_points.txt", b"[console_scripts]\nhmvlm = backend.cli:main\n")
        record.append(f"{info}/RECORD,,\n")
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", TIMESTAMP), "\n".join(record))
    return wheel


def _sources() -> Iterator[Path]:
    yield from (ROOT / name for name in FILES)
    for name in FOLDERS:
        for path in sorted((ROOT / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _metadata(project: dict) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
    ]
    needed = [item for item in project["dependencies"] if _name(item) not in LEFT_OUT]
    return "\n".join([*lines, *(f"Requires-Dist: {item}" for item in needed)]) + "\n"


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return found.group().lower()
