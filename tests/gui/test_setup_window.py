# SPDX-License-Identifier: GPL-3.0-or-later
"""The Backend panel by mouse, in a windowed Blender; its pictures are the documentation's.

HMVLM_SHOTS names a folder for whole screens. With HMVLM_DOCS=1 the pictures in docs/images are
made anew.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from window import FAKE, Window

pytestmark = [pytest.mark.gui, pytest.mark.timeout(1200)]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
MAX_BYTES = 150_000
SETTLE_S = 6.0  # software drawing on a busy machine
# name of the picture: what it is of; the pages of docs/ show these, and no others of ours
PICTURES = ("text-to-motion", "rig", "backend-stopped", "backend-ready", "backend-install")


def _panels(sidebar: Image.Image) -> Image.Image:
    """Without the empty part below the panels, which are of one dark grey."""
    pixels = np.asarray(sidebar).astype(int)
    dark = (np.abs(pixels - np.median(pixels[:12, 20:-60], axis=(0, 1))) < 6).all(axis=2)
    rows = np.flatnonzero(dark[:, 20:-60].mean(axis=1) > 0.5)
    return sidebar.crop((0, 0, sidebar.width, min(sidebar.height, int(rows[-1]) + 12)))


def picture(window: Window, name: str, whole: bool = False) -> None:
    """The sidebar (or the whole window) as a picture for the documentation."""
    assert name in PICTURES
    time.sleep(SETTLE_S)
    left, bottom, width, height = window.state["sidebar"]
    screen = Image.fromarray(window.shoot(name).astype("uint8"))
    top = window.state["window"][0] - bottom - height
    shown = screen if whole else _panels(screen.crop((left, top, left + width, top + height)))
    if whole:
        shown.thumbnail((960, 600))
    path = (IMAGES if os.environ.get("HMVLM_DOCS") else window.folder) / f"{name}.png"
    shown.quantize(64).save(path, optimize=True)
    assert path.stat().st_size < MAX_BYTES


def test_the_backend_panel(open_window):
    window = open_window(FAKE)
    window.order("panels main")
    picture(window, "text-to-motion")
    window.order("panels rig")
    picture(window, "rig")
    window.order("panels backend setup")
    picture(window, "backend-stopped")

    # from the top: Start Backend, Doctor, then the set-up's
    x, y, _height = window.buttons()[0]
    window.click(x, y)
    window.wait(lambda s: s["state"] == "ready" and s["report"])
    window.mouse("mousemove", 400, 500)
    picture(window, "backend-ready")
    x, y, _height = window.buttons()[0]  # Stop Backend
    window.click(x, y)
    window.wait(lambda s: s["state"] == "stopped")

    x, y, _height = window.buttons()[1]  # Doctor
    window.click(x, y)
    state = window.wait(lambda s: s["diagnosis"])
    assert state["diagnosis"].startswith(("All is well", "Something is wrong"))

    window.order("install")
    picture(window, "backend-install", whole=True)
    window.mouse("key", "Escape")
    assert not window.state["installing"]
