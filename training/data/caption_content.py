# SPDX-License-Identifier: Apache-2.0
"""What a sentence about a motion says is done, and on which side; and what a clip shows.

A sentence names an action when it has the words of one of the phrases that the caption writer knows
for it, in their order and close together. Where the words of one action are part of another's
("raises a hand" in "raises a hand and waves it"), only the longer one is named.
"""

import re
from collections.abc import Iterator
from functools import cache

from .caption_actions import ACTIONS, UNSIDED
from .caption_moves import STYLE_VERBS
from .clip_actions import actions_of
from .facts import MotionFacts
from .inflection import ing, third_person
from .prepared import PreparedClip

SIDES = ("left", "right", "both")
_GAP = 3  # words that may stand between those of a phrase
_WORD = re.compile(r"[a-z']+")
_UNSAID = frozenset(
    {"a", "an", "the", "his", "her", "their", "its", "your", "my", "he", "she", "they", "it",
     "himself", "herself", "itself", "themselves", "yourself", "oneself", "and", "to", "of", "in",
     "with", "as", "if", "is", "are", "at", "by", "left", "right", "leftward", "rightward",
     "leftwards", "rightwards", "wards", "handed"}
)  # fmt: skip
# both sides in one breath; an arm that only hangs; a side that is none
_TOGETHER = re.compile(r"\bleft and (?:the )?right\b")
RESTING = re.compile(
    r"\b(?:while|keeping|with) \w+ (?:left|right) (?:arm|hand) "
    r"(?:down|hangs down|hanging down|at \w+ side)\b"
)
_NO_SIDE = re.compile(r"\bthe right way\b")
_BOTH = re.compile(r"\bboth\b|\btwo[ -](?:hand|arm|palm)")
_ONE = {"hands": "hand", "arms": "arm", "legs": "leg", "palms": "palm", "punches": "punch",
        "kicks": "kick", "steps": "step", "jumps": "jump", "hops": "hop", "two": "both",
        "forwards": "forward", "onwards": "onward", "backwards": "backward"}  # fmt: skip
# actions that are one to somebody who watches; each by the name of the first
_SAME = (
    ("walk", "diagonal", "uneven"), ("run", "jog", "dash"), ("wave", "wave-low"),
    ("wave-both", "wave-both-low"), ("raise", "raise-low", "respond"),
    ("raise-both", "raise-both-low"), ("bow", "bow-slight"), ("kick", "kick-side", "soccer"),
    ("jump", "jump-forward", "jump-many", "reach-up"), ("dance", "ballet"), ("punch", "box"),
    ("getup", "getup-facedown", "getup-faceup"), ("slash", "swordplay"),
    ("walk-turn", "turn-around"), ("stairs", "climb", "ladder"), ("move", "navigate"),
)  # fmt: skip
FAMILY = {name: group[0] for group in _SAME for name in group}
FAMILY |= {name: name for name in ACTIONS if name not in FAMILY}
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(FAMILY[name] for name in ACTIONS))


def actions_named(sentence: str) -> set[str]:
    """Families of the actions that a sentence names."""
    text = _TOGETHER.sub("both", sentence.lower())
    words = [_stem(w) for w in _WORD.findall(text)]
    here = set(words)
    found = {
        (family, at)
        for word in here
        for family, phrase in _phrases().get(word, ())
        if here.issuperset(phrase)
        for at in _places(words, phrase)
    }
    return {
        family
        for family, at in found
        if not any(other != family and at < longer for other, longer in found)
    }


def sides_named(sentence: str) -> set[str]:
    """Which of SIDES a sentence says; left and right in one breath are both.

    An arm that is said to hang down does not count.
    """
    text = _NO_SIDE.sub("", RESTING.sub("", sentence.lower()))
    text = _TOGETHER.sub("both", text)
    found = {s for s in ("left", "right") if re.search(rf"\b{s}(?:wards?|most)?\b", text)}
    several = re.search(r"\b(?:hands|arms|palms)\b", text) and not found  # "puts the hands up"
    return found | {"both"} if several or _BOTH.search(text) else found


def shown(clip: PreparedClip) -> list[set[str]]:
    """What must be named: for each thing that the clip shows, the families that may be said of it.

    By the clip's label and facts; a clip without a label by what most of its captions name. Empty
    where neither tells.
    """
    if not clip.content:
        counts: dict[str, int] = {}
        for caption in clip.captions:
            for family in actions_named(caption):
                counts[family] = counts.get(family, 0) + 1
        most = max(counts.values(), default=0)
        likely = {f for f, n in counts.items() if n == most and 2 * n >= len(clip.captions)}
        return [likely] if likely else []
    parts = re.split(r"[+>]", clip.content)
    if len(parts) > 1:
        return [{f for n, f in FAMILY.items() if n == _unsided(part)} for part in parts]
    facts = MotionFacts.from_dict(clip.facts)
    families = {FAMILY[action] for action, _ in actions_of(clip.content, facts, [])}
    return [families]


def sides_shown(clip: PreparedClip) -> set[str]:
    """The sides of what a labelled clip shows: none where it is not about a side."""
    if not clip.content:
        return set()
    parts = re.split(r"[+>]", clip.content)
    if len(parts) > 1:
        return {side for part in parts if (side := side_of(part))}
    actions = actions_of(clip.content, MotionFacts.from_dict(clip.facts), [])
    return {"both" if "-both" in action else side for action, side in actions if side}


def names_content(sentence: str, wanted: list[set[str]]) -> bool:
    """Whether a sentence names each thing that is `shown`."""
    named = actions_named(sentence)
    return bool(wanted) and all(named & families for families in wanted)


def names_sides(sentence: str, wanted: set[str]) -> bool:
    """Whether a sentence says the sides that are shown, and no other."""
    named = sides_named(sentence)
    if wanted == {"both"} and "both" not in named:
        return False
    return named - {"both"} == wanted - {"both"}


def _unsided(label: str) -> str:
    return label if label in ACTIONS else re.sub(r"-(?:left|right)$", "", label)


def side_of(label: str) -> str:
    """The side that the label of one action names; empty where it names none."""
    if "-both" in label:
        return "both"
    return label.rsplit("-", 1)[-1] if label not in ACTIONS else ""


@cache
def _phrases() -> dict[str, set[tuple[str, tuple[str, ...]]]]:
    """First stem -> (family, stems) of every phrase that begins so."""
    out: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for action, phrase in _raw_phrases():
        stems = tuple(_stem(w) for w in _WORD.findall(phrase.replace("*", "")))
        stems = tuple(s for s in stems if s not in _UNSAID)
        if stems:
            out.setdefault(stems[0], set()).add((FAMILY[action], stems))
    return out


def _raw_phrases() -> Iterator[tuple[str, str]]:
    for action, (verbs, nouns) in ACTIONS.items():
        own = [p for phrases in STYLE_VERBS.get(action, {}).values() for p in phrases]
        for phrase in (*verbs, *nouns, *UNSIDED.get(action, ()), *own):
            yield action, re.sub(r"\{\w+\}(?:wards)?", "", phrase)


@cache
def _bases() -> dict[str, str]:
    """Every form of every verb -> the verb."""
    out: dict[str, str] = {}
    for _, phrase in _raw_phrases():
        for verb in re.findall(r"\*([a-z]+)", phrase):
            out |= {third_person(verb): verb, ing(verb): verb}
    return out


def _stem(word: str) -> str:
    base = _bases().get(word, word)
    return _ONE.get(base, base)


def _places(words: list[str], phrase: tuple[str, ...]) -> Iterator[frozenset[int]]:
    """Where the words of a phrase stand in a sentence, in order, with small gaps."""
    for start in (i for i, word in enumerate(words) if word == phrase[0]):
        at, here = [start], start
        for stem in phrase[1:]:
            ahead = [i for i in range(here + 1, min(here + 2 + _GAP, len(words)))]
            here = next((i for i in ahead if words[i] == stem), -1)
            if here < 0:
                break
            at.append(here)
        else:
            yield frozenset(at)
