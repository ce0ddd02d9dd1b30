# SPDX-License-Identifier: Apache-2.0
"""What a clip shows, put into a few slots of one word each; and which word each slot should say.

The clip projector spells these for the language model (see `backend.model.word_rows`).
"""

import re

import numpy as np

from .caption_actions import ACTIONS
from .caption_content import FAMILIES, SIDES, shown, side_of, sides_shown
from .facts import MotionFacts
from .prepared import PreparedClip

_MARKS = re.compile(r"\*|\{\w+\}")
_PHRASES = tuple(
    " ".join(_MARKS.sub("", ACTIONS[family][0][0]).split()).replace(" and ", " ")
    for family in FAMILIES
)
_SIDE_WORDS = (*SIDES, "none")
_LINKS = {"": "only", "+": "while", ">": "then"}
_TRAVEL = ("forward", "backward", "left", "right", "still", "mixed")
_GAITS = ("stand", "step", "walk", "run")
CLIP_WORDS: tuple[tuple[str, ...], ...] = (
    _PHRASES,
    ("nothing", *_PHRASES),
    _SIDE_WORDS,
    _SIDE_WORDS,
    tuple(_LINKS.values()),
    _TRAVEL,
    _GAITS,
)
"""The words of every slot: first action, second action, the side of each, how they go together, the
way the person goes, the gait."""


def slot_shares(clip: PreparedClip) -> list[np.ndarray]:
    """For each slot a share of each of its words, of sum 1, or all 0 where the clip does not tell.

    Several words share where any of them may be said.
    """
    out = [np.zeros(len(words), dtype=np.float32) for words in CLIP_WORDS]
    parts = re.split(r"[+>]", clip.content)
    for slot, families in enumerate(shown(clip)[:2]):
        for family in families:
            out[slot][FAMILIES.index(family) + slot] = 1.0 / len(families)
    sides = [side_of(part) for part in parts[:2]] if len(parts) > 1 else sorted(sides_shown(clip))
    if clip.content and (len(parts) > 1 or len(sides) < 2):
        for slot, side in enumerate([*sides, "", ""][:2]):
            out[2 + slot][_SIDE_WORDS.index(side or "none")] = 1.0
    link = next((mark for mark in "+>" if mark in clip.content), "")
    out[4][tuple(_LINKS).index(link)] = 1.0
    if not link:
        out[1][0] = 1.0
        facts = MotionFacts.from_dict(clip.facts)
        for slot, words, fact in ((5, _TRAVEL, facts.travel), (6, _GAITS, facts.gait)):
            if fact in words:
                out[slot][words.index(fact)] = 1.0
    return out
