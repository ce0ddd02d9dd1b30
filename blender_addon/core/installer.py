# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own environment on this computer: made, repaired and removed by a child process.

Everything is driven by `pump`, which never waits; panels read the state. No bpy here.
"""

import json
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from . import installer_script
from .child import Child
from .installer_script import EVENT

PYTHON = "3.11"  # the backend's own, whatever Blender's is
GB = 1_000_000_000
MAX_TAIL_LINES = 12
INSTALLED = "The backend is installed."


class Choice(StrEnum):
    """Which PyTorch: CPU and CUDA come from where uv gets them, SYSTEM as pip's settings say."""

    CPU = "cpu"
    CUDA = "cuda"
    SYSTEM = "system"


class InstallState(StrEnum):
    """What the installer is doing; IDLE with a `problem` when something went wrong."""

    IDLE = "idle"
    INSTALLING = "installing"
    REMOVING = "removing"
    CANCELLING = "cancelling"
    CLEANING = "cleaning"


@dataclass(frozen=True)
class SizeEstimate:
    """Bytes, rounded up to what a user should have free; the base models are in both."""

    download: float
    disk: float

    @property
    def text(self) -> str:
        return f"about {self.download / GB:.1f} GB to download, {self.disk / GB:.1f} GB on disk"


@dataclass(frozen=True)
class Package:
    """The backend as the add-on carries it.

    wheel: hmvlm-VERSION-py3-none-any.whl; constraints: exact versions of what it needs.
    """

    wheel: Path
    constraints: Path

    @property
    def version(self) -> str:
        return self.wheel.name.split("-")[1]


class NoPackageError(Exception):
    """This copy of the add-on carries no backend."""


def default_root(platform: str = sys.platform) -> Path:
    """Where the user's data belongs on this system."""
    home = Path.home()
    if platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "hmvlm" / "backend"


def find_package(addon: Path) -> Package:
    """The backend in the add-on's folder. Raises NoPackageError."""
    wheels = sorted((addon / "backend").glob("hmvlm-*.whl"))
    constraints = addon / "backend" / "constraints.txt"
    if not wheels or not constraints.is_file():
        raise NoPackageError(
            "This copy of the add-on carries no backend: install the add-on from its zip, or use "
            "an existing environment."
        )
    return Package(wheels[-1], constraints)


def estimate(choice: Choice, platform: str = sys.platform) -> SizeEstimate:
    """What an installation takes, from installations that were measured."""
    # all but PyTorch: 0.3 GB of packages (0.9 unpacked), 0.2 GB of base models (0.4)
    with_gpu = choice is Choice.CUDA or (choice is Choice.SYSTEM and platform == "linux")
    if platform == "darwin" or not with_gpu:
        return SizeEstimate(0.8 * GB, 2.5 * GB)
    return SizeEstimate(3.5 * GB, 6.5 * GB)


def torch_backend(choice: Choice, platform: str = sys.platform) -> str:
    """uv's name for it; empty leaves PyTorch to pip's settings. On a Mac there is one only."""
    if choice is Choice.SYSTEM or platform == "darwin":
        return ""
    return "cpu" if choice is Choice.CPU else "auto"


@dataclass(frozen=True)
class Installed:
    """What is installed, and the interpreter to start it with."""

    python: Path
    choice: str
    version: str


def find_installed(root: Path) -> Installed | None:
    """The finished environment in `root`; None when there is none or its Python is gone."""
    try:
        record = json.loads((root / installer_script.RECORD).read_text("utf-8"))
        folder = root / "environments" / record["id"]
        python = installer_script.python_in(folder)
        # a link to a Blender that was removed exists as a link, and not as a file
        return Installed(python, record["choice"], record["version"]) if python.is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_ours(root: Path) -> bool:
    """Whether there is anything of ours to remove or repair."""
    return (root / installer_script.MARKER).is_file()


class Installer:
    """One job at a time. scratch: a folder for the plan and the log.

    interpreter: the Python that runs the child, Blender's own; make_child is for tests.
    """

    def __init__(
        self,
        scratch: Path,
        interpreter: str = sys.executable,
        make_child: Callable[[Sequence[str], Path], Child] = Child,
    ) -> None:
        self.state = InstallState.IDLE
        self.problem = ""
        self.note = ""
        self.step = ""
        self.fraction = 0.0
        self.log_file = scratch / "install.log"
        self._plan_file = scratch / "install_plan.json"
        self._interpreter = interpreter
        self._make_child = make_child
        self._child: Child | None = None
        self._root = Path()
        self._error = ""
        self._tail: list[str] = []
        self._lines: list[str] = []

    @property
    def active(self) -> bool:
        return self.state is not InstallState.IDLE

    # --- verbs --------------------------------------------------------------------------------

    def install(self, root: Path, package: Package, choice: Choice) -> None:
        """Install, or repair: the old environment is in use until the new one works."""
        plan = {
            "verb": "install",
            "id": uuid.uuid4().hex[:12],
            "wheel": str(package.wheel),
            "constraints": str(package.constraints),
            "version": package.version,
            "choice": choice.value,
            "torch_backend": torch_backend(choice),
            "python": PYTHON,
            "disk_bytes": estimate(choice).disk,
        }
        self._begin(InstallState.INSTALLING, root, plan)

    def remove(self, root: Path) -> None:
        """Delete the environment and all that was downloaded for it."""
        self._begin(InstallState.REMOVING, root, {"verb": "remove"})

    def cancel(self) -> None:
        """Stop installing; what was there before stays as it was. Removing is seen through."""
        if self.state is InstallState.INSTALLING and self._child is not None:
            self.state, self.step = InstallState.CANCELLING, "Cancelling"
            self._child.cancel()

    def close(self) -> None:
        """Blender ends: so does the child. What is unfinished is cleared away next time."""
        if self._child is not None:
            self._child.close()
            self._child = None
        self.state = InstallState.IDLE

    # --- the pump -----------------------------------------------------------------------------

    def pump(self) -> bool:
        """Take in what the child said; True when a job ended just now."""
        child = self._child
        if child is None:
            return False
        for line in child.poll():
            self._hear(line)
        if child.running:
            return False
        self._child = None
        return self._end(child.code or 0)

    def take_lines(self) -> list[str]:
        """The log's lines that nobody has taken yet."""
        taken, self._lines = self._lines, []
        return taken

    def _begin(self, state: InstallState, root: Path, plan: dict[str, object]) -> None:
        if self.active:
            return
        self.problem = self.note = ""
        self._root = root
        self._start(state, plan)

    def _start(self, state: InstallState, plan: dict[str, object]) -> None:
        self._error, self._tail = "", []
        self.step, self.fraction = "Starting", 0.0
        try:
            self._plan_file.parent.mkdir(parents=True, exist_ok=True)
            self._plan_file.write_text(json.dumps(plan | {"root": str(self._root)}), "utf-8")
            command = [self._interpreter, "-s", str(Path(installer_script.__file__))]
            child = self._make_child([*command, str(self._plan_file)], self.log_file)
            child.start()
        except OSError as error:
            self.state = InstallState.IDLE
            self.problem = f"The installer could not be started: {error}."
            return
        self.state, self._child = state, child

    def _hear(self, line: str) -> None:
        if not line.startswith(EVENT):
            self._lines.append(line)
            self._tail = [*self._tail, line][-MAX_TAIL_LINES:]
            return
        try:
            said = json.loads(line.removeprefix(EVENT))
        except ValueError:
            self._lines.append(line)
            return
        self._error = said.get("error", self._error)
        if "step" in said and self.state is not InstallState.CANCELLING:
            self.step, self.fraction = said["step"], float(said.get("fraction", self.fraction))
            self._lines.append(f"== {self.step}")

    def _end(self, code: int) -> bool:
        before, self.state = self.state, InstallState.IDLE
        if before is InstallState.CANCELLING and code != 0:  # 0: it was done just before
            self._start(InstallState.CLEANING, {"verb": "clean"})
            self.step = "Clearing up"
            return not self.active
        if before is InstallState.CLEANING:
            self.note = "Cancelled: nothing was changed."
        elif code != 0:
            reason = self._error or f"The installer ended with code {code}."
            self.problem = "\n".join([reason, *(self._tail if not self._error else [])])
            self._lines.append(f"== {reason}")
        elif before is InstallState.REMOVING:
            self.note = "The backend was removed."
        else:
            self.note = INSTALLED
        self.step, self.fraction = "", 0.0
        return True
