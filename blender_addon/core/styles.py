# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to move that can be chosen instead of written: words that are added to a prompt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """words: what follows the prompt, after a comma."""

    id: str
    label: str
    words: str


STYLES = (
    Style("NONE", "As Written", ""),
    Style("SLOW", "Slow", "slowly"),
    Style("QUICK", "Quick", "quickly"),
    Style("HAPPY", "Happy", "happily"),
    Style("SAD", "Sad", "sadly"),
    Style("ANGRY", "Angry", "angrily"),
    Style("TIRED", "Tired", "slowly as if tired"),
    Style("OLD", "Old", "like an old person"),
    Style("PROUD", "Proud", "proudly with the chest out"),
    Style("CAREFUL", "Careful", "carefully"),
    Style("SNEAKING", "Sneaking", "sneaking with bent knees"),
    Style("DRUNK", "Drunk", "staggering as if drunk"),
    Style("INJURED", "Injured", "limping with an injured leg"),
    Style("ROBOT", "Robot", "stiffly like a robot"),
)
_BY_ID = {style.id: style for style in STYLES}


def in_style(prompt: str, style: str) -> str:
    """The prompt with the words of a style, by its id. Raises KeyError for an unknown one."""
    words = _BY_ID[style].words
    bare = " ".join(prompt.split()).rstrip(" .!,;")
    return f"{bare}, {words}" if words and bare else " ".join(prompt.split())
