# SPDX-License-Identifier: Apache-2.0
"""The part of a video that is followed, at a rate that can be followed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.errors import InvalidInput

from .videos import Frame, examine, read_frames

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
        raise InvalidInput(
            f"{path} is {info.seconds:.1f} seconds long and has nothing after {start:g} seconds."
        )
    frames = there - first
    if seconds is not None:
        frames = min(frames, max(1, round(seconds * fps)))
    if frames / fps > most + 1 / fps:
        raise InvalidInput(
            f"{path} has {frames / fps:.0f} seconds there, and at most {most:g} are followed at a "
            "time. Name a part of it with a start and a number of seconds."
        )
    return ClipPart(path, fps, info.fps, first, frames)
