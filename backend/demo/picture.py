# SPDX-License-Identifier: Apache-2.0
"""The demo's pictures that need no Blender: the tiled filmstrip, and a preview of stick figures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blender_addon.shared.motion import Motion

_GAP = 4
_CAPTION = 34
_LABEL = 20


def tile(pictures: Sequence[np.ndarray], times: Sequence[float], caption: str, path: Path) -> None:
    """Write (height, width, 3) pictures side by side, with their times and a caption above."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = pictures[0].shape[:2]
    total = len(pictures) * (width + _GAP) - _GAP
    sheet = Image.new("RGB", (total, _CAPTION + height + _LABEL), "white")
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(size=18), ImageFont.load_default(size=13)
    draw.text((6, 6), _fit(caption, draw, large, total - 12), fill="black", font=large)
    for i, picture in enumerate(pictures):
        x = i * (width + _GAP)
        sheet.paste(Image.fromarray(picture), (x, _CAPTION))
        draw.text((x + 4, _CAPTION + height + 2), f"{times[i]:.1f} s", fill="black", font=small)
    sheet.save(path)


def draw_preview(motion: Motion, out: Path, title: str) -> None:
    """Write preview.mp4 and filmstrip.png as stick figures, where Blender cannot draw."""
    import imageio.v2 as imageio

    from backend.motion.filmstrip import draw_filmstrip

    draw_filmstrip(motion, out / "filmstrip.png", title)
    video: Any = imageio.get_writer(
        out / "preview.mp4", fps=motion.fps, codec="libx264", macro_block_size=8
    )
    with video:
        for picture in _stick_figures(motion, title):
            video.append_data(picture)


def _stick_figures(motion: Motion, title: str) -> Iterator[np.ndarray]:
    """Yield a (360, 480, 3) picture a frame."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from blender_addon.shared.skeleton import PARENTS

    joints = motion.joint_positions()[:, :22]
    low, high = joints.min(axis=(0, 1)), joints.max(axis=(0, 1))
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 0.9)
    figure = Figure(figsize=(4.8, 3.6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes: Any = figure.add_axes((0, 0, 1, 0.93), projection="3d")
    figure.suptitle(title, fontsize=8)
    for frame in joints:
        axes.clear()
        axes.set_axis_off()
        axes.set_xlim(middle[0] - half, middle[0] + half)
        axes.set_ylim(-middle[2] - half, -middle[2] + half)
        axes.set_zlim(0, 2 * half)
        axes.view_init(elev=12, azim=-55)
        for j, parent in enumerate(PARENTS[:22]):
            if parent >= 0:
                ends = frame[[parent, j]]
                axes.plot(ends[:, 0], -ends[:, 2], ends[:, 1], color="#335577", linewidth=2.5)
        canvas.draw()
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _fit(text: str, draw: Any, font: Any, width: int) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "...", font=font) > width:
        text = text[:-1]
    return text + "..."
