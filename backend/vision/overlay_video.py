# SPDX-License-Identifier: Apache-2.0
"""The skeleton drawn over the frames of a video, as MP4."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from backend.errors import InvalidInput

from .overlay import draw_skeleton
from .videos import Frame


def write_overlay_video(
    path: Path, frames: Iterable[Frame], joints: np.ndarray, first: int, fps: float
) -> None:
    """joints: (T, 22, 2) in the user's pixels, of the frames from number `first` on; frames before
    and after are left as they are. Raises InvalidInput when the file cannot be written."""
    from imageio_ffmpeg import write_frames

    writer = None
    try:
        for number, frame in enumerate(frames):
            at = number - first
            shown = 0 <= at < len(joints)
            pixels = (
                np.asarray(draw_skeleton(frame.picture, joints[at]))
                if shown
                else frame.picture.pixels
            )
            height, width = (2 * (side // 2) for side in pixels.shape[:2])  # as H.264 needs it
            if writer is None:
                writer = write_frames(
                    str(path),
                    (width, height),
                    fps=fps,  # pyright: ignore[reportArgumentType]  it takes fractions
                    codec="libx264",
                    macro_block_size=2,
                )
                writer.send(None)
            writer.send(np.ascontiguousarray(pixels[:height, :width]))
    except OSError as error:
        raise InvalidInput(f"{path} could not be written: {error}.") from error
    finally:
        if writer is not None:
            writer.close()
    if not path.is_file() or path.stat().st_size == 0:
        raise InvalidInput(f"{path} could not be written. Check the folder and the disk.")
