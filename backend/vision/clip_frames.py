# SPDX-License-Identifier: Apache-2.0
"""The part of a video that is followed or watched, at a rate that suits it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from backend.errors import InvalidInput

from .videos import Frame, VideoInfo, examine, read_frames

MOST_FPS = 30.0
_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class ClipPart:
    """fps: at which frames are taken; own_fps: the video's, a multiple of it. first: number of the
    first frame at that rate; frames: how many there are, at most."""

    path: Path
    fps: float
    own_fps: float
    first: int
    frames: int

    def read(self) -> Iterator[Frame]:
        """The frames, one at a time."""
        rate = None if self.fps == self.own_fps else self.fps
        for number, frame in enumerate(read_frames(self.path, rate)):
            if number >= self.first + self.frames:
                return
            if number >= self.first:
                yield frame


def clip_part(
    video: str | Path, start: float = 0.0, seconds: float | None = None, most: float = math.inf
) -> ClipPart:
    """Seconds `start` to `start + seconds` of a video, or to its end.

    Raises InvalidInput for what is no video, a start after its end, or more than `most` seconds.
    """
    path = Path(video)
    info = examine(path)
    every = max(1, math.ceil(info.fps / MOST_FPS - _ROUNDING_S))
    fps = info.fps / every
    there = math.ceil(info.frames / every)
    first = math.ceil(start * fps - _ROUNDING_S)
    if first >= there:
        raise _after_the_end(path, info, start)
    frames = there - first
    if seconds is not None:
        frames = min(frames, max(1, round(seconds * fps)))
    if frames / fps > most + 1 / fps:
        raise InvalidInput(
            f"{path} has {frames / fps:.0f} seconds there, and at most {most:g} are followed at a "
            "time. Name a part of it with a start and a number of seconds."
        )
    return ClipPart(path, fps, info.fps, first, frames)


@dataclass(frozen=True)
class SampledPart:
    """Frames spread evenly over a part of a video. fps: at which they are taken, whatever the
    video's own rate. first: number of the first of them; frames: how many; seconds: of the part."""

    path: Path
    fps: float
    first: int
    frames: int
    seconds: float

    def read(self) -> Iterator[Frame]:
        """The frames, one at a time."""
        return islice(read_frames(self.path, self.fps), self.first, self.first + self.frames)


def sampled_part(
    video: str | Path,
    most_fps: float,
    most_frames: int,
    start: float = 0.0,
    seconds: float | None = None,
) -> SampledPart:
    """Seconds `start` to `start + seconds` of a video, or to its end, in at most so many frames.

    Raises InvalidInput for what is no video, or a start after its end.
    """
    path = Path(video)
    info = examine(path)
    if start >= info.seconds - _ROUNDING_S:
        raise _after_the_end(path, info, start)
    length = info.seconds - start
    if seconds is not None:
        length = min(length, seconds)
    fps = min(info.fps, most_fps, most_frames / length)
    there = max(1, math.ceil(info.seconds * fps - _ROUNDING_S))
    first = min(math.ceil(start * fps - _ROUNDING_S), there - 1)
    frames = there - first
    if seconds is not None:
        frames = min(frames, max(1, round(length * fps)))
    return SampledPart(path, fps, first, frames, length)


def _after_the_end(path: Path, info: VideoInfo, start: float) -> InvalidInput:
    return InvalidInput(
        f"{path} is {info.seconds:.1f} seconds long and has nothing after {start:g} seconds: name "
        "an earlier start."
    )
