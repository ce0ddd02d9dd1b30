# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backend is installed on this computer. No bpy here."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


class BackendNotFoundError(Exception):
    """No Python with the backend in it; the message says what to do."""


@dataclass(frozen=True)
class BackendLocation:
    """The interpreter to start, and the folder to start it in (None: any)."""

    python: Path
    folder: Path | None = None


def find_backend(
    given: str,
    environment: Mapping[str, str] = os.environ,
    which: Callable[[str], str | None] = shutil.which,
    installed: Path | None = None,
) -> BackendLocation:
    """The backend named by `given`: a Python, or the project's folder with its `.venv`.

    Empty: HMVLM_PYTHON of the environment, else `installed` (what the add-on's installer made),
    else the Python beside the `hmvlm` command on PATH.
    """
    given = given.strip() or environment.get("HMVLM_PYTHON", "").strip()
    if given:
        path = Path(given).expanduser()
        if path.is_dir():
            python = _python_in(path / ".venv")
            if python is None:
                raise BackendNotFoundError(
                    f"{path} has no .venv with a Python in it: run `uv sync` there, or choose the "
                    "backend's Python itself in the add-on's preferences."
                )
            return BackendLocation(python, path)
        if path.is_file():
            return BackendLocation(path)
        raise BackendNotFoundError(
            f"{path} does not exist: choose the backend's folder in the add-on's preferences."
        )
    if installed is not None:
        return BackendLocation(installed)
    command = which("hmvlm")
    if command is not None:
        # the command on PATH is often a link into the environment it belongs to
        for folder in (Path(command).resolve().parent, Path(command).parent):
            python = _python_in(folder.parent)
            if python is not None:
                return BackendLocation(python)
    raise BackendNotFoundError(
        "The backend was not found: press Install Backend, or choose its folder in the add-on's "
        "preferences (Edit > Preferences > Add-ons > HMVLM)."
    )


def _python_in(environment: Path) -> Path | None:
    for name in ("bin/python", "Scripts/python.exe"):
        if (environment / name).is_file():
            return environment / name
    return None
