# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons found on the screen and pressed with the mouse, and which of them there are at all."""

import ast
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from window import LIMIT_S, ROOT, Window

UI = ROOT / "blender_addon" / "ui"
SETTLE_S = 0.6  # from a redraw to the picture on the screen
ALERT = 50  # by how much more red than green a button in red is, of 255


def places_in_the_code() -> set[tuple[str, int]]:
    """(module, line) of every call that draws a button of ours."""
    found = set()
    for path in sorted(UI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("operator", "operator_menu_enum"):
                    found.add((path.stem, node.lineno))
    return found


def redness(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0] - np.maximum(pixels[..., 1], pixels[..., 2])


@dataclass
class Hand:
    """Presses buttons by the name of their operator, and remembers which."""

    window: Window
    pressed: set[tuple[str, int, str]] = field(default_factory=set)
    calm: np.ndarray | None = None

    def show(self, *panels: str) -> None:
        """Of the add-on's panels these alone, open."""
        self.window.order(f"panels {' '.join(panels)}")

    def drawn(self) -> list[tuple[str, int, str]]:
        """(module, line, operator) of every button that was drawn so far."""
        return [
            tuple(place)
            for place in self.window.run(
                "answer = [[p.module, p.line, p.operator] for p in recorder.drawn]"
            )
        ]

    def place(self, module: str, operator: str, which: int) -> tuple[str, int, str]:
        """The which-th call in that module that draws the operator."""
        lines = sorted(line for m, line, o in self.drawn() if (m, o) == (module, operator))
        assert len(lines) > which, f"{module} draws {operator} {len(lines)} times"
        return module, lines[which], operator

    def find(self, place: tuple[str, int, str], nth: int = 0) -> tuple[int, int]:
        """Where on the screen the button is: the one that turns red when it is told to."""
        left, bottom, width, height = self.window.state["sidebar"]
        top = self.window.state["window"][0] - bottom - height
        self.window.mouse("mousemove", 400, 500)  # no button is under the pointer
        pictures = []
        for lit in (f"(Place{place!r}, {nth})", "None"):
            self.window.run(
                "from tests.gui.recorder import Place\n"
                f"recorder.lit, recorder.lit_draws = {lit}, 0\n"
                "for area in bpy.context.window_manager.windows[0].screen.areas:\n"
                "    area.tag_redraw()"
            )
            if lit != "None":
                self._wait_for("recorder.lit_draws > 0", f"{place} is not drawn now")
            time.sleep(SETTLE_S)
            shot = self.window.shoot("pressing")[top : top + height, left : left + width]
            pictures.append(redness(shot))
        there = (pictures[0] > ALERT) & (pictures[1] <= ALERT)
        rows, columns = np.nonzero(there)
        assert len(rows) > 20, f"{place} cannot be seen"
        return left + int(np.median(columns)), top + int(np.median(rows))

    def press(
        self, module: str, operator: str, which: int = 0, nth: int = 0, runs: str = ""
    ) -> None:
        """Click a button; what it runs must have begun. nth: of those that the call draws.

        runs: what must run, when it is not the operator's execute or invoke at once.
        """
        place = self.place(module, operator, which)
        x, y = self.find(place, nth)
        before = self.ran(operator)
        self.window.click(x, y)
        self.window.mouse("mousemove", 400, 500)
        if runs != "later":
            self.wait_until_ran(operator, before)
        self.pressed.add(place)

    def ran(self, operator: str) -> int:
        """How often the operator was begun or run."""
        return self.window.run(
            f"answer = sum(name.partition('.')[0] == {operator!r} for name in recorder.ran)"
        )

    def wait_until_ran(self, operator: str, before: int) -> None:
        deadline = time.monotonic() + LIMIT_S / 6
        while self.ran(operator) <= before:
            assert time.monotonic() < deadline, f"{operator} did not run"
            time.sleep(0.1)

    def _wait_for(self, condition: str, problem: str) -> None:
        deadline = time.monotonic() + LIMIT_S / 6
        while not self.window.run(f"answer = bool({condition})"):
            assert time.monotonic() < deadline, problem
            time.sleep(0.1)

    def wait_for(self, condition: str) -> Any:
        """Until a line of Python is true in Blender."""
        self._wait_for(condition, condition)
