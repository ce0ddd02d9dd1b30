# SPDX-License-Identifier: Apache-2.0
"""A backend that cannot see the client's files: it has to be sent them.

It runs in another folder, with a temporary folder of its own, and each file is deleted here before
its job begins.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from backend_harness import Backend, collect, finish, wait_until
from PIL import Image

from backend.uploads import LOCK, PREFIX
from blender_addon.core.asks import TrackAsk
from blender_addon.core.client import Client, ClientError, ClientState
from blender_addon.core.jobs import Job, JobState
from blender_addon.core.session import BackendState, Session
from blender_addon.shared import protocol
from blender_addon.shared.connection import read_connection_file

pytestmark = pytest.mark.wire


class Far:
    """A server and what it has stored."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self.backend = Backend(folder, TMPDIR=str(self.temporary)).start()

    def client(self) -> Client:
        client = Client("", "test", lambda: read_connection_file(self.backend.connection_file))
        client.connect()
        collect(client, lambda _: client.state is not ClientState.CONNECTING)
        assert client.state is ClientState.READY, client.problem
        self.backend.clients.append(client)
        return client

    def stored(self) -> list[Path]:
        return [path for path in self.temporary.glob(f"{PREFIX}*/*") if path.name != LOCK]

    def wait_for_nothing(self) -> None:
        wait_until(lambda: not self.stored())


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    far = Far(tmp_path_factory.mktemp("far"))
    yield far
    far.backend.stop()


@pytest.fixture
def client(far: Far) -> Client:
    return far.client()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "Ferienfoto grün.PNG"
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)  # more than a megabyte: several pieces
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.gif"
    frames = [Image.new("RGB", (64, 64), (40 * i, 0, 0)) for i in range(5)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Large enough not to be there before somebody changes his mind."""
    path = tmp_path / "film.mp4"
    path.touch()
    os.truncate(path, 200_000_000)
    return path


def run(client: Client, task: str, path: Path, name: str) -> Job:
    """The job, with the file deleted here while the worker is still at another one."""
    first = client.submit("text_to_motion", {"prompt": "x", "seconds": 30})
    job = client.jobs[client.submit(task, {name: str(path)}, files=(name,))]
    assert job.state is JobState.SENDING
    collect(client, lambda _: job.state is JobState.QUEUED)
    path.unlink()
    client.cancel(first)
    return finish(client, job.job_id)


def test_a_photo_is_read_over_there(far, client, photo):
    size = photo.stat().st_size
    assert size > 1_000_000
    job = run(client, "look", photo, "image")
    assert job.state is JobState.DONE, job.message
    assert job.values["size"] == [800, 600]
    there = Path(job.values["path"])
    assert far.temporary in there.parents
    assert "foto" not in str(there)
    if os.name == "posix":
        assert job.values["modes"] == ["0o700", "0o600"]
    far.wait_for_nothing()


def test_a_clip_is_tracked_over_there(far, client, clip):
    job = run(client, "track", clip, "video")
    assert job.state is JobState.DONE, job.message
    assert job.motion().fps == pytest.approx(10)
    far.wait_for_nothing()


def test_a_refusal_calls_the_file_by_its_name(far, client, tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("no picture")
    job = run(client, "look", path, "image")
    assert job.error is not None
    assert job.error.message.startswith("notes.jpg is not a picture")
    assert str(far.temporary) not in job.error.message
    far.wait_for_nothing()


def test_a_task_that_is_refused_keeps_no_file(far, client, clip):
    job = client.jobs[client.submit("juggle", {"video": str(clip)}, files=("video",))]
    finish(client, job.job_id)
    assert job.error is not None
    assert job.error.code == protocol.Code.UNKNOWN_TASK
    far.wait_for_nothing()


def test_what_does_not_come_through_whole_ends_its_job(far, client, clip):
    job = client.jobs[client.submit("track", {"video": str(clip)}, files=("video",))]
    client._outbox._waiting[job.job_id].files["video"]._digest.update(b"a bit that fell over")
    finish(client, job.job_id)
    assert job.error is not None
    assert job.error.code == protocol.Code.INVALID_INPUT
    assert "did not come through whole" in job.message
    far.wait_for_nothing()
    assert run(client, "track", clip, "video").state is JobState.DONE


def test_cancelled_while_it_is_sent(far, client, film):
    job = client.jobs[client.submit("track", {"video": str(film)}, files=("video",))]
    collect(client, lambda _: job.fraction > 0.01)
    assert job.message.startswith("Sending film.mp4: ")
    assert len(far.stored()) == 1
    client.cancel(job.job_id)
    assert job.state is JobState.CANCELLED
    events = collect(client, lambda events: events)
    assert [event.message for event in events if event.job_id] == [protocol.Cancelled(job.job_id)]
    far.wait_for_nothing()
    assert finish(client, client.submit("echo", {"n": 1})).values == {"n": 1}


def test_the_client_leaves_while_it_sends(far, film):
    client = far.client()
    job = client.jobs[client.submit("track", {"video": str(film)}, files=("video",))]
    collect(client, lambda _: job.fraction > 0.01)
    client.close()
    assert job.error is not None
    assert job.error.code == protocol.Code.BACKEND_LOST
    far.wait_for_nothing()


def test_the_server_dies_while_it_is_sent(tmp_path, film):
    far = Far(tmp_path)
    client = far.client()
    job = client.jobs[client.submit("track", {"video": str(film)}, files=("video",))]
    collect(client, lambda _: job.fraction > 0.01)
    pid = far.backend.launcher.pid
    psutil.Process(pid).kill()
    finish(client, job.job_id)
    assert job.error is not None
    assert job.error.code == protocol.Code.BACKEND_LOST
    with pytest.raises(ClientError):
        client.submit("track", {"video": str(film)}, files=("video",))
    far.backend.stop()


def test_a_server_that_is_stopped_leaves_nothing(tmp_path, film):
    far = Far(tmp_path)
    client = far.client()
    job = client.jobs[client.submit("track", {"video": str(film)}, files=("video",))]
    collect(client, lambda _: job.fraction > 0.01)
    far.backend.stop()
    assert list(far.temporary.iterdir()) == []
    assert job.finished


def test_an_older_server_is_sent_nothing(far, client, clip):
    assert client.welcome is not None
    assert client.welcome.minor >= protocol.UPLOADS_SINCE
    client.welcome = protocol.Welcome("0.0.9", minor=1)
    with pytest.raises(ClientError, match="update it there"):
        client.submit("track", {"video": str(clip)}, files=("video",))
    assert far.stored() == []


def test_on_this_machine_the_path_goes(far, clip):
    client = far.backend.client()
    job = client.jobs[client.submit("echo", {"video": str(clip)}, files=("video",))]
    assert job.state is JobState.SENT
    assert finish(client, job.job_id).values == {"video": str(clip)}


def test_the_panels_show_it_and_escape_ends_it(far, film):
    session = Session(far.client, lambda: pytest.fail("nothing is started here"))
    session.start()
    deadline = time.monotonic() + 60

    def pump_until(condition) -> None:
        while not condition():
            assert time.monotonic() < deadline
            session.pump()
            time.sleep(0.01)

    pump_until(lambda: session.state is BackendState.READY)
    session.ask(TrackAsk(str(film), "film"))
    pump_until(lambda: session.fraction > 0.01)
    assert session.status.startswith("Sending film.mp4: ")
    session.cancel()
    session.pump()
    assert session.request is None
    assert session.note == "Cancelled."
    far.wait_for_nothing()
    session.close()
