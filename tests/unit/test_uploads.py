# SPDX-License-Identifier: Apache-2.0
"""Files for a backend on another machine: what the server keeps, and how the client sends."""

import hashlib
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend import uploads as module
from backend.errors import AssetError, InvalidInput
from backend.processes import FileLock
from backend.uploads import LOCK, MB, PREFIX, UploadLimits, Uploads
from blender_addon.core.jobs import Job, JobState
from blender_addon.core.upload import PIECE_BYTES, WINDOW, Outbox, UploadError
from blender_addon.shared import protocol

ME, OTHER = b"me", b"other"
DATA = bytes(range(200))
LIMITS = UploadLimits(file=1000, client=1500, total=2500, files=3, idle_s=100.0, ask_s=2.0)


class World:
    """What a server has of its clients."""

    def __init__(self) -> None:
        self.now = 0.0
        self.open = {"job"}
        self.uploads = Uploads(LIMITS, lambda: self.now)

    def send(self, piece: bytes, client: bytes = ME, **change) -> int:
        """One piece; without a change the whole of a small file."""
        upload = {"upload_id": "a", "name": "photo.JPG", "size": len(piece), "offset": 0}
        upload |= {"sha256": hashlib.sha256(piece).hexdigest()} | change
        return self.uploads.receive(client, protocol.Upload(**upload), [piece]).received

    def claim(self, client: bytes = ME, job_id: str = "job", **files: str) -> protocol.Submit:
        submit = protocol.Submit(job_id, "pose", {"seed": 1}, files=files or {"image": "a"})
        return self.uploads.claim(client, submit)

    def tick(self):
        return self.uploads.tick(self.open.__contains__)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    world = World()
    yield world
    world.uploads.close()


def stored(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.glob(f"{PREFIX}*/*") if path.name != LOCK]


def test_pieces_become_a_file_that_only_the_server_can_read(world, tmp_path):
    whole = hashlib.sha256(DATA).hexdigest()
    assert world.send(DATA[:150], size=200, sha256="") == 150
    assert world.send(DATA[150:], size=200, offset=150, sha256=whole) == 200
    params = world.claim().params
    path = Path(params["image"])
    assert params["seed"] == 1
    assert path.read_bytes() == DATA
    assert path.suffix == ".jpg"
    assert stored(tmp_path) == [path]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/cron.d/x",
        "..",
        "",
        "a\0b.png",
        "C:\\x.mp4",
        "x.m/p4",
        "." + "a" * 99,
    ],
)
def test_a_name_never_becomes_a_path(world, tmp_path, name):
    world.send(DATA, name=name)
    (path,) = stored(tmp_path)
    assert path == Path(world.claim().params["image"])
    assert path.suffix in ("", ".mp4", ".png")
    assert len(path.stem) == 32


def test_an_id_never_becomes_a_path(world, tmp_path):
    world.send(DATA, upload_id="../../x")
    assert world.claim(image="../../x").params["image"] == str(stored(tmp_path)[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"offset": 5}, "without its beginning"),
        ({"size": 0}, "0.0 MB"),
        ({"size": -1}, "MB"),
        ({"size": 1001}, "cut the clip"),
        ({"size": 2**62}, "cut the clip"),
        ({"size": 199}, "more bytes than announced"),
        ({"sha256": ""}, "did not come through whole"),
        ({"sha256": "0" * 64}, "did not come through whole"),
    ],
)
def test_what_is_wrong_is_refused_and_gone(world, tmp_path, change, says):
    with pytest.raises(InvalidInput, match=says):
        world.send(DATA, **change)
    assert stored(tmp_path) == []
    with pytest.raises(InvalidInput, match="send it again"):
        world.claim()


@pytest.mark.parametrize("change", [{"offset": 0}, {"offset": 149}, {"offset": 151}, {"size": 201}])
def test_a_piece_out_of_order_ends_the_upload(world, tmp_path, change):
    world.send(DATA[:150], size=200, sha256="")
    with pytest.raises(InvalidInput, match="out of order"):
        world.send(DATA[150:], **{"size": 200, "offset": 150} | change)
    assert stored(tmp_path) == []


@pytest.mark.parametrize("pieces", [[], [b""], [b"a", b"b"], [bytes(protocol.MAX_PIECE_BYTES + 1)]])
def test_a_piece_is_one_buffer_of_a_size_that_is_quickly_written(world, pieces):
    with pytest.raises(InvalidInput, match="one buffer"):
        world.uploads.receive(ME, protocol.Upload("a", "x", 900, 0), pieces)


def test_a_client_holds_so_much_and_no_more(world):
    world.send(bytes(1000), upload_id="a")
    with pytest.raises(InvalidInput, match="as many files"):
        world.send(bytes(501), upload_id="b")
    world.send(bytes(100), upload_id="b")
    world.send(bytes(100), upload_id="c")
    with pytest.raises(InvalidInput, match="as many files"):
        world.send(b"x", upload_id="d")
    world.send(bytes(900), OTHER)
    with pytest.raises(InvalidInput, match="as many files"):
        world.send(bytes(500), b"third")
    world.uploads.drop(ME, "a")
    world.send(bytes(500), b"third")


def test_a_disk_that_is_full(world, tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=60 * MB))
    with pytest.raises(AssetError, match="no room"):
        world.send(DATA)
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    world.send(DATA[:5], size=10, sha256="")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(AssetError, match="No space left"):
        world.send(DATA[:5], size=10, offset=5)
    assert stored(tmp_path) == []


def test_only_whole_files_of_the_same_client_are_given_to_a_job_and_once(world):
    world.send(DATA[:5], size=10, sha256="")
    with pytest.raises(InvalidInput, match=r"'image'.*send it again"):
        world.claim()
    world.send(DATA[5:10], size=10, offset=5, sha256=hashlib.sha256(DATA[:10]).hexdigest())
    with pytest.raises(InvalidInput, match="send it again"):
        world.claim(OTHER)
    with pytest.raises(InvalidInput, match=r"'video'.*send it again"):
        world.claim(image="a", video="nothing")
    assert world.claim().files == {}
    with pytest.raises(InvalidInput, match="send it again"):
        world.claim(job_id="second")


def test_a_file_goes_with_its_job_whatever_its_client_does(world, tmp_path):
    world.send(DATA)
    world.claim()
    world.now += 1000
    world.uploads.drop_client(ME)
    world.uploads.drop(ME, "a")
    with pytest.raises(InvalidInput, match="out of order"):
        world.send(DATA)
    assert world.tick() == []
    assert len(stored(tmp_path)) == 1
    world.open.clear()
    world.tick()
    assert stored(tmp_path) == []


def test_a_file_without_a_job_goes_with_its_client_or_in_time(world, tmp_path):
    world.send(DATA)
    world.send(DATA, OTHER)
    world.uploads.drop_client(ME)
    assert len(stored(tmp_path)) == 1
    assert world.tick() == []
    world.now += 3
    assert world.tick() == [(OTHER, protocol.Uploaded("a", 200))]
    assert world.tick() == []  # asked once, not at every turn
    world.now += 98
    assert world.tick() == []
    assert stored(tmp_path) == []


def test_nothing_is_left_at_the_end(world, tmp_path):
    world.send(DATA)
    world.claim()
    world.uploads.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_is_removed_and_no_other(world, tmp_path):
    killed, young, running = (tmp_path / f"{PREFIX}{name}" for name in ("k", "y", "r"))
    for folder in (killed, young, running):
        folder.mkdir()
        (folder / "file").write_bytes(DATA)
    lock = FileLock(running / LOCK)
    assert lock.acquire()
    for folder in (killed, running):
        os.utime(folder, (0.0, 0.0))
    world.send(DATA)
    assert not killed.exists()
    assert young.exists()
    assert running.exists()
    lock.release()


def test_errors_call_the_file_by_its_name(world):
    world.send(DATA)
    path = world.claim().params["image"]
    error = protocol.Error("invalid_input", f"{path} is no picture.", False, "job")
    assert world.uploads.in_users_words(error).message == "photo.JPG is no picture."
    other = protocol.Error("invalid_input", f"{path} is no picture.", False, "another")
    assert world.uploads.in_users_words(other) == other


# --- the client's side ----------------------------------------------------------------------------


class Line:
    """Takes what an outbox sends."""

    def __init__(self) -> None:
        self.messages: list = []
        self.outbox = Outbox(self.send)
        self.job = Job("job", "pose")
        self.told: list[tuple[int, str]] = []

    def send(self, message, buffers) -> int:
        self.messages.append((message, b"".join(buffers)))
        return len(self.messages)

    def add(self, path: Path) -> None:
        submit = protocol.Submit("job", "pose", {"image": str(path), "seed": 1})
        self.outbox.add(self.job, submit, [], {"image": str(path)})

    def pump(self, seconds: float = 60.0) -> list:
        return self.outbox.pump(time.monotonic() + seconds, lambda *told: self.told.append(told))

    def arrive(self) -> None:
        """The server has all that was sent."""
        last, piece = self.messages[-1]
        self.outbox.uploaded(protocol.Uploaded(last.upload_id, last.offset + len(piece)))


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_file_goes_in_pieces_and_the_job_after_it(line, tmp_path):
    path, data = tmp_path / "clip.mp4", os.urandom(PIECE_BYTES * (WINDOW + 3) + 7)
    path.write_bytes(data)
    line.add(path)
    assert line.job.state is JobState.SENDING
    line.pump()
    assert len(line.messages) == WINDOW  # no more are on the line at once
    line.pump()
    assert len(line.messages) == WINDOW
    line.arrive()
    assert 0.7 < line.job.fraction < 1
    assert line.job.message == "Sending clip.mp4: 4.0 of 4.8 MB"
    line.pump()
    line.arrive()
    assert line.pump() == []
    *sent, (submit, _) = line.messages
    assert b"".join(piece for _, piece in sent) == data
    assert [upload.offset for upload, _ in sent[:2]] == [0, PIECE_BYTES]
    assert {upload.name for upload, _ in sent} == {"clip.mp4"}
    assert sent[-1][0].sha256 == hashlib.sha256(data).hexdigest()
    assert submit.files == {"image": sent[0][0].upload_id}
    assert submit.params == {"seed": 1}  # a path would mean nothing there
    assert line.job.state is JobState.SENT
    assert line.told[-1] == (len(line.messages), "job")
    line.pump()
    assert len(line.messages) == len(sent) + 1


def test_a_pump_without_time_sends_nothing(line, tmp_path):
    (tmp_path / "a.png").write_bytes(DATA)
    line.add(tmp_path / "a.png")
    line.pump(-1.0)
    assert line.messages == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.mkdir(), r"a folder.*make a video"),
        (lambda path: path.touch(), "empty"),
        (lambda path: (path.touch(), os.truncate(path, 513 * MB)), r"513 MB.*at most 512"),
    ],
)
def test_what_cannot_be_sent_says_what_to_do(line, tmp_path, make, says):
    make(tmp_path / "x.mp4")
    with pytest.raises(UploadError, match=says):
        line.add(tmp_path / "x.mp4")
    assert line.pump() == []
    assert line.messages == []


def test_a_file_that_shrinks_ends_its_job(line, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(bytes(PIECE_BYTES * (WINDOW + 2)))
    line.add(path)
    line.pump()
    os.truncate(path, PIECE_BYTES)
    line.arrive()
    (error,) = line.pump()
    assert error.job_id == "job"
    assert "changed while it was sent" in error.message
    assert isinstance(line.messages[-1][0], protocol.DropUpload)
    assert line.pump() == []


def test_what_is_dropped_is_forgotten_on_both_sides(line, tmp_path):
    (tmp_path / "a.png").write_bytes(DATA)
    line.add(tmp_path / "a.png")
    line.pump()
    upload = line.messages[-1][0]
    assert line.outbox.drop("job")
    assert line.messages[-1][0] == protocol.DropUpload(upload.upload_id)
    assert not line.outbox.drop("job")
    line.outbox.uploaded(protocol.Uploaded(upload.upload_id, 200))
    assert line.pump() == []
    assert len(line.messages) == 2


def test_a_job_that_the_server_refused_meanwhile_stays_refused(line, tmp_path):
    (tmp_path / "a.png").write_bytes(DATA)
    line.add(tmp_path / "a.png")
    line.pump()
    line.job.apply(protocol.Error("invalid_input", "Too large.", False, "job"))
    line.arrive()
    assert line.pump() == []
    assert line.job.state is JobState.FAILED
    assert line.job.message == "Too large."
    assert isinstance(line.messages[-1][0], protocol.DropUpload)
