# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on driven by hand, in Blender as a module, where its timer does not fire."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import bpy

PACKAGE = "bl_ext.user_default.hmvlm"
LIMIT_S = 120.0
HELD_ENGINE = ("--engine", "tests.bpy.held_engine:create", "--cancel-grace", "0.5")


def use_backend(connection_file: Path, arguments: str) -> None:
    """Have the add-on use the backend of this file, or start one with these arguments."""
    chosen = bpy.context.preferences.addons[PACKAGE].preferences
    chosen.where = "LOCAL"
    chosen.backend_path = os.environ["HMVLM_BACKEND_PYTHON"]
    chosen.connection_file = str(connection_file)
    chosen.arguments = arguments


@contextmanager
def serving(connection_file: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A backend that was not started by the add-on, once it listens; ended afterwards."""
    log = connection_file.with_suffix(".served.log")
    command = [os.environ["HMVLM_BACKEND_PYTHON"], "-m", "backend.cli", "serve", *arguments]
    command += ["--connection-file", str(connection_file), "--parent-pid", str(os.getpid())]
    with open(log, "wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + LIMIT_S
        while not (connection_file.exists() and str(server.pid) in connection_file.read_text()):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait()


def tick_until(
    runtime: ModuleType, condition: Callable[[], object], limit_s: float = LIMIT_S
) -> None:
    """Let the add-on work until the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, (runtime.peek().status, runtime.peek().problem)
        runtime.tick()
        time.sleep(0.01)


def finish(runtime: ModuleType, limit_s: float = LIMIT_S) -> None:
    """Let it work until nothing is under way any more."""
    tick_until(runtime, lambda: runtime.peek().request is None, limit_s)


class Hold:
    """Keeps jobs of the stand-in at their first frames, by their seeds, until they are let go."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def only(self, *seeds: int) -> None:
        """Keep jobs with these seeds, let go of all others."""
        draft = self.path.with_suffix(".draft")
        draft.write_text("\n".join(map(str, seeds)))
        draft.replace(self.path)
