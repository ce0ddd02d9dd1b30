# SPDX-License-Identifier: Apache-2.0
"""Filmstrips: a motion as a row of stick figures, to look at what cannot be judged by numbers.

Drawn from a fixed camera at 3/4 (from the front and the character's left, a little from above):
walking ahead goes to the left of the picture and towards the viewer. Figures stand side by side in
the order of time, whatever the root does; the small map at the right shows the path from above.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import BODY_PARTS, PARENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CAMERA_TURN = np.radians(35.0)
_CAMERA_TILT = np.radians(12.0)
_SPACING = 1.15
_COLOURS = {
    "torso": "#444444",
    "left_arm": "#d1495b",
    "left_leg": "#d1495b",
    "right_arm": "#1f6fb2",
    "right_leg": "#1f6fb2",
}


def draw_filmstrip(motion: Motion, path: str | Path, title: str = "", frames: int = 8) -> None:
    """Draw one motion as `frames` figures and write the picture (png, pdf, svg by its ending)."""
    draw_filmstrips([(motion, title)], path, frames=frames)


def draw_filmstrips(
    motions: Sequence[tuple[Motion, str]], path: str | Path, frames: int = 8
) -> None:
    """Draw several (motion, title) under one another; left limbs are red, right limbs blue."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not motions:
        raise ValueError("there is no motion to draw")
    if frames < 1:
        raise ValueError(f"a filmstrip needs at least one frame, got {frames}")
    figure = Figure(figsize=(1.35 * (frames + 2), 2.5 * len(motions)), dpi=90)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(motions), 2, width_ratios=(frames, 1.4), wspace=0.03)
    for row, (motion, title) in enumerate(motions):
        positions = motion.joint_positions()[:, :22]
        strip = figure.add_subplot(grid[row, 0])
        _draw_strip(strip, positions, motion.fps, frames)
        strip.set_title(title, fontsize=9, loc="left", wrap=True)
        _draw_path(figure.add_subplot(grid[row, 1]), positions)
    figure.savefig(path, bbox_inches="tight")


def _project(points: np.ndarray) -> np.ndarray:
    """(..., 3) world -> (..., 2) picture, metres, orthographic."""
    x, y, z = np.moveaxis(points, -1, 0)
    across = x * np.cos(_CAMERA_TURN) - z * np.sin(_CAMERA_TURN)
    towards = x * np.sin(_CAMERA_TURN) + z * np.cos(_CAMERA_TURN)
    up = y * np.cos(_CAMERA_TILT) - towards * np.sin(_CAMERA_TILT)
    return np.stack([across, up], axis=-1)


def _draw_strip(axes: "Axes", positions: np.ndarray, fps: float, frames: int) -> None:
    shown = np.unique(np.linspace(0, len(positions) - 1, frames).round().astype(int))
    # a figure that lies or spreads its arms is wider than the usual spacing
    local = positions[shown] - positions[shown, :1] * np.array([1.0, 0.0, 1.0])
    flat = _project(local)
    width = max(_SPACING, float(np.ptp(flat[..., 0], axis=1).max()) + 0.15)
    for i, frame in enumerate(shown):
        figure = flat[i] + [i * width, 0.0]
        for name, joints in BODY_PARTS.items():
            for joint in joints:
                if PARENTS[joint] >= 0:
                    bone = figure[[PARENTS[joint], joint]]
                    axes.plot(*bone.T, color=_COLOURS[name], lw=2.2, solid_capstyle="round")
        neck, head = figure[12], figure[15]
        axes.plot(*(head + 0.5 * (head - neck)), "o", color=_COLOURS["torso"], ms=8)
        axes.text(i * width, -0.32, f"{frame / fps:.1f} s", ha="center", va="top", fontsize=7)
    axes.axhline(0.0, color="#999999", lw=0.8, zorder=0)
    axes.set_xlim(-0.6 * width, (len(shown) - 0.4) * width)
    axes.set_ylim(-0.5, max(2.05, float(flat[..., 1].max()) + 0.2))
    axes.set_aspect("equal")
    axes.axis("off")


def _draw_path(axes: "Axes", positions: np.ndarray) -> None:
    """The root's path seen from above, +Z up and the character's left to the left."""
    root = positions[:, 0][:, [0, 2]]
    axes.plot(-root[:, 0], root[:, 1], color="#2a9d8f", lw=1.5)
    axes.plot(-root[0, 0], root[0, 1], "o", color="#2a9d8f", ms=4)
    axes.plot(-root[-1, 0], root[-1, 1], "x", color="#264653", ms=6)
    centre = (root.min(axis=0) + root.max(axis=0)) / 2
    reach = max(0.75, float(np.ptp(root, axis=0).max()) * 0.6)
    axes.set_xlim(-centre[0] - reach, -centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"path, {2 * reach:.1f} m", fontsize=7)
