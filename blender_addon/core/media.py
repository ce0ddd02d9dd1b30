# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and pixels of pictures and clips, as the add-on takes them. No bpy here."""

from pathlib import Path
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

import numpy as np

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
CLIPS = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v", ".gif")
MAX_SIDE = 2048  # the backend works with no more


def path_in(text: str, suffixes: tuple[str, ...]) -> Path | None:
    """The existing file that a clipboard's text names, as a path or a file: address, else None."""
    lines = text.strip().splitlines()
    line = next((x.strip().strip("\"'") for x in lines if x.strip() not in ("copy", "cut")), "")
    if line.startswith("file:"):
        line = url2pathname(unquote(urlparse(line).path))
    if not line or Path(line).suffix.lower() not in suffixes:
        return None
    try:
        return Path(line) if Path(line).is_file() else None
    except (OSError, ValueError):
        return None


def rgb_pixels(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Blender's (height * width * 4,) floats, bottom row first -> (H, W, 3) uint8, top row first.

    Transparent parts become white; a side longer than MAX_SIDE is cut down by leaving out pixels.
    """
    pixels = values.reshape(height, width, 4)[::-1]
    step = -(-max(width, height) // MAX_SIDE)
    pixels = np.clip(pixels[::step, ::step], 0.0, 1.0)
    alpha = pixels[..., 3:]
    return np.round((pixels[..., :3] * alpha + 1 - alpha) * 255).astype(np.uint8)


def preview_pixels(
    values: np.ndarray, width: int, height: int, box: tuple[float, ...], side: int
) -> np.ndarray:
    """A square of a picture round a box, as a preview of `side` pixels.

    values: as for `rgb_pixels`; box: left, top, right, bottom in pixels of the picture, y down.
    Returns (side * side * 4,) float32, bottom row first; beside the picture it is transparent.
    """
    pixels = values.reshape(height, width, 4)[::-1]
    left, top, right, bottom = box
    half = max(right - left, bottom - top, 2.0) / 2 * 1.1
    steps = (np.arange(side) + 0.5) / side * 2 - 1
    columns = np.floor((left + right) / 2 + half * steps).astype(int)
    rows = np.floor((top + bottom) / 2 + half * steps).astype(int)
    out = np.zeros((side, side, 4), np.float32)
    across, down = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
    out[np.ix_(down, across)] = pixels[np.ix_(rows[down], columns[across])]
    return np.ascontiguousarray(out[::-1]).ravel()
