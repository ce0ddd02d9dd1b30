# SPDX-License-Identifier: Apache-2.0
"""The add-on's logic without Blender: channels of bones, where the backend is, the session."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.core.client import ClientError, ClientState
from blender_addon.core.jobs import Job, JobState
from blender_addon.core.launcher import LaunchState
from blender_addon.core.locate import BackendNotFoundError, find_backend
from blender_addon.core.requests import Request, Target
from blender_addon.core.retarget import bone_channels
from blender_addon.core.session import ATTACH_LIMIT_S, CANCEL_LIMIT_S, BackendState, Session
from blender_addon.shared import protocol
from blender_addon.shared.connection import ConnectionFileError
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix, quaternion_to_matrix
from blender_addon.shared.skeleton import REST_OFFSETS


@given(st.integers(0, 10_000))
def test_channels_are_the_conjugate_of_the_local_rotations(seed):
    rng = np.random.default_rng(seed)
    motion = Motion(rng.normal(0, 1.5, (5, 22, 3)), rng.normal(0, 1, (5, 3)), 20.0)
    rest = axis_angle_to_matrix(rng.normal(0, 2, (24, 3)))
    root = rng.normal(0, 1, 3)
    channels = bone_channels(motion, rest, root)
    want = np.swapaxes(rest[:22], -1, -2) @ axis_angle_to_matrix(motion.poses) @ rest[:22]
    assert np.abs(quaternion_to_matrix(channels.quaternions) - want).max() < 1e-9
    moved = root + channels.root_locations @ rest[0].T
    assert np.abs(moved - (motion.trans + REST_OFFSETS[0])).max() < 1e-9
    dots = np.sum(channels.quaternions[1:] * channels.quaternions[:-1], axis=-1)
    assert (dots >= 0).all()


def python_in(folder: Path) -> Path:
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return python


def test_the_backend_is_found_where_it_can_be(tmp_path):
    nothing = {"environment": {}, "which": lambda _: None}
    project = tmp_path / "project"
    python = python_in(project / ".venv")
    assert find_backend(str(project), **nothing).python == python
    assert find_backend(str(project), **nothing).folder == project
    assert find_backend(f" {python} ", **nothing).folder is None
    named = {"environment": {"HMVLM_PYTHON": str(python)}, "which": lambda _: None}
    assert find_backend("", **named).python == python
    (python.parent / "hmvlm").touch()
    link = tmp_path / "hmvlm"
    link.symlink_to(python.parent / "hmvlm")
    found = find_backend("", environment={}, which=lambda _: str(link))
    assert found.python == python


@pytest.mark.parametrize("given", ["", "/no/such/place", "EMPTY"])
def test_a_backend_that_is_not_there_names_the_preferences(given, tmp_path):
    given = str(tmp_path) if given == "EMPTY" else given
    with pytest.raises(BackendNotFoundError, match="preferences"):
        find_backend(given, environment={}, which=lambda _: None)


def test_what_was_installed_comes_before_the_command_on_the_path(tmp_path):
    installed, here = tmp_path / "installed", python_in(tmp_path / "venv")
    which = lambda _: str(here.parent / "hmvlm")  # noqa: E731
    assert find_backend("", {}, which, installed).python == installed
    assert find_backend(str(here), {}, which, installed).python == here


# --- the session, with stand-ins for the client and the launcher --------------------------------


@dataclass
class FakeClient:
    """Does what the test says; `script` is run at every pump."""

    connection_file: Path = Path("/nowhere")
    state: ClientState = ClientState.OFFLINE
    problem: str = ""
    jobs: dict[str, Job] = field(default_factory=dict)
    refuse: str = ""
    on_network: bool = False
    report: protocol.StatusReport | None = None
    status_asked: int = 0
    submitted: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def connect(self) -> None:
        if self.refuse:
            raise ConnectionFileError(self.refuse)
        self.state = ClientState.CONNECTING

    def close(self) -> None:
        self.state = ClientState.OFFLINE

    def request_status(self) -> None:
        self.status_asked += 1

    def pump(self, max_ms: float = 5.0) -> list[Any]:
        return []

    def submit(
        self,
        task: str,
        params: dict[str, Any],
        arrays: dict[str, Any],
        files: tuple[str, ...] = (),
    ) -> str:
        job_id = f"job {len(self.submitted)}"
        self.submitted.append(params)
        self.jobs[job_id] = Job(job_id, task)
        return job_id

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        self.jobs[job_id].cancel_requested = True

    def forget(self, job_id: str) -> None:
        self.jobs.pop(job_id, None)


@dataclass
class FakeLauncher:
    state: LaunchState = LaunchState.STOPPED
    problem: str = ""
    pid: int | None = None

    def start(self) -> None:
        self.state, self.pid = LaunchState.STARTING, 42

    def poll(self) -> LaunchState:
        return self.state

    def stop(self) -> None:
        self.state, self.pid = LaunchState.STOPPED, None


class World:
    """A session and what is behind it."""

    def __init__(self) -> None:
        self.client, self.launcher, self.now = FakeClient(), FakeLauncher(), 0.0
        self.session = Session(lambda: self.client, self.make_launcher, lambda: self.now)  # type: ignore[arg-type]
        self.launchers = 0

    def make_launcher(self) -> FakeLauncher:
        self.launchers += 1
        return self.launcher

    def ready(self) -> None:
        self.session.start()
        self.client.state = ClientState.READY
        self.session.pump()


@pytest.fixture
def world() -> World:
    return World()


REQUEST = Request("a person walks", 2.0, 7, Target("SMPL", "Scene", 1))


def finish(world: World) -> None:
    job = world.session.job
    assert job is not None
    arrays = {"poses": np.zeros((4, 22, 3), np.float32), "trans": np.zeros((4, 3), np.float32)}
    job.apply(protocol.Result(job.job_id, {"fps": 20.0}), arrays)


def test_a_backend_that_runs_is_used(world):
    world.session.start()
    assert world.session.state is BackendState.STARTING
    world.client.state = ClientState.READY
    world.session.pump()
    assert world.session.state is BackendState.READY
    assert world.launchers == 0
    assert not world.session.owns_backend


@pytest.mark.parametrize("how", ["no file", "stale file", "silent"])
def test_else_one_is_started(world, how):
    world.client.refuse = "No backend has written it." if how == "no file" else ""
    world.session.start()
    if how == "stale file":
        world.client.state = ClientState.LOST
    world.now += ATTACH_LIMIT_S + 1
    world.session.pump()
    assert world.launchers == 1
    assert world.session.state is BackendState.STARTING
    assert world.session.owns_backend


def test_generate_waits_for_the_backend_then_sends(world):
    world.session.generate(REQUEST)
    assert world.client.submitted == []
    assert world.session.status == "Starting the backend"
    world.client.state = ClientState.READY
    world.session.pump()
    assert world.client.submitted == [{"prompt": "a person walks", "seconds": 2.0, "seed": 7}]
    assert world.session.state is BackendState.BUSY
    finish(world)
    (arrived,) = world.session.pump()
    assert arrived.request == REQUEST
    assert arrived.motion.num_frames == 4
    assert world.session.request is None
    assert world.client.jobs == {}


def test_only_one_at_a_time_and_never_without_words(world):
    world.ready()
    with pytest.raises(ClientError, match="Write what"):
        world.session.generate(Request("  ", 2.0, 0, None))
    world.session.generate(REQUEST)
    with pytest.raises(ClientError, match="already"):
        world.session.generate(REQUEST)


def test_cancel_before_and_after_sending(world):
    world.session.generate(REQUEST)
    world.session.cancel()
    assert world.session.request is None
    assert world.session.note == "Cancelled."
    world.client.state = ClientState.READY
    world.session.generate(REQUEST)
    world.session.pump()
    world.session.cancel()
    assert world.client.cancelled == ["job 0"]
    assert world.session.status == "Cancelling"
    job = world.session.job
    job.apply(protocol.Cancelled(job.job_id))
    assert world.session.pump() == []
    assert world.session.note == "Cancelled."
    assert world.session.state is BackendState.READY


def test_a_job_that_does_not_end_when_cancelled_is_let_go(world):
    world.ready()
    world.session.generate(REQUEST)
    job = world.session.job
    world.session.cancel()
    world.now += CANCEL_LIMIT_S * 0.9
    world.session.cancel()  # pressed again: the time does not begin anew
    world.session.pump()
    assert world.session.request is not None
    world.now += CANCEL_LIMIT_S * 0.2
    assert world.session.pump() == []
    assert world.session.request is None
    assert world.session.note == "Cancelled."
    assert world.client.cancelled == ["job 0"]
    assert world.client.jobs == {}

    # what is asked for next has its own time, and what the old one still says changes nothing
    world.session.generate(REQUEST)
    job.apply(protocol.Cancelled(job.job_id))
    world.now += 10 * CANCEL_LIMIT_S
    world.session.pump()
    assert world.session.request is REQUEST
    finish(world)
    assert len(world.session.pump()) == 1


def test_a_failed_job_leaves_its_message(world):
    world.ready()
    world.session.generate(REQUEST)
    world.session.pump()
    job = world.session.job
    job.apply(protocol.Error("asset", "Run `hmvlm fetch`.", False, job.job_id))
    assert job.state is JobState.FAILED
    assert world.session.pump() == []
    assert world.session.problem == "Run `hmvlm fetch`."


def test_a_backend_that_never_comes_up_ends_the_request(world):
    world.client.refuse = "no file"
    world.session.generate(REQUEST)
    world.launcher.state, world.launcher.problem = LaunchState.FAILED, "It ended with code 1."
    world.launcher.pid = None
    world.session.pump()
    assert world.session.request is None
    assert world.session.problem


def test_a_backend_that_was_started_and_cannot_be_used_is_stopped(world, monkeypatch):
    world.client.refuse = "No backend has written it."
    world.session.generate(REQUEST)
    assert world.session.owns_backend

    def come_up() -> LaunchState:
        if world.launcher.state is LaunchState.STARTING:
            world.launcher.state = LaunchState.READY
        return world.launcher.state

    monkeypatch.setattr(world.launcher, "poll", come_up)
    world.client.refuse = "The backend speaks protocol 2."
    world.session.pump()
    assert world.session.request is None
    assert world.session.problem == "The backend speaks protocol 2."
    assert not world.session.owns_backend


def test_another_file_takes_the_target_away(world):
    world.ready()
    world.session.generate(REQUEST)
    world.session.forget_target()
    world.session.pump()
    finish(world)
    (arrived,) = world.session.pump()
    assert arrived.request.target is None
    assert arrived.request.prompt == "a person walks"


def test_an_answer_that_is_no_motion(world):
    world.ready()
    world.session.generate(REQUEST)
    world.session.pump()
    job = world.session.job
    job.apply(protocol.Result(job.job_id, {"fps": 20.0}), {})
    assert world.session.pump() == []
    assert "of no use" in world.session.problem


def test_the_queue_is_told(world):
    world.ready()
    world.session.generate(REQUEST)
    world.session.pump()
    job = world.session.job
    job.apply(protocol.Accepted(job.job_id, 2))
    assert world.session.status == "Waiting for 2 other jobs"


def test_the_report_is_asked_for_now_and_then(world):
    world.ready()
    world.session.pump()
    world.session.pump()
    assert world.client.status_asked == 1
    world.client.report = protocol.StatusReport(model="loaded")
    assert world.session.report is world.client.report
    world.client.state = ClientState.LOST
    assert world.session.report is None


def test_another_machine_is_not_started_from_here(world):
    world.client.on_network, world.client.refuse = True, "The access key is mistyped."

    def refuse():
        raise BackendNotFoundError("It is started there.")

    world.session._make_launcher = refuse
    world.session.start()
    assert world.session.problem == "The access key is mistyped.\nIt is started there."
    assert world.session.state is BackendState.STOPPED
