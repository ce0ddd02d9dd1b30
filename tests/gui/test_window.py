# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's way through the panel, in a windowed Blender: clicks, keys and screenshots."""

import time
from pathlib import Path

import pytest
from window import FAKE, ROOT

pytestmark = [pytest.mark.gui, pytest.mark.timeout(1200)]

WEIGHTS = ROOT / "backend" / "weights" / "default" / "model_card.md"


def ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_the_panel_from_start_to_quit(open_window):
    window = open_window(FAKE)
    # the buttons from the top: those of Text to Motion, Generate the tallest; then Start Backend
    found = window.buttons()
    x, y, _ = found[max(range(len(found)), key=lambda i: found[i][2]) + 1]
    window.click(x, y)
    window.wait(lambda s: s["state"] == "ready")

    window.press_generate()
    window.mouse("mousemove", 400, 500)  # over the view, away from the tooltip
    state = window.wait(lambda s: s["action"] and not s["making"])
    assert state["problem"] == ""
    assert state["range"] == [1.0, 96.0]  # 4 s at 20 fps, at the scene's 24
    window.order("frame")
    time.sleep(3.0)
    window.shoot("keyed")

    window.mouse("key", "ctrl+z")
    window.wait(lambda s: s["armature"] and not s["action"])
    window.mouse("key", "ctrl+shift+z")
    window.wait(lambda s: s["action"])

    window.order("length 30")
    window.press_generate()
    window.wait(lambda s: s["making"])
    window.mouse("mousemove", 400, 500)
    time.sleep(3.0)
    window.shoot("making")
    window.mouse("key", "Escape")
    state = window.wait(lambda s: not s["making"])
    assert state["range"] == [1.0, 96.0]
    assert state["note"] == "Cancelled."

    backend = state["backend_pid"]
    assert not ended(backend)
    window.order("quit")
    deadline = time.monotonic() + 30
    while not ended(backend):
        assert time.monotonic() < deadline, "the backend outlived Blender"
        time.sleep(0.2)


@pytest.mark.slow
def test_generate_with_the_shipped_model(open_window):
    if not WEIGHTS.exists():
        pytest.skip("backend/weights/default holds no trained weights")
    window = open_window("")
    window.press_generate()  # starts the backend by itself
    window.wait(lambda s: s["making"], 20)
    window.mouse("mousemove", 400, 500)
    window.wait(lambda s: s["fraction"] > 0 or not s["making"], 240)
    window.shoot("model-working")
    state = window.wait(lambda s: not s["making"], 300)
    assert state["problem"] == ""
    assert state["action"] == "a person walks forward and waves with the right hand"
    window.order("frame")
    time.sleep(3.0)
    window.shoot("model-keyed")
