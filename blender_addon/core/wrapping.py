# SPDX-License-Identifier: GPL-3.0-or-later
"""Text cut into lines that fit, by the width that its words are drawn with. No bpy here."""

from collections.abc import Callable

Measure = Callable[[str], float]
"""The width of a text, in pixels."""


def wrap(text: str, width: float, measure: Measure) -> list[str]:
    """The lines of `text`, none wider than `width` unless a single letter is; empty ones dropped.

    A word that is wider than a line is cut.
    """
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if measure(longer) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            while len(word) > 1 and measure(word) > width:
                count = max(1, _fitting(word, width, measure))
                lines.append(word[:count])
                word = word[count:]
            line = word
        if line:
            lines.append(line)
    return lines


def shortened(lines: list[str], most: int) -> list[str]:
    """At most `most` lines (5 or more): of a long text the begin and, more of it, the end."""
    return lines if len(lines) <= most else [*lines[:3], "...", *lines[4 - most :]]


def _fitting(word: str, width: float, measure: Measure) -> int:
    """How many letters of the word fit."""
    count = 0
    while count < len(word) and measure(word[: count + 1]) <= width:
        count += 1
    return count
