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
TABS = 34  # pixels at the right
PLAIN_VIEW = """
for area in window().screen.areas:
    if area.type == "VIEW_3D":
        area.spaces.active.overlay.show_overlays = False
        area.spaces.active.shading.type = "WIREFRAME"  # drawn in less time
        area.spaces.active.show_gizmo = False
"""
SETTLE_S = 6.0  # software drawing on a busy machine


def picture(window: Window, name: str, known: Container[str], whole: bool = False) -> None:
    """The sidebar's panels (or the whole window) as a picture for the documentation.

    known: the names that the pages of docs/ show, which `test_docs` compares with the pages.
    """
    assert name in known
    window.run(PLAIN_VIEW if not whole else PLAIN_VIEW.replace("= False", "= True"))
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
    """Without what is below the panels, which is of one grey; the tabs at the right stay."""
    beside = np.asarray(sidebar).astype(int)[:, :-TABS]
    rows = np.flatnonzero(np.ptp(beside, axis=1).max(axis=1) > 2)
    return sidebar.crop((0, 0, sidebar.width, min(sidebar.height, int(rows[-1]) + 8)))
