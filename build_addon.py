# SPDX-License-Identifier: Apache-2.0
"""Builds the Blender extension: one zip a platform, in dist/.

    python build_addon.py [--platform linux-x64|windows-x64|macos-arm64|macos-x64|all] [--out dist]

The zip holds blender_addon/, the wheels that Blender lacks, for each Python it comes with, and the
backend's own wheel with its weights, which the add-on's installer puts into an environment of its
own.
Blender's own command-line tool builds and validates it; it is part of the `bpy` package and runs
without Blender.
"""

import argparse
import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import build_backend

ROOT = Path(__file__).resolve().parent
WHEELS = {"pyzmq": "27.3.0", "msgspec": "0.22.0"}  # numpy comes with Blender
PYTHONS = ("3.11", "3.13")  # Blender 4.2 to 5.0; 5.1 and later
PLATFORM_TAGS = {
    "linux-x64": ["manylinux_2_28_x86_64", "manylinux_2_26_x86_64", "manylinux_2_17_x86_64"],
    "windows-x64": ["win_amd64"],
    "macos-arm64": ["macosx_11_0_arm64", "macosx_10_15_universal2"],
    "macos-x64": ["macosx_10_15_x86_64", "macosx_10_15_universal2"],
}


class BuildError(Exception):
    """The zip could not be made; the message says why."""


def current_platform() -> str:
    """This computer's platform as Blender names it."""
    system = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}.get(platform.system())
    machine = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64"}.get(platform.machine().lower())
    name = f"{system}-{machine}"
    if name not in PLATFORM_TAGS:
        raise BuildError(f"No wheels are known for {name}: choose one with --platform.")
    return name


def build(target: str, out: Path) -> Path:
    """Build and validate the zip for one platform; return its path."""
    tool = blender_extension_tool()
    manifest = (ROOT / "blender_addon" / "blender_manifest.toml").read_text(encoding="utf-8")
    version = tomllib.loads(manifest)["version"]
    out.mkdir(parents=True, exist_ok=True)
    zip_path = out.resolve() / f"hmvlm-{version}-{target.replace('-', '_')}.zip"
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "hmvlm"
        shutil.copytree(
            ROOT / "blender_addon", source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
        wheels = download_wheels(target, source / "wheels")
        build_backend.write_package(source / "backend")
        lines = "".join(f'  "./wheels/{name}",\n' for name in wheels)
        added = f'platforms = ["{target}"]\nwheels = [\n{lines}]\n\n'
        # keys of the top table have to stand before the first [table]
        top, bracket, tables = manifest.partition("[permissions]")
        (source / "blender_manifest.toml").write_text(
            top + added + bracket + tables, encoding="utf-8"
        )
        options = ["--source-dir", str(source), "--output-filepath", str(zip_path)]
        _run([sys.executable, str(tool), "build", *options])
    _run([sys.executable, str(tool), "validate", str(zip_path)])
    return zip_path


def download_wheels(target: str, folder: Path) -> list[str]:
    """Fetch the pinned wheels for every Python and return their file names, sorted."""
    pins = [f"{name}=={version}" for name, version in WHEELS.items()]
    for python in PYTHONS:
        command = [*_pip(), "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--python-version", python, "--dest", str(folder)]
        for tag in PLATFORM_TAGS[target]:
            command += ["--platform", tag]
        _run([*command, *pins])
    newest = "cp" + PYTHONS[-1].replace(".", "")
    for wheel in folder.glob("*-abi3-*.whl"):
        # Blender 5.2 refuses a zip with both a cp311 and an abi3 wheel: it reads abi3 as "any
        # Python" and finds two wheels for one. Named for the one Python it is meant for, it fits.
        project, version, _python, _abi, tags = wheel.stem.split("-")
        wheel.rename(folder / f"{project}-{version}-{newest}-{newest}-{tags}.whl")
    names = sorted(path.name for path in folder.glob("*.whl"))
    if len(names) != len(PYTHONS) * len(WHEELS):
        raise BuildError(f"Expected a wheel of each package for each Python, got {names}.")
    return names


def blender_extension_tool() -> Path:
    """Blender's `blender_ext.py`, out of the installed bpy package, without importing it."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        raise BuildError("The bpy package is not installed here: run this with `uv run`.")
    found = sorted(Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not found:
        raise BuildError("This bpy has no extension tool: use the version pyproject.toml pins.")
    return found[-1]


def _pip() -> list[str]:
    """pip, which uv's environments come without; uv brings it as a tool."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv is None:
        raise BuildError("Neither pip nor uv is here to download the wheels: install one of them.")
    return [uv, "tool", "run", "pip"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}".strip())


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--platform", choices=[*PLATFORM_TAGS, "all"], default=None)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    try:
        chosen = given.platform or current_platform()
        for target in PLATFORM_TAGS if chosen == "all" else [chosen]:
            print(build(target, given.out))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
