# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes, repairs and removes the backend's own environment. A program, not a module.

Run by Blender's own Python as a process of its own: `python installer_script.py PLAN.json`. It
needs nothing but the standard library, writes inside one folder, which holds a marker, and never
into Blender's. Lines that begin with `@hmvlm ` are events for the add-on, as JSON; the others are
for people. No address of a package registry is here: pip's and uv's own settings decide.

    <root>/.hmvlm-backend       the marker: only a folder with it is ever removed
    <root>/bootstrap/           uv, and nothing else
    <root>/cache/               uv's downloads, unless UV_CACHE_DIR is set
    <root>/environments/<id>/   one finished environment; unfinished ones are cleared away
    <root>/installed.json       which one is in use; written last, in one step
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

MARKER = ".hmvlm-backend"
RECORD = "installed.json"
EVENT = "@hmvlm "
UV = "uv>=0.8,<1"
UV_BINARY = "uv.exe" if os.name == "nt" else "uv"


class InstallError(Exception):
    """It cannot go on; the message says what to do."""


def event(**fields: Any) -> None:
    """Tell the add-on something."""
    print(EVENT + json.dumps(fields), flush=True)


def step(text: str, fraction: float) -> None:
    """Tell what begins now, and how much of the whole is done."""
    event(step=text, fraction=fraction)


def main(arguments: list[str]) -> int:
    """Do what the plan says; 0 when it is done."""
    plan = json.loads(Path(arguments[0]).read_text("utf-8"))
    root = Path(plan["root"])
    try:
        if plan["verb"] == "remove":
            remove(root)
            return 0
        lock = take(root)
        if plan["verb"] == "install":
            install(root, plan)
        else:
            clear_unfinished(root)
        lock.close()
    except (InstallError, OSError) as error:
        event(error=str(error))
        return 1
    return 0


def take(root: Path) -> IO[bytes]:
    """Make the folder ours, and hold it against another Blender that installs too."""
    if root.exists() and any(root.iterdir()) and not (root / MARKER).exists():
        raise InstallError(f"{root} holds other things: choose an empty folder.")
    root.mkdir(parents=True, exist_ok=True)
    (root / MARKER).write_text("The HMVLM add-on's backend. Made and removed by the add-on.\n")
    lock = open(root / "lock", "ab")  # noqa: SIM115 (held until the end)
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        raise InstallError("Another Blender is installing the backend: wait for it.") from error
    return lock


def install(root: Path, plan: dict[str, Any]) -> None:
    """A new environment beside the old one, which is let go only when the new one works."""
    clear_unfinished(root)
    free = shutil.disk_usage(root).free
    if free < plan["disk_bytes"]:
        raise InstallError(
            f"{plan['disk_bytes'] / 1e9:.1f} GB are needed in {root}, {free / 1e9:.1f} GB are "
            "free: free some, or choose a folder on another disk."
        )
    os.environ.pop("PYTHONPATH", None)  # what is found there must not pass for installed
    os.environ.setdefault("UV_CACHE_DIR", str(root / "cache"))
    step("Getting the installer (uv)", 0.02)
    uv = bootstrap(root / "bootstrap")
    os.environ["UV"] = str(uv)

    environment = root / "environments" / plan["id"]
    step("Making an environment", 0.06)
    make_environment(uv, environment, plan["python"])
    python = python_in(environment)

    step("Downloading and installing the packages", 0.1)
    command = [str(uv), "pip", "install", "--python", str(python)]
    command += ["--constraint", plan["constraints"], plan["wheel"]]
    if plan["torch_backend"]:
        command += ["--torch-backend", plan["torch_backend"]]
    run(command, "The packages could not be installed: see the log. Without a network nothing can.")

    step("Downloading the base models", 0.75)
    run([str(python), "-m", "backend.cli", "fetch"], "The base models could not be downloaded.")
    step("Checking the backend", 0.92)
    run([str(python), "-m", "backend.cli", "doctor"], "The new backend does not work: see the log.")

    record = {"id": plan["id"], "choice": plan["choice"], "version": plan["version"]}
    draft = root / (RECORD + ".draft")
    draft.write_text(json.dumps(record))
    draft.replace(root / RECORD)
    step("Clearing up", 0.98)
    clear_unfinished(root)


def remove(root: Path) -> None:
    """Delete the folder, if it is ours."""
    if not root.exists():
        return
    if not (root / MARKER).exists():
        raise InstallError(f"{root} has no {MARKER}, so it is not ours and stays.")
    take(root).close()  # another Blender may be installing
    step("Removing the backend", 0.1)
    (root / RECORD).unlink(missing_ok=True)  # from here on nobody starts it
    for path in root.iterdir():
        if path.name != MARKER:
            delete(path)
    delete(root)


def clear_unfinished(root: Path) -> None:
    """Delete every environment but the one in use; what is locked (Windows) stays for later."""
    used = used_id(root)
    for path in (root / "environments").glob("*"):
        if path.name != used:
            shutil.rmtree(path, ignore_errors=True)


def used_id(root: Path) -> str:
    """The environment in use; empty when there is none."""
    try:
        return str(json.loads((root / RECORD).read_text())["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def bootstrap(folder: Path) -> Path:
    """uv in a folder of its own, by the pip that comes with Python; it stays for repairs."""
    uv = folder / "bin" / UV_BINARY
    if uv.is_file() and subprocess.run([uv, "--version"], check=False).returncode == 0:
        return uv
    if folder.exists():
        delete(folder)
    run(
        [
            *pip(),
            "install",
            "--no-deps",
            "--only-binary=:all:",
            "--disable-pip-version-check",
            "--target",
            str(folder),
            UV,
        ],
        "uv could not be downloaded: check the network and the computer's proxy settings.",
    )
    for place in ("bin", "Scripts"):
        if (folder / place / UV_BINARY).is_file():
            return folder / place / UV_BINARY
    raise InstallError(f"{folder} holds no uv after its installation: see the log.")


def pip() -> list[str]:
    """pip as it comes with this Python; nothing is installed into it."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    import ensurepip

    bundled = Path(ensurepip.__file__).parent / "_bundled"
    wheels = sorted(bundled.glob("pip-*.whl"))
    if not wheels:
        raise InstallError(
            "This Blender's Python comes without pip: use a Blender from blender.org, or choose "
            "an existing environment."
        )
    return [sys.executable, str(wheels[-1] / "pip")]


def make_environment(uv: Path, environment: Path, version: str) -> None:
    """An environment on a Python that does not go away with this Blender, if one can be had."""
    command = [str(uv), "venv", "--seed", str(environment), "--python"]
    if call([*command, version]) == 0:
        return
    shutil.rmtree(environment, ignore_errors=True)
    print(f"No Python {version} apart from Blender can be had here: Blender's own is used.")
    print("After an update of Blender the backend may then need a repair.", flush=True)
    run([*command, sys.executable], "An environment could not be made: see the log.")


def python_in(environment: Path) -> Path:
    """The environment's interpreter."""
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def run(command: list[str], advice: str) -> None:
    """Run it, its words to the log; InstallError when it fails."""
    if call(command) != 0:
        raise InstallError(advice)


def call(command: list[str]) -> int:
    """Run it and return its exit code."""
    print("$ " + " ".join(command), flush=True)
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


def delete(path: Path) -> None:
    """A file or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
