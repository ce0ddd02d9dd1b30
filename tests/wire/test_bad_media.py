# SPDX-License-Identifier: Apache-2.0
"""Odd and broken pictures and videos through the command line, a real server and the shipped
weights: a clear error or a sane answer."""

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from backend_harness import Backend
from imageio_ffmpeg import write_frames
from PIL import Image

from backend import assets
from backend.cli import main
from backend.engine import DEFAULT_ENGINE
from backend.model.loading import ADAPTER_FOLDER, DEFAULT_CHECKPOINT
from blender_addon.shared.motion import Motion

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(900)]
SHOULDERS = [11, 12]
NEAR = 35.0
"""Pixels: 4 % of the crop around the portrait's whole body, most of which is below the picture."""
Command = Callable[..., tuple[int, str]]


def portrait() -> Image.Image:
    """A portrait (public domain, US Navy), 512 x 600, that comes with matplotlib."""
    from matplotlib import get_data_path

    with Image.open(Path(get_data_path()) / "sample_data" / "grace_hopper.jpg") as picture:
        return picture.convert("RGB")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    backend = Backend(tmp_path_factory.mktemp("backend"), DEFAULT_ENGINE).start()
    yield backend
    backend.stop()


@pytest.fixture
def hmvlm(backend: Backend, tmp_path: Path, monkeypatch, capsys) -> Command:
    """Runs a command in an empty folder -> its exit status, and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test process keeps its own

    def run(*arguments: str) -> tuple[int, str]:
        status = main([*arguments, "--connection-file", str(backend.connection_file)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def shoulders(hmvlm: Command, picture: str, *options: str) -> np.ndarray:
    """(2, 2) pixels, where `hmvlm pose` sees them; the pose must be a whole one."""
    status, said = hmvlm("pose", picture, "--out", "pose.npz", "--samples", "1", *options)
    assert status == 0, said
    assert np.isfinite(Motion.load_npz("pose.npz").poses).all()
    with np.load("pose.npz") as content:
        return content["landmarks_image"][SHOULDERS, :2]


@pytest.fixture(scope="module")
def usual() -> np.ndarray:
    """The portrait's shoulders, measured by eye."""
    return np.array([[440.0, 400.0], [75.0, 400.0]])


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_print_colours(hmvlm: Command, usual: np.ndarray, mode: str) -> None:
    portrait().convert(mode).save("photo.jpg")
    np.testing.assert_allclose(shoulders(hmvlm, "photo.jpg"), usual, atol=NEAR)


def test_a_phone_that_was_held_upright(hmvlm: Command, usual: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    portrait().transpose(Image.Transpose.ROTATE_90).save("photo.jpg", exif=exif)
    np.testing.assert_allclose(shoulders(hmvlm, "photo.jpg"), usual, atol=NEAR)


def test_sixty_four_million_pixels(hmvlm: Command, usual: np.ndarray) -> None:
    square = Image.new("RGB", (600, 600), (120, 140, 160))
    square.paste(portrait())
    square.resize((8000, 8000)).save("photo.jpg")
    found = shoulders(hmvlm, "photo.jpg")
    np.testing.assert_allclose(found * 600 / 8000, usual, atol=NEAR)


def test_of_ten_people_the_largest_or_the_one_in_the_box(hmvlm: Command, usual: np.ndarray) -> None:
    sheet = Image.new("RGB", (1600, 1000), (120, 140, 160))
    small = portrait().resize((256, 300))
    for k in range(9):
        sheet.paste(small, (280 * (k % 3) + 10, 320 * (k // 3) + 20))
    sheet.paste(portrait().resize((640, 750)), (920, 250))
    sheet.save("photo.png")
    largest = shoulders(hmvlm, "photo.png")
    np.testing.assert_allclose(largest, usual * 1.25 + [920, 250], atol=1.25 * NEAR)
    chosen = shoulders(hmvlm, "photo.png", "--box", "290,340,546,640")
    np.testing.assert_allclose(chosen, usual / 2 + [290, 340], atol=40)  # the next one is 280 away


def test_upside_down(hmvlm: Command) -> None:
    """The pose is upright all the same, or the error says to turn the picture."""
    portrait().transpose(Image.Transpose.ROTATE_180).save("photo.png")
    status, said = hmvlm("pose", "photo.png", "--out", "pose.npz", "--samples", "1")
    if status:
        assert "upside down" in said
        return
    with np.load("pose.npz") as content:
        np.testing.assert_allclose(
            content["landmarks_image"][SHOULDERS, :2], [[72, 200], [437, 200]], atol=NEAR
        )
    joints = Motion.load_npz("pose.npz").joint_positions()[0]
    assert joints[15, 1] > joints[0, 1] + 0.4  # the head is above the pelvis


def broken_off(path: Path, whole: Path, share: float) -> None:
    data = whole.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def test_what_shows_nobody_or_is_no_picture(hmvlm: Command) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save("noise.png")
    portrait().resize((16, 16)).save("icon.png")
    portrait().save("whole.jpg")
    Path("text.jpg").write_text("not a picture\n" * 40)
    broken_off(Path("cut.jpg"), Path("whole.jpg"), 0.5)
    for name, word in (
        ("noise.png", "No person was found"),
        ("icon.png", "at least 32 x 32"),
        ("text.jpg", "Give a JPEG, PNG"),
        ("cut.jpg", "damaged or incomplete"),
    ):
        status, said = hmvlm("pose", name, "--out", "pose.npz")
        assert status == 1
        assert word in said
        assert "Traceback" not in said
        assert not Path("pose.npz").exists()


def film(path: str, frames: int, picture: Image.Image) -> None:
    writer = write_frames(path, picture.size, fps=20, codec="libx264", macro_block_size=2)
    writer.send(None)
    for _ in range(frames):
        writer.send(np.asarray(picture))
    writer.close()


def test_short_broken_and_empty_videos(hmvlm: Command) -> None:
    film("one.mp4", 1, portrait())
    film("whole.mp4", 40, portrait())
    film("nobody.mp4", 6, Image.new("RGB", (320, 240), (120, 140, 160)))
    broken_off(Path("cut.mp4"), Path("whole.mp4"), 0.6)
    Path("text.mp4").write_text("not a video\n" * 40)
    for name, words in (
        ("one.mp4", "No person could be followed for 0.2 seconds"),
        ("nobody.mp4", "No person"),
        ("cut.mp4", "Record or copy it again"),
        ("text.mp4", "not a video"),
    ):
        status, said = hmvlm("track", name, "--out", "motion.npz")
        assert (status, words in said) == (1, True), said
        assert not Path("motion.npz").exists()
        if name == "one.mp4":
            continue
        status, said = hmvlm("describe", name)
        assert status == 1, said
        assert ("Nobody was found" if name == "nobody.mp4" else words) in said
    status, said = hmvlm("describe", "one.mp4", "--json")  # one frame is enough for words
    assert status == 0, said
    answer, _ = json.JSONDecoder().raw_decode(said, said.index("{"))  # what is on stderr follows
    assert answer["frames"] == 1


def test_weights_for_another_language_model_are_refused(tmp_path: Path, monkeypatch, capsys):
    """Weights whose base model is not the one that is here must not answer with nonsense."""
    weights = tmp_path / "weights"
    shutil.copytree(DEFAULT_CHECKPOINT, weights)
    path = weights / ADAPTER_FOLDER / "adapter_config.json"
    text = path.read_text()
    (ours,) = re.findall(r'"base_sha256": "([0-9a-f]{64})"', text)
    path.write_text(text.replace(ours, "e" * 64))
    assets.write_manifest(weights, record_times=False, base_sha256="e" * 64)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    asked = ["generate", "--prompt", "a person walks", "--seconds", "2", "--out", "x.npz"]
    asked += ["--weights", str(weights), "--connection-file", str(tmp_path / "c.json")]
    assert main(asked) == 1
    said = capsys.readouterr().err
    assert "trained on another 'smollm2'" in said
    assert "eeeeeeeeeeee..., found " + ours[:12] in said
    assert not Path("x.npz").exists()
