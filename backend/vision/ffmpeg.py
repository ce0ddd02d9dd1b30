# SPDX-License-Identifier: Apache-2.0
"""What is needed of the ffmpeg that comes with imageio: facts about a file, frames as a stream.

Frames come as PPM pictures, which say their own size: turned and odd-sized videos need no guess.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from backend.errors import InvalidInput

# never a network address or a device, whatever a playlist says
_LOCAL = ("-protocol_whitelist", "file,crypto,data")
_NOT_FILM = ("ansi", "bintext", "xbin", "idf")
_PICTURE = ("-map", "0:V:0")
"""Moving pictures only: a capital V leaves out the cover of a song."""


@dataclass(frozen=True)
class Facts:
    """frames: how many the file holds (0: none is whole). fps: frames a second, by its header."""

    frames: int
    fps: float


def examine(path: Path) -> Facts:
    """Count frames without decoding them. Raises InvalidInput when the file is no video."""
    command = [*_base(path), *_PICTURE, "-c", "copy", "-f", "null", "-"]
    said = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, check=False
    ).stderr.decode("utf-8", "replace")
    stream = re.search(r"Stream #.*?Video: (\w+).*", said)
    if stream is None or stream[1] in _NOT_FILM or "Output #0" not in said:
        raise InvalidInput(_why_not(path, said))
    counts = re.findall(r"frame=\s*(\d+)", said)
    frames = int(counts[-1]) if counts else 0
    rate = re.search(r"([\d.]+) fps", stream[0])
    times = re.findall(r"time=\s*(\d+):(\d+):([\d.]+)", said)
    seconds = (
        sum(float(v) * w for v, w in zip(times[-1], (3600, 60, 1), strict=True)) if times else 0
    )
    fps = float(rate[1]) if rate else 0.0
    if not 0 < fps <= 1000:
        fps = frames / seconds if seconds > 0 else 25.0
    return Facts(frames, fps)


def frames(path: Path, video_filter: str) -> Iterator[np.ndarray]:
    """Frames (height, width, 3) uint8 after a filter, upright, one at a time.

    A file that breaks off gives those before the break. Raises InvalidInput when there is none.
    """
    options = [*_PICTURE, "-vf", video_filter, "-fps_mode", "passthrough"]
    command = [*_base(path), *options, "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
        stream = process.stdout
        assert stream is not None
        count = 0
        try:
            while (picture := _read_ppm(stream)) is not None:
                count += 1
                yield picture
        finally:
            process.kill()
            process.wait()
            stream.close()
        if count == 0:
            log.seek(0)
            raise InvalidInput(_why_not(path, log.read().decode("utf-8", "replace")))


def _base(path: Path) -> Sequence[str]:
    from imageio_ffmpeg import get_ffmpeg_exe

    return [get_ffmpeg_exe(), "-hide_banner", "-nostdin", *_LOCAL, "-i", str(path.absolute())]


def _read_ppm(stream: IO[bytes]) -> np.ndarray | None:
    """The next picture of a stream; None at its end, also in the middle of a picture."""
    if stream.readline().strip() != b"P6":
        return None
    width, height = (int(v) for v in stream.readline().split())
    stream.readline()  # the largest value, 255
    data = stream.read(width * height * 3)
    if len(data) < width * height * 3:
        return None
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _starts_as_mp4(path: Path) -> bool:
    """Whether it was one: for ffmpeg a text of that name is also an MP4 without an index."""
    with path.open("rb") as file:
        return file.read(8)[4:] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _why_not(path: Path, said: str) -> str:
    if re.search(r"Stream #.*Audio:", said) and "matches no streams" in said:
        return f"{path} has sound but no moving picture. Give a video."
    if re.search(r"Stream #.*Video:", said) and not re.search(r"Video: (ansi|bintext)", said):
        return f"{path} is damaged: no frame of it can be read. Record or copy it again."
    if _starts_as_mp4(path):
        return f"{path} breaks off before its index is complete. Record or copy it again."
    return (
        f"{path} is not a video that can be read. Give MP4, MOV, WebM or GIF, a folder of numbered "
        "pictures, or a pattern such as shot_####.png."
    )
