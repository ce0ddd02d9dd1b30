# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender under a screen of its own, driven by mouse and keys.

HMVLM_SHOTS names a folder to keep the screenshots in.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 180.0
TURNS = 3  # of the event loop that Blender gets for each movement of the mouse, and each key
FAKE = "--engine tests.gui.slow_engine:create"


class Window:
    """A Blender under a screen of its own, its mouse, its keys and its reports."""

    def __init__(self, folder: Path, tool: Path, zip_path: Path, options: str) -> None:
        self.folder = folder
        self._plain = True
        self._screen = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "+extension", "GLX"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._screen.stdout is not None
        display = f":{self._screen.stdout.readline().decode().strip()}"
        (folder / "blender").mkdir()
        self.environment = os.environ | {
            "DISPLAY": display,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "BLENDER_USER_RESOURCES": str(folder / "blender"),
            "PYTHONPATH": str(ROOT),
            "XDG_DATA_HOME": "/home/animator/.local/share",  # is seen in pictures
        }
        self._log = open(folder / "blender.log", "wb")  # noqa: SIM115
        script = Path(__file__).with_name("in_blender.py")
        self.process = subprocess.Popen(
            [sys.executable, tool, script, folder, zip_path, sys.executable, options],
            env=self.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def close(self) -> None:
        for process in (self.process, self._screen):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        self._log.close()

    @property
    def state(self) -> dict:
        try:
            return json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return {}

    def wait(self, condition: Callable[[dict], object], limit_s: float = LIMIT_S) -> dict:
        deadline = time.monotonic() + limit_s
        while not ((state := self.state) and condition(state)):
            log = (self.folder / "blender.log").read_text(errors="replace")[-2000:]
            assert self.process.poll() is None, log
            assert time.monotonic() < deadline, f"{state}\n{log}"
            time.sleep(0.2)
        return state

    def order(self, text: str) -> None:
        """Have the script in Blender do what a mouse cannot."""
        draft = self.folder / "order.draft"
        draft.write_text(text)
        draft.replace(self.folder / "order")
        deadline = time.monotonic() + LIMIT_S
        while (self.folder / "order").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.0)  # and the window is drawn anew

    def run(self, lines: str) -> Any:
        """Execute lines of Python in Blender; what they leave in `answer`."""
        told = self.folder / "answer.json"
        told.unlink(missing_ok=True)
        draft = self.folder / "order.draft"
        draft.write_text(f"run\n{lines}")
        draft.replace(self.folder / "order")
        deadline = time.monotonic() + LIMIT_S
        while not told.exists():
            assert self.process.poll() is None, "Blender is gone"
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)
        answer = json.loads(told.read_text())
        assert "error" not in answer, f"{lines}\n{answer['error']}"
        return answer["answer"]

    def mouse(self, *words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True, timeout=30)
        time.sleep(0.3)  # software drawing is slow, and Blender takes one event a redraw
        for _ in range(TURNS):
            self.run("")

    def click(self, x: int, y: int) -> None:
        self.mouse("mousemove", x, y)
        self.mouse("mousemove", x + 2, y)  # a button has to be under the pointer before the click
        self.mouse("click", 1)

    def look(self) -> np.ndarray:
        """(height, width, 3) what the screen shows now."""
        path = self.folder / "look.bmp"  # not compressed: fast
        subprocess.run(
            ["import", "-window", "root", str(path)], env=self.environment, check=True, timeout=60
        )
        return np.asarray(Image.open(path).convert("RGB")).astype(int)

    def shoot(self, name: str) -> np.ndarray:
        """What the screen shows now, also kept as a picture of this name."""
        pixels = self.look()
        path = self.folder / f"{name}.png"
        Image.fromarray(pixels.astype("uint8")).save(path)
        keep = os.environ.get("HMVLM_SHOTS")
        if keep:
            Path(keep).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, Path(keep) / path.name)
        return pixels

    def buttons(self) -> list[tuple[int, int, int]]:
        """(x, y, height) of the operator buttons in the sidebar, from the top, by their colour."""
        left, _bottom, width, _height = self.state["sidebar"]
        x = left + width // 4  # away from the icon at the left and the words in the middle
        self.order("colour")
        deadline, runs = time.monotonic() + LIMIT_S, []
        while not runs:  # until the window is drawn anew
            assert time.monotonic() < deadline, "no button in the sidebar"
            column = self.look()[:, x]
            inside = (column[:, 0] > 120) & (column[:, 2] > 120) & (column[:, 1] < 80)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
            runs = [(a, b) for a, b in edges.reshape(-1, 2) if b - a > 8]
        self.order("plain")
        return [(int(x), int((a + b) // 2), int(b - a)) for a, b in runs]

    def press_generate(self) -> None:
        x, y, _height = max(self.buttons(), key=lambda button: button[2])  # the tallest one
        self.click(x, y)

    def ready(self) -> "Window":
        """Wait for Blender, and open the add-on's tab."""
        self.wait(lambda s: s["armature"] and s["sidebar"][2] > 100)
        self.open_tab()
        return self

    def open_tab(self) -> None:
        """Click the last tab of the sidebar, which is ours: the newest add-on's."""
        left, bottom, width, height = self.state["sidebar"]
        top = self.state["window"][0] - bottom - height
        x = left + width - 19  # inside of the tabs, beside their words
        deadline, tabs = time.monotonic() + LIMIT_S, []
        while not tabs:  # until the sidebar is drawn
            assert time.monotonic() < deadline, "no tabs in the sidebar"
            dark = self.look()[top : top + height, x].max(axis=1) < 40
            edges = np.flatnonzero(np.diff(np.concatenate([[0], dark.astype(int), [0]])))
            tabs = [(a, b) for a, b in edges.reshape(-1, 2) if 20 < b - a < 150]
        self.click(x, top + int(sum(tabs[-1]) // 2))
        self.wait(lambda s: s["tab"] == "HMVLM")
