# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer and the doctor while the add-on is on: a timer moves them, their log is a text."""

import atexit
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ..core.child import Child
from ..core.doctor import Diagnosis, diagnose
from ..core.installer import (
    INSTALLED,
    Choice,
    Installed,
    Installer,
    Package,
    find_installed,
    find_package,
)
from ..preferences import preferences
from . import runtime

INSTALL_LOG = "HMVLM Set-up"
DOCTOR_LOG = "HMVLM Doctor"
LOOK_S = 0.2
MAX_LOG_LINES = 2000


@dataclass
class _Holder:
    installer: Installer | None = None
    doctor: Child | None = None
    diagnosis: Diagnosis | None = None
    looked_in: Path | None = None
    installed: Installed | None = None
    logs: dict[str, list[str]] = field(default_factory=dict)


# as in runtime: Blender makes operators and panels itself, so what they share hangs on a module
_holder = _Holder()


# --- what panels read ---------------------------------------------------------------------------


def peek() -> Installer | None:
    """The installer if there is one."""
    return _holder.installer


def installed() -> Installed | None:
    """What is installed; the disk is looked at once for a folder and after every job."""
    root = preferences().install_root()
    if _holder.looked_in != root:
        _holder.looked_in, _holder.installed = root, find_installed(root)
    return _holder.installed


def diagnosis() -> Diagnosis | None:
    """What the doctor said last."""
    return _holder.diagnosis


def installing() -> bool:
    return _holder.installer is not None and _holder.installer.active


def examining() -> bool:
    return _holder.doctor is not None


# --- verbs --------------------------------------------------------------------------------------


def package() -> Package:
    """The backend that the add-on carries. Raises NoPackageError."""
    return find_package(Path(__file__).resolve().parents[1])


def install(choice: Choice) -> str:
    """Begin; returns why it cannot be begun, or nothing."""
    return _begin(lambda one: one.install(preferences().install_root(), package(), choice))


def remove() -> str:
    """Begin; returns why it cannot be begun, or nothing."""
    return _begin(lambda one: one.remove(preferences().install_root()))


def examine() -> None:
    """Have the backend's own doctor look at it. Raises BackendNotFoundError, OSError."""
    location = runtime.locate_backend()
    command = [str(location.python), "-m", "backend.cli", "doctor"]
    command += ["--connection-file", str(preferences().connection_path())]
    child = Child(command, _scratch() / "doctor.log", working_folder=location.folder)
    child.start()
    _holder.doctor, _holder.diagnosis = child, None
    _begin_log(DOCTOR_LOG)
    wake()


def cancel() -> None:
    """Stop what is under way."""
    if _holder.installer is not None:
        _holder.installer.cancel()
    if _holder.doctor is not None:
        _holder.doctor.cancel()


def _begin(verb) -> str:
    if _holder.installer is None:
        _holder.installer = Installer(_scratch())
    _begin_log(INSTALL_LOG)
    verb(_holder.installer)
    wake()
    return _holder.installer.problem


def _scratch() -> Path:
    return Path(bpy.app.tempdir) / "hmvlm"


# --- the timer ----------------------------------------------------------------------------------


def wake() -> None:
    """See to it that the timer runs; it stops by itself when nothing is left to do."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=LOOK_S, persistent=True)


def tick() -> float | None:
    """The timer: take in what the children said, write it down, show it."""
    installer = _holder.installer
    if installer is not None and installer.active:
        ended = installer.pump()
        _log(INSTALL_LOG, installer.take_lines())
        if ended:
            _holder.looked_in = None
            if installer.note == INSTALLED:
                preferences().backend_path = ""  # from now on the one that was installed
                bpy.context.preferences.is_dirty = True
        _redraw()
    doctor = _holder.doctor
    if doctor is not None:
        _log(DOCTOR_LOG, doctor.poll())
        if not doctor.running:
            _holder.doctor = None
            if doctor.cancelled:
                _holder.diagnosis = Diagnosis("Cancelled", False)
            else:
                _holder.diagnosis = diagnose(_holder.logs[DOCTOR_LOG], doctor.code or 0)
        _redraw()
    return LOOK_S if installing() or examining() else None


def _begin_log(name: str) -> None:
    _holder.logs[name] = []
    _text(name).clear()


def _log(name: str, lines: list[str]) -> None:
    if lines:
        kept = _holder.logs[name] = [*_holder.logs[name], *lines][-MAX_LOG_LINES:]
        _text(name).from_string("\n".join(kept) + "\n")


def _text(name: str) -> bpy.types.Text:
    return bpy.data.texts.get(name) or bpy.data.texts.new(name)


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "TEXT_EDITOR"):
                area.tag_redraw()


def reset() -> None:
    """End what is under way."""
    if _holder.installer is not None:
        _holder.installer.close()
    if _holder.doctor is not None:
        _holder.doctor.close()
    _holder.installer = _holder.doctor = _holder.diagnosis = None
    _holder.looked_in = _holder.installed = None
    _holder.logs.clear()


def register() -> None:
    """Children must not outlive Blender, even on an odd way out."""
    atexit.register(reset)


def unregister() -> None:
    """The inverse of `register`; stops the timer and the children."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    atexit.unregister(reset)
    reset()
