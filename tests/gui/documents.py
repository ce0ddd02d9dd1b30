# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the documentation, taken while the tests run.

With HMVLM_DOCS=1 those in docs/images are made anew.
"""

import os
import time
from collections.abc import Container

import numpy as np
from PIL import Image
from window import ROOT, Window

IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 150_000
SETTLE_S = 6.0  # software drawing on a busy machine


def picture(window: Window, name: str, known: Container[str], whole: bool = False) -> None:
    """The sidebar's panels (or the whole window) as a picture for the documentation.

    known: the names that the pages of docs/ show, which `test_docs` compares with the pages.
    """
    assert name in known
    window.mouse("mousemove", 400, 500)
    time.sleep(SETTLE_S)
    left, bottom, width, height = window.state["sidebar"]
    screen = Image.fromarray(window.shoot(name).astype("uint8"))
    top = window.state["window"][0] - bottom - height
    shown = screen if whole else _panels(screen.crop((left, top, left + width, top + height)))
    if whole:
        shown.thumbnail((960, 600))
    path = (IMAGES if os.environ.get("HMVLM_DOCS") else window.folder) / f"{name}.png"
    shown.quantize(128).save(path, optimize=True)
    assert path.stat().st_size < MAX_BYTES


def _panels(sidebar: Image.Image) -> Image.Image:
    """Without the empty part below the panels, which are of one dark grey."""
    pixels = np.asarray(sidebar).astype(int)
    dark = (np.abs(pixels - np.median(pixels[:12, 20:-60], axis=(0, 1))) < 6).all(axis=2)
    rows = np.flatnonzero(dark[:, 20:-60].mean(axis=1) > 0.5)
    return sidebar.crop((0, 0, sidebar.width, min(sidebar.height, int(rows[-1]) + 12)))
