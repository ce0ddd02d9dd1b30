# SPDX-License-Identifier: Apache-2.0
"""All pictures on one sheet, with the truth and what was found drawn over them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.vision.images import read_picture
from backend.vision.landmarks import Landmarks
from backend.vision.overlay import draw_overlay
from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS

_TRUTH, _MADE = "#35e05a", "#ffd23f"
_TILE, _CAPTION, _COLUMNS = 224, 26, 8


def draw_tile(
    path: Path,
    truth: np.ndarray,
    landmarks: Landmarks | None,
    made: np.ndarray | None,
    caption: str,
) -> Image.Image:
    """One picture with landmarks (left red, right blue), the true joints (22, 2) in green and the
    model's joints (22, 2) in yellow, pixels; two lines of caption below."""
    picture = read_picture(path)
    drawn = draw_overlay(picture, [landmarks] if landmarks is not None else [])
    draw = ImageDraw.Draw(drawn)
    for joints, colour in ((truth, _TRUTH), (made, _MADE)):
        if joints is not None:
            _bones(draw, joints, colour)
    tile = Image.new("RGB", (_TILE, _TILE + _CAPTION), "white")
    tile.paste(drawn.resize((_TILE, _TILE), Image.Resampling.LANCZOS))
    font = ImageFont.load_default(size=11)
    ImageDraw.Draw(tile).multiline_text((3, _TILE), caption, fill="black", font=font, spacing=0)
    return tile


def save_sheet(tiles: Sequence[Image.Image], path: Path) -> None:
    """Write tiles in rows as one PNG."""
    width, height = tiles[0].size
    columns = min(_COLUMNS, len(tiles))
    sheet = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height), "white")
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * width, i // columns * height))
    sheet.save(path, format="PNG")


def _bones(draw: ImageDraw.ImageDraw, joints: np.ndarray, colour: str) -> None:
    for joint in range(1, NUM_BODY_JOINTS):
        draw.line(joints[[PARENTS[joint], joint]].ravel().tolist(), fill=colour, width=2)
