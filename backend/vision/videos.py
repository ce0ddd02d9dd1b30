# SPDX-License-Identifier: Apache-2.0
"""Videos, animated pictures and numbered pictures, a frame at a time.

A video is a file that ffmpeg reads, a GIF, WebP or APNG, a folder of pictures, or a pattern of
their names: shot_####.png, shot_%04d.png or shot_*.png.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import InvalidInput

from . import ffmpeg
from .images import Picture, picture_of, read_picture

SEQUENCE_FPS = 24.0
"""Of pictures without a rate of their own: what Blender renders at unless told otherwise."""
_MIN_DELAY_S = 0.02
_USUAL_DELAY_S = 0.1
_WILDCARDS = {"#": r"\d+", "*": ".*", "?": "."}
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Frame:
    """time: seconds from the start. picture: upright, long ones scaled down."""

    time: float
    picture: Picture


@dataclass(frozen=True)
class VideoInfo:
    """frames: how many there are. fps: frames a second, the mean where they vary."""

    frames: int
    fps: float

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def examine(source: str | Path, sequence_fps: float = SEQUENCE_FPS) -> VideoInfo:
    """Length and rate of a video. Raises InvalidInput when it is none or holds no frame."""
    path = Path(source)
    if (pictures := _sequence(path)) is not None:
        return VideoInfo(len(pictures), sequence_fps)
    _check_file(path)
    if (times := _animation_times(path)) is not None:
        return VideoInfo(len(times) - 1, (len(times) - 1) / times[-1])
    facts = ffmpeg.examine(path)
    if facts.frames == 0:
        raise InvalidInput(f"{path} holds no whole frame. Record or copy it again.")
    return VideoInfo(facts.frames, facts.fps)


def read_frames(
    source: str | Path, fps: float | None = None, sequence_fps: float = SEQUENCE_FPS
) -> Iterator[Frame]:
    """All frames, or those that are on screen at every 1/fps seconds; one in memory at a time.

    A rate above the video's own repeats frames. Raises InvalidInput as `examine` does.
    """
    if fps is not None and not 0 < fps <= 1000:
        raise InvalidInput(f"A rate is above 0 and at most 1000 frames a second, not {fps}.")
    path = Path(source)
    if (pictures := _sequence(path)) is not None:
        shown = ((k / sequence_fps, read_picture(p)) for k, p in enumerate(pictures))
        yield from _resampled(shown, len(pictures) / sequence_fps, fps)
        return
    _check_file(path)
    if (times := _animation_times(path)) is not None:
        shown = zip(times, _animation(path), strict=False)
        yield from _resampled(shown, times[-1], fps)
        return
    own = examine(path).fps  # refuses what ffmpeg would draw all the same, as plain text
    chosen = "null" if fps is None else f"fps=fps={fps}:round=up:start_time=0"
    for k, pixels in enumerate(ffmpeg.frames(path, chosen)):
        yield Frame(k / (fps or own), picture_of(pixels))


def sample_frames(
    source: str | Path, count: int = 8, sequence_fps: float = SEQUENCE_FPS
) -> list[Frame]:
    """`count` frames spread evenly from the first to the last; all of them when there are fewer.

    A file is decoded up to the last of them, which takes a while for a long film.
    """
    if count < 1:
        raise InvalidInput(f"At least one frame must be asked for, not {count}.")
    path = Path(source)
    info = examine(path, sequence_fps)
    wanted = np.unique(np.linspace(0, info.frames - 1, count).round().astype(int)).tolist()
    if (pictures := _sequence(path)) is not None:
        return [Frame(k / sequence_fps, read_picture(pictures[k])) for k in wanted]
    if (times := _animation_times(path)) is not None:
        shown = enumerate(_animation(path))
        return [Frame(times[k], picture) for k, picture in shown if k in wanted]
    chosen = "select=" + "+".join(rf"eq(n\,{k})" for k in wanted)
    found = zip(wanted, ffmpeg.frames(path, chosen), strict=False)
    return [Frame(k / info.fps, picture_of(pixels)) for k, pixels in found]


def _resampled(
    shown: Iterator[tuple[float, Picture]], end: float, fps: float | None
) -> Iterator[Frame]:
    """From pictures with the times they appear at, those on screen at every 1/fps seconds."""
    if fps is None:
        yield from (Frame(time, picture) for time, picture in shown)
        return
    current: Picture | None = None
    tick = 0
    for time, picture in shown:
        while current is not None and tick / fps < time - 1e-9:
            yield Frame(tick / fps, current)
            tick += 1
        current = picture
    while current is not None and tick / fps < end - 1e-9:
        yield Frame(tick / fps, current)
        tick += 1


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InvalidInput(f"There is no video {path}. Check the path.")
    if path.stat().st_size == 0:
        raise InvalidInput(f"{path} is empty: it was perhaps not copied to its end.")


def _sequence(path: Path) -> Sequence[Path] | None:
    """Numbered pictures of a folder or a pattern, in order; None when it is neither."""
    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in _PICTURES]
    elif not path.exists() and re.search(r"#|\*|\?|%0?\d*d", path.name):
        name = re.sub(r"#+|%0?\d*d", "#", path.name)
        name = "".join(_WILDCARDS.get(c, re.escape(c)) for c in name)
        entries = path.parent.iterdir() if path.parent.is_dir() else iter(())
        found = [p for p in entries if re.fullmatch(name, p.name)]
    else:
        return None
    if not found:
        raise InvalidInput(
            f"There are no pictures in {path}: give a folder of numbered pictures, or a pattern "
            "such as shot_####.png."
        )
    return sorted(found, key=_number_key)


def _number_key(path: Path) -> list[tuple[int, str]]:
    """Order in which shot_10 follows shot_9."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def _animation_times(path: Path) -> list[float] | None:
    """When each frame of a GIF, WebP, APNG or still picture appears, and when the last one ends.

    Seconds; None when Pillow does not know the file.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            times = [0.0]
            for frame in ImageSequence.Iterator(file):
                frame.load()
                delay = frame.info.get("duration", 0) / 1000
                # as browsers do with a delay that no screen can show
                times.append(times[-1] + (delay if delay >= _MIN_DELAY_S else _USUAL_DELAY_S))
    except UnidentifiedImageError:
        return None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        if len(times) < 2:
            raise InvalidInput(f"{path} is damaged: {error}. Save or copy it again.") from error
    return times


def _animation(path: Path) -> Iterator[Picture]:
    from PIL import Image, ImageSequence

    from .images import to_rgb

    with Image.open(path) as file:
        frames = ImageSequence.Iterator(file)
        while True:
            try:
                frame = next(frames)
                yield picture_of(np.asarray(to_rgb(frame)))
            except (StopIteration, OSError, EOFError):  # the end, or where the file breaks off
                return
