# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's one session while it is switched on, and the timer that keeps it moving."""

import atexit
import os
import shlex
from dataclasses import dataclass

import bpy

from ..core.client import Client
from ..core.installer import find_installed
from ..core.launcher import Launcher
from ..core.locate import BackendLocation, BackendNotFoundError, find_backend
from ..core.session import BackendState, Session
from ..core.status_line import describe
from ..preferences import preferences
from . import preview
from .answers import after_pump, hand_over

BUSY_S = 0.05  # between two looks at the socket while something is under way
IDLE_S = 0.5
PUMP_MS = 5.0


@dataclass
class _Holder:
    session: Session | None = None
    shown: tuple[object, ...] = ()


# Blender creates operators and panels itself, so what they share has to hang on a module
_holder = _Holder()


def current() -> Session:
    """The session, made on first use."""
    if _holder.session is None:
        _holder.session = Session(make_client, make_launcher)
    return _holder.session


def peek() -> Session | None:
    """The session if there is one: for panels, which must not make things."""
    return _holder.session


def make_client() -> Client:
    """A client of the backend that the preferences name, here or on another machine."""
    settings = preferences()
    return Client(
        settings.connection_path(),
        name=f"blender-{bpy.app.version_string}",
        network=settings.network_connection if settings.where == "NETWORK" else None,
    )


def locate_backend() -> BackendLocation:
    """The backend on this computer that the preferences name. Raises BackendNotFoundError."""
    settings = preferences()
    installed = find_installed(settings.install_root())
    return find_backend(settings.backend_path, installed=installed.python if installed else None)


def make_launcher() -> Launcher:
    """A launcher of the backend that the preferences name. Raises BackendNotFoundError."""
    settings = preferences()
    if settings.where == "NETWORK":
        raise BackendNotFoundError("A backend on another machine is started there, not from here.")
    location = locate_backend()
    connection = settings.connection_path()
    return Launcher(
        location.python,
        connection,
        connection.with_suffix(".log"),
        parent_pid=os.getpid(),
        arguments=shlex.split(settings.arguments),
        working_folder=location.folder,
    )


def wake() -> None:
    """See to it that the timer runs; it stops by itself when nothing is left to do."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=BUSY_S, persistent=True)


def tick() -> float | None:
    """The timer: pump, hand over what arrived, redraw the panels if they would look different."""
    session = _holder.session
    if session is None:
        return None
    arrivals = session.pump(PUMP_MS)
    preview.follow(session)  # before keys are set: it puts the pose back
    for arrived in arrivals:
        hand_over(session, arrived)
    after_pump(session)
    # what a running job says changes the panels alone: the view may take long to draw
    _redraw_if_changed(session, panels_alone=session.request is not None and not arrivals)
    if not session.active:
        return None
    quiet = session.state is BackendState.READY and session.request is None
    return IDLE_S if quiet else BUSY_S


def reset() -> None:
    """Let go of the session and of the backend it started."""
    if _holder.session is not None:
        preview.stop()
        _holder.session.close()
    _holder.session, _holder.shown = None, ()


def register() -> None:
    """Make sure that a backend we started ends with Blender, even on an odd way out."""
    atexit.register(reset)


def unregister() -> None:
    """The inverse of `register`; stops the timer and the backend."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    atexit.unregister(reset)
    reset()


def _redraw_if_changed(session: Session, panels_alone: bool) -> None:
    text = session.job.text if session.job is not None else ""
    report = describe(session.report) if session.report is not None else []
    shown = (
        *(session.status, round(session.fraction, 2), session.problem, session.note, text),
        *report,
    )
    if shown == _holder.shown:
        return
    _holder.shown = shown
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and panels_alone:
                sidebars = (region for region in area.regions if region.type == "UI")
                for region in sidebars:
                    region.tag_redraw()
            elif area.type in ("VIEW_3D", "IMAGE_EDITOR"):
                area.tag_redraw()
