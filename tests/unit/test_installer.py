# SPDX-License-Identifier: Apache-2.0
"""The installer's state machine with a child that is told what to say."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from blender_addon.core import installer
from blender_addon.core.child import Child
from blender_addon.core.installer import (
    Choice,
    Installer,
    InstallState,
    NoPackageError,
    Package,
    default_root,
    estimate,
    find_installed,
    find_package,
    torch_backend,
)


class FakeChild(Child):
    """Says what the test puts in `words`, ends when the test sets `ends`."""

    made: list["FakeChild"]

    def __init__(self, command: Sequence[str], log_file: Path) -> None:
        super().__init__(command, log_file)
        self.plan = json.loads(Path(command[-1]).read_text())
        self.words: list[str] = []
        self.ends: int | None = None
        self._up = False
        self.made.append(self)

    @property
    def running(self) -> bool:
        return self._up

    def start(self) -> None:
        self._up = True

    def poll(self) -> list[str]:
        words, self.words = self.words, []
        if self.ends is not None:
            self.code, self._up = self.ends, False
        return words

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        self._up = False


@pytest.fixture
def package(tmp_path) -> Package:
    return Package(tmp_path / "hmvlm-0.1.0-py3-none-any.whl", tmp_path / "constraints.txt")


@pytest.fixture
def made() -> list[FakeChild]:
    return []


@pytest.fixture
def subject(tmp_path, made) -> Installer:
    kind = type("Kind", (FakeChild,), {"made": made})
    return Installer(tmp_path / "scratch", "python", kind)


def test_an_installation_from_start_to_end(subject, package, made, tmp_path):
    subject.install(tmp_path / "root", package, Choice.CUDA)
    assert subject.state is InstallState.INSTALLING
    plan = made[0].plan
    assert plan["verb"] == "install"
    assert plan["root"] == str(tmp_path / "root")
    assert plan["torch_backend"] == torch_backend(Choice.CUDA)
    assert plan["version"] == "0.1.0"
    made[0].words = ['@hmvlm {"step": "Downloading", "fraction": 0.25}', "torch 500 MB"]
    assert not subject.pump()
    assert (subject.step, subject.fraction) == ("Downloading", 0.25)
    assert subject.take_lines() == ["== Downloading", "torch 500 MB"]
    assert subject.take_lines() == []
    made[0].ends = 0
    assert subject.pump()
    assert subject.state is InstallState.IDLE
    assert subject.note == "The backend is installed."
    assert subject.problem == ""
    assert not subject.pump()


def test_one_job_at_a_time(subject, package, made, tmp_path):
    subject.install(tmp_path, package, Choice.CPU)
    subject.remove(tmp_path)
    assert len(made) == 1


def test_a_failure_says_what_the_child_said(subject, package, made, tmp_path):
    subject.install(tmp_path, package, Choice.CPU)
    made[0].words = ["noise", '@hmvlm {"error": "No network."}']
    made[0].ends = 1
    subject.pump()
    assert subject.problem == "No network."
    subject.install(tmp_path, package, Choice.CPU)
    assert subject.problem == ""


def test_a_crash_shows_the_end_of_the_log(subject, package, made, tmp_path):
    subject.install(tmp_path, package, Choice.CPU)
    made[0].words = [f"line {i}" for i in range(40)]
    made[0].ends = -11
    subject.pump()
    assert "code -11" in subject.problem
    assert "line 39" in subject.problem
    assert "line 1\n" not in subject.problem


def test_cancel_ends_the_child_and_then_clears_up(subject, package, made, tmp_path):
    subject.install(tmp_path, package, Choice.CPU)
    subject.cancel()
    assert subject.state is InstallState.CANCELLING
    assert made[0].cancelled
    made[0].words = ['@hmvlm {"step": "still busy", "fraction": 0.5}']
    subject.pump()
    assert subject.step == "Cancelling"
    made[0].ends = -15
    assert not subject.pump()
    assert subject.state is InstallState.CLEANING
    assert made[1].plan == {"verb": "clean", "root": str(tmp_path)}
    made[1].ends = 0
    assert subject.pump()
    assert subject.note == "Cancelled: nothing was changed."


def test_a_cancel_that_came_too_late(subject, package, made, tmp_path):
    subject.install(tmp_path, package, Choice.CPU)
    subject.cancel()
    made[0].ends = 0
    assert subject.pump()
    assert subject.note == "The backend is installed."


def test_removing_is_seen_through(subject, made, tmp_path):
    subject.remove(tmp_path)
    subject.cancel()
    assert subject.state is InstallState.REMOVING
    assert not made[0].cancelled
    made[0].ends = 0
    subject.pump()
    assert subject.note == "The backend was removed."


def test_closing_ends_the_child(subject, package, made, tmp_path):
    subject.install(tmp_path, package, Choice.CPU)
    subject.close()
    assert not made[0].running
    assert not subject.active


def test_a_python_that_is_not_there(tmp_path, package):
    subject = Installer(tmp_path, str(tmp_path / "no python"))
    subject.install(tmp_path / "root", package, Choice.CPU)
    assert "could not be started" in subject.problem
    assert not subject.active


def test_which_pytorch():
    assert torch_backend(Choice.CPU, "linux") == "cpu"
    assert torch_backend(Choice.CUDA, "win32") == "auto"
    assert torch_backend(Choice.SYSTEM, "linux") == ""
    assert torch_backend(Choice.CPU, "darwin") == ""


def test_sizes():
    assert estimate(Choice.CUDA, "linux").disk > 2 * estimate(Choice.CPU, "linux").disk
    assert estimate(Choice.SYSTEM, "linux") == estimate(Choice.CUDA, "linux")
    assert estimate(Choice.SYSTEM, "win32") == estimate(Choice.CPU, "win32")
    assert estimate(Choice.CPU, "linux").text == "about 0.8 GB to download, 2.5 GB on disk"


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_root("linux") == tmp_path / "hmvlm" / "backend"
    assert "Application Support" in default_root("darwin").parts
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_root("win32") == tmp_path / "local" / "hmvlm" / "backend"


def test_what_is_installed(tmp_path):
    assert find_installed(tmp_path) is None
    (tmp_path / "installed.json").write_text("{")
    assert find_installed(tmp_path) is None
    (tmp_path / "installed.json").write_text('{"id": "a", "choice": "cpu", "version": "0.1.0"}')
    assert find_installed(tmp_path) is None
    python = installer.installer_script.python_in(tmp_path / "environments" / "a")
    python.parent.mkdir(parents=True)
    python.touch()
    found = find_installed(tmp_path)
    assert found == installer.Installed(python, "cpu", "0.1.0")


def test_the_package_in_the_add_on(tmp_path):
    with pytest.raises(NoPackageError, match="from its zip"):
        find_package(tmp_path)
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "constraints.txt").touch()
    wheel = tmp_path / "backend" / "hmvlm-0.2.0-py3-none-any.whl"
    wheel.touch()
    assert find_package(tmp_path).wheel == wheel
    assert find_package(tmp_path).version == "0.2.0"
