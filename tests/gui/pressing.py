# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons found on the screen and pressed with the mouse, and which of them there are at all."""

import ast
import time
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from window import LIMIT_S, ROOT, Window

UI = ROOT / "blender_addon" / "ui"
BESIDE = (400, 500)  # in the view, away from the sidebar
BEGIN_S, TRIES = 5.0, 3
MENUS = ("export_clip",)  # a click opens a list, whose first entry is taken
SEEN = 60  # pixels of a button in red
ALERT = 50  # by how much more red than green a button in red is, of 255


def places_in_the_code() -> list[tuple[str, int, str]]:
    """(module, line, operator) of every call that draws a button; `*` for what a loop fills in."""
    found = []
    for path in sorted(UI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("operator", "operator_menu_enum")
            ):
                name = node.args[0]
                parts = name.values if isinstance(name, ast.JoinedStr) else [name]
                texts = [str(p.value) if isinstance(p, ast.Constant) else "*" for p in parts]
                found.append((path.stem, node.lineno, "".join(texts).removeprefix("hmvlm.")))
    return sorted(found)


def redness(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0] - np.maximum(pixels[..., 1], pixels[..., 2])


@dataclass
class Hand:
    """Presses buttons by the name of their operator, and remembers which."""

    window: Window
    pressed: set[tuple[str, int, str]] = field(default_factory=set)

    def show(self, *panels: str) -> None:
        """Of the add-on's panels these alone, open."""
        self.window.order(f"panels {' '.join(panels)}")

    def drawn(self) -> set[tuple[str, int, str]]:
        """(module, line, operator) of every button that was drawn so far."""
        seen = self.window.run("answer = [[p.module, p.line, p.operator] for p in recorder.drawn]")
        return {tuple(place) for place in seen}

    def place(self, module: str, operator: str, which: int) -> tuple[str, int, str]:
        """The which-th call in that module that draws the operator."""
        lines = [
            line
            for name, line, pattern in places_in_the_code()
            if name == module and fnmatch(operator, pattern)
        ]
        return module, lines[which], operator

    def find(self, place: tuple[str, int, str], nth: int = 0) -> tuple[int, int]:
        """Where on the screen the button is: the one that turns red when it is told to."""
        left, bottom, width, height = self.window.state["sidebar"]
        top = self.window.state["window"][0] - bottom - height
        sidebar = slice(top, top + height), slice(left, left + width)
        self.window.mouse("mousemove", *BESIDE)  # no button is under the pointer
        calm = redness(self.window.look()[sidebar])
        self._light(f"(Place{place!r}, {nth})")
        deadline = time.monotonic() + LIMIT_S
        rows = columns = np.array([])
        while len(rows) < SEEN:
            assert time.monotonic() < deadline, f"{place} cannot be seen"
            lit = redness(self.window.look()[sidebar])
            rows, columns = np.nonzero((lit > ALERT) & (calm <= ALERT))
        self._light("None")
        return left + int(np.median(columns)), top + int(np.median(rows))

    def _light(self, lit: str) -> None:
        self.window.run(
            "from tests.gui.recorder import Place\n"
            f"recorder.lit = {lit}\n"
            "for area in window().screen.areas:\n"
            "    for region in area.regions:\n"
            "        if region.type == 'UI':\n"
            "            region.tag_redraw()"
        )

    def press(self, module: str, operator: str, which: int = 0, nth: int = 0) -> None:
        """Click a button, which begins its operator. nth: of those that the call draws."""
        place = self.place(module, operator, which)
        before = self.ran(operator)
        for _ in range(TRIES):  # a busy machine loses a click
            self.window.click(*self.find(place, nth))
            if operator in MENUS:
                self.window.mouse("key", "Down")
                self.window.mouse("key", "Return")
            if self._begins(operator, before):
                break
        assert self.ran(operator) > before, f"{place} was clicked and did nothing"
        self.window.mouse("mousemove", *BESIDE)
        self.pressed.add(place)

    def _begins(self, operator: str, before: int) -> bool:
        deadline = time.monotonic() + BEGIN_S
        while self.ran(operator) <= before and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.ran(operator) > before

    def ran(self, operator: str) -> int:
        """How often the operator was begun or run."""
        return self.window.run(f"answer = recorder.begun({operator!r})")

    def wait_for(self, condition: str) -> None:
        """Until a line of Python is true in Blender."""
        deadline = time.monotonic() + LIMIT_S
        while not self.window.run(f"answer = bool({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.1)

    def choose_file(self, path: Path, operator: str) -> None:
        """In the file browser that is open: this file, and Return."""
        self.wait_for("any(a.type == 'FILE_BROWSER' for a in window().screen.areas)")
        before = self.ran(operator)
        self.window.run(
            "area = next(a for a in window().screen.areas if a.type == 'FILE_BROWSER')\n"
            "chosen = area.spaces.active.params\n"
            f"chosen.directory = {str(path.parent).encode()!r}\n"
            f"chosen.filename = {path.name!r}\n"
            "area.tag_redraw()"
        )
        self.window.mouse("mousemove", *BESIDE)
        self.window.mouse("key", "Return")
        self.wait_for(f"recorder.begun({operator!r}) > {before}")

    def close_windows(self) -> None:
        """All but the first."""
        self.window.run(
            "for extra in list(bpy.context.window_manager.windows)[1:]:\n"
            "    with bpy.context.temp_override(window=extra):\n"
            "        bpy.ops.wm.window_close()"
        )
