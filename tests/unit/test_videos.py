# SPDX-License-Identifier: Apache-2.0
"""Frames of videos, animations and numbered pictures: the right ones, at the right times."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import InvalidInput
from backend.vision.videos import examine, read_frames, sample_frames

FPS, COUNT, STEP = 25.0, 30, 7
DARKEST = 20
"""The film's frame k is grey DARKEST + k * STEP, with grain that keeps the mean."""


def ffmpeg(*arguments: str | Path) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    command = [get_ffmpeg_exe(), "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def number(frame) -> float:
    """Which frame of the film this is."""
    return (float(frame.picture.pixels.mean()) - DARKEST) / STEP


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A folder with film.mp4 and what is made from it, and with sound.mp4."""
    import imageio.v2 as imageio

    folder = tmp_path_factory.mktemp("films")
    film = folder / "film.mp4"
    with imageio.get_writer(film, fps=FPS, macro_block_size=2, output_params=["-crf", "1"]) as out:
        for k in range(COUNT):
            grain = np.random.default_rng(k).choice([-15, 15], (48, 64, 1)).repeat(3, axis=2)
            out.append_data((DARKEST + k * STEP + grain - round(grain.mean())).astype(np.uint8))
    ffmpeg("-i", film, "-c", "copy", folder / "film.mov")
    ffmpeg("-i", film, "-c", "copy", "-movflags", "faststart", folder / "fast.mp4")
    ffmpeg("-i", film, "-c:v", "libvpx", "-crf", "4", "-b:v", "2M", folder / "film.webm")
    ffmpeg("-i", film, folder / "film.gif")
    ffmpeg("-i", film, "-frames:v", "1", folder / "one.mp4")
    ffmpeg("-display_rotation", "90", "-i", film, "-c", "copy", folder / "turned.mp4")
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.5", folder / "sound.mp4")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """shot_1.png to shot_30.png, which an alphabet would sort wrongly, and a file of notes."""
    for k in range(COUNT):
        Image.new("L", (64, 48), DARKEST + k * STEP).save(tmp_path / f"shot_{k + 1}.png")
    (tmp_path / "notes.txt").write_text("take two")
    return tmp_path


KINDS = ("film.mp4", "film.mov", "film.webm", "film.gif")


@pytest.mark.parametrize("name", KINDS)
def test_a_film(films: Path, name: str):
    info = examine(films / name)
    assert info.frames == COUNT
    assert info.fps == pytest.approx(FPS)
    assert info.seconds == pytest.approx(1.2)
    frames = list(read_frames(films / name))
    assert [f.time for f in frames] == pytest.approx([k / FPS for k in range(COUNT)])
    assert [number(f) for f in frames] == pytest.approx(list(range(COUNT)), abs=0.49)


@pytest.mark.parametrize("name", KINDS)
def test_at_another_rate_the_frame_on_screen_is_shown(films: Path, name: str):
    frames = list(read_frames(films / name, fps=20))
    assert [f.time for f in frames] == pytest.approx([k / 20 for k in range(24)])
    on_screen = [int(k / 20 * FPS + 1e-6) for k in range(24)]
    assert [number(f) for f in frames] == pytest.approx(on_screen, abs=0.49)
    twice = list(read_frames(films / name, fps=50))
    assert [number(f) for f in twice][:6] == pytest.approx([0, 0, 1, 1, 2, 2], abs=0.49)


@pytest.mark.parametrize("name", KINDS)
def test_samples_are_spread_from_the_first_to_the_last(films: Path, name: str):
    wanted = np.linspace(0, COUNT - 1, 8).round()
    frames = sample_frames(films / name, 8)
    assert [number(f) for f in frames] == pytest.approx(wanted, abs=0.49)
    assert [f.time for f in frames] == pytest.approx(wanted / FPS)
    assert len(sample_frames(films / name, 100)) == COUNT
    assert number(sample_frames(films / name, 1)[0]) == pytest.approx(0, abs=0.49)


def test_one_frame_is_enough(films: Path):
    assert examine(films / "one.mp4").frames == 1
    assert len(list(read_frames(films / "one.mp4", fps=20))) == 1
    assert len(sample_frames(films / "one.mp4", 8)) == 1


def test_a_still_picture_is_a_film_of_one_frame(pictures: Path):
    (frame,) = sample_frames(pictures / "shot_3.png")
    assert number(frame) == pytest.approx(2)
    assert frame.time == 0


def test_a_film_that_a_phone_turned(films: Path):
    (frame, *_) = read_frames(films / "turned.mp4")
    assert frame.picture.size == (48, 64)


def test_a_film_that_breaks_off_gives_what_is_there(films: Path):
    for name in ("fast.mp4", "film.webm", "film.gif"):
        data = (films / name).read_bytes()
        path = films / f"cut-{name}"
        path.write_bytes(data[: int(0.7 * len(data))])
        frames = list(read_frames(path))
        assert 1 <= len(frames) < COUNT
        assert [number(f) for f in frames[:2]] == pytest.approx([0, 1][: len(frames)], abs=1)
        assert 1 <= len(sample_frames(path, 4)) <= 4


def test_only_one_frame_is_held_at_a_time(films: Path):
    frames = read_frames(films / "film.mp4")
    assert number(next(frames)) == pytest.approx(0, abs=0.49)
    frames.close()  # ends ffmpeg, which waits in the middle of the film


@pytest.mark.parametrize("name", ["", "shot_#.png", "shot_####.png", "shot_%04d.png", "*.png"])
def test_numbered_pictures(pictures: Path, name: str):
    source = pictures / name
    assert examine(source).frames == COUNT
    assert examine(source).fps == 24
    frames = list(read_frames(source, sequence_fps=10))
    assert [number(f) for f in frames] == pytest.approx(list(range(COUNT)))
    assert frames[-1].time == pytest.approx(2.9)
    slower = list(read_frames(source, fps=5, sequence_fps=10))
    assert [number(f) for f in slower] == pytest.approx(list(range(0, COUNT, 2)))
    sampled = [number(f) for f in sample_frames(source, 8)]
    assert sampled == pytest.approx(np.linspace(0, COUNT - 1, 8).round())


def test_animations_keep_their_own_delays(tmp_path: Path):
    path = tmp_path / "uneven.gif"
    first, second, third = (Image.new("L", (64, 48), DARKEST + k * STEP) for k in (1, 9, 20))
    first.save(path, save_all=True, append_images=[second, third], duration=[100, 300, 0])
    frames = list(read_frames(path))
    assert [f.time for f in frames] == pytest.approx([0, 0.1, 0.4])
    assert examine(path).seconds == pytest.approx(0.5)  # no delay means the usual 0.1 s
    shown = [number(f) for f in read_frames(path, fps=10)]
    assert shown == pytest.approx([1, 9, 9, 9, 20], abs=0.2)


def cut_without_index(films: Path, path: Path) -> None:
    path.write_bytes((films / "film.mp4").read_bytes()[:9000])


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (lambda films, p: p.write_text("hello\n" * 99), "a.mp4", "not a video.*MP4"),
        (lambda films, p: p.write_text("hello\n" * 99), "a.txt", "not a video.*MP4"),
        (lambda films, p: p.write_bytes(bytes(range(256)) * 64), "a.mov", "not a video"),
        (lambda films, p: p.write_bytes(b""), "a.mp4", "empty"),
        (lambda films, p: p.write_bytes((films / "sound.mp4").read_bytes()), "a.mp4", "sound but"),
        (cut_without_index, "a.mp4", "breaks off.*Record or copy"),
        (lambda films, p: None, "a.mp4", "no video.*Check the path"),
        (lambda films, p: None, "a_##.png", "no pictures.*pattern"),
        (lambda films, p: p.mkdir(), "folder", "no pictures.*pattern"),
        (
            lambda films, p: p.write_text("#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/x.ts\n"),
            "a.m3u8",
            "not a video",
        ),
    ],
)
def test_what_is_no_video_says_what_to_do(films: Path, tmp_path: Path, make, name, said):
    path = tmp_path / name
    make(films, path)
    for read in (examine, sample_frames, lambda p: list(read_frames(p, fps=20))):
        with pytest.raises(InvalidInput, match=said):
            read(path)


def test_questions_that_make_no_sense(films: Path):
    with pytest.raises(InvalidInput, match="rate"):
        list(read_frames(films / "film.mp4", fps=0))
    with pytest.raises(InvalidInput, match="At least one"):
        sample_frames(films / "film.mp4", 0)
