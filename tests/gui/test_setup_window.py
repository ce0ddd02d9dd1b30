# SPDX-License-Identifier: GPL-3.0-or-later
"""The Backend panel by mouse, in a windowed Blender; its pictures are the documentation's."""

import pytest
from documents import picture
from window import FAKE

pytestmark = [pytest.mark.gui, pytest.mark.timeout(1200)]

# name of the picture: what it is of; the pages of docs/ show these, and no others of ours
PICTURES = ("backend-stopped", "backend-ready", "backend-install")


def test_the_backend_panel(open_window):
    window = open_window(FAKE)
    window.order("panels backend setup")
    picture(window, "backend-stopped", PICTURES)

    # from the top: Start Backend, Doctor, then the set-up's
    x, y, _height = window.buttons()[0]
    window.click(x, y)
    window.wait(lambda s: s["state"] == "ready" and s["report"])
    window.mouse("mousemove", 400, 500)
    picture(window, "backend-ready", PICTURES)
    x, y, _height = window.buttons()[0]  # Stop Backend
    window.click(x, y)
    window.wait(lambda s: s["state"] == "stopped")

    x, y, _height = window.buttons()[1]  # Doctor
    window.click(x, y)
    state = window.wait(lambda s: s["diagnosis"])
    assert state["diagnosis"].startswith(("All is well", "Something is wrong"))

    window.order("install")
    picture(window, "backend-install", PICTURES, whole=True)
    window.mouse("key", "Escape")
    assert not window.state["installing"]
