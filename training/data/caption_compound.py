# SPDX-License-Identifier: Apache-2.0
"""Sentences about two things at once, or one after the other."""

import random
from dataclasses import dataclass

from . import caption_actions as actions
from . import caption_words as words
from .captions import style_key, tidy
from .facts import MotionFacts
from .inflection import fill, inflect

_WHILE = (
    "{subject} {a_s} while {b_ing}", "{subject} {a_s} and {b_s}", "{subject} {b_s} while {a_ing}",
    "{subject} {a_s}, {b_ing}", "{subject} is {a_ing} and {b_ing}",
    "while {a_ing}, {subject} {b_s}",
    "{subject} {a_s} and {b_s} at the same time", "{subject} {b_s} as {he} {a_he}",
    "{a} and {b}", "{a} while {b_ing}", "{b} while {a_ing}", "{a_ing} while {b_ing}",
    "{a_ing} and {b_ing}", "{subject} {a_ing} while {b_ing}", "{subject} who {a_s} and {b_s}",
    "make {whom} {a_whom} and {b_whom}", "{subject} {a_s}, and on the way {b_s}",
    "{subject} {a_s} and meanwhile {b_s}", "have {whom} {a_whom} while {b_ing_whom}",
    "{subject} {a_s} with a {b_noun}", "{a_noun} and {b_noun}",
)  # fmt: skip
_THEN = (
    "{subject} {a_s}, then {b_s}", "{subject} {a_s} and then {b_s}", "{subject} {a_s} and {b_s}",
    "{subject} first {a_s}, then {b_s}", "after {a_ing}, {subject} {b_s}",
    "{subject} {a_s} before {b_ing}", "{a}, then {b}", "{a} and then {b}", "{a_ing}, then {b_ing}",
    "{subject} {a_s}, after that {he} {b_he}", "{subject} {b_s} after {a_ing}",
    "{subject} {a_s}, stops and {b_s}", "{subject} begins by {a_ing} and ends by {b_ing}",
    "make {whom} {a_whom} and then {b_whom}", "{subject} is {a_ing}, then {he} {b_he}",
    "{a_noun}, then {b_noun}", "{a_noun} followed by {b_noun}",
    "{subject} who {a_s} and then {b_s}",
    "{subject} {a_s}; next {he} {b_he}", "first {a}, then {b}",
)  # fmt: skip
GOING: frozenset[str] = frozenset(
    ["walk", "run", "jog", "dash", "walk-back", "walk-turn", "diagonal", "sidestep", "run-turn"]
)
_ARMS = frozenset(["wave", "wave-both", "raise", "raise-both"])
_BOTH_AT_ONCE = "{subject} {a_s} and {b_s}"


@dataclass(frozen=True)
class Part:
    """One of the two things: the action, its side and the facts of its clip."""

    action: str
    side: str
    facts: MotionFacts


def compound_captions(
    first: Part, second: Part, relation: str, style: str, rng: random.Random, count: int
) -> list[str]:
    """`count` different sentences; relation: "while" (at once) or "then" (one after the other)."""
    frames = list(_WHILE if relation == "while" else _THEN)
    if first.action not in GOING:
        frames = [f for f in frames if "stops and" not in f]
    both = {first.action, second.action}
    if relation == "then" and both & GOING and both & _ARMS:
        # who can do both at once is told to by "walks and waves"
        frames.remove(_BOTH_AT_ONCE)
    rng.shuffle(frames)
    out: list[str] = []
    for i in range(count * 10):
        if len(out) >= count:
            break
        sentence = tidy(_write(frames[i % len(frames)], first, second, style, rng), rng)
        if len(sentence.split()) <= 30 and sentence not in out:
            out.append(sentence)
    return out


def _write(frame: str, first: Part, second: Part, style: str, rng: random.Random) -> str:
    key = style_key(style)
    styled = key in words.STYLES and rng.random() < (0.1 if key == "normal" else 0.6)
    subject, his = rng.choice(words.SUBJECTS)
    own = words.STYLE_SUBJECTS.get(key)
    told = False
    if own and rng.random() < (0.4 if styled else 0.15):
        subject, his = rng.choice(own)
        told = True
    elif key in ("feminine", "masculine"):
        subject, his = "a person", "their"
    whom, whose = rng.choice(
        (("the character", "their"), ("him", "his"), ("her", "her"), ("them", "their"))
    )
    if "{subject}" not in frame:
        his = "the" if "{whom}" not in frame else his
    adverb = ""
    if styled and not told:
        adverb = fill(rng.choice(words.STYLES[key][1] + words.STYLES[key][2][:3]), "", "their")
    fields: dict[str, str] = {
        "subject": subject, "whom": whom, "he": possessive_to_subject_of(his), "whose": whose,
    }  # fmt: skip
    plural = subject == "they"
    for name, part in (("a", first), ("b", second)):
        phrases, nouns = actions.ACTIONS[part.action]
        phrase = rng.choice([p for p in phrases if " then " not in p and ", " not in p] or phrases)
        mine, theirs = fill(phrase, part.side, his), fill(phrase, part.side, whose)
        fields[name] = inflect(mine, "base", subject)
        fields[f"{name}_s"] = inflect(mine, "base" if plural else "s", subject)
        fields[f"{name}_he"] = inflect(
            mine, "s" if fields["he"] in ("he", "she", "it") else "base", subject
        )
        fields[f"{name}_ing"] = inflect(mine, "ing", subject)
        fields[f"{name}_whom"] = inflect(theirs, "base", whom)
        fields[f"{name}_ing_whom"] = inflect(theirs, "ing", whom)
        fields[f"{name}_noun"] = fill(rng.choice(nouns), part.side, his)
    if plural:
        frame = frame.replace("{subject} is ", "{subject} are ")
        frame = frame.replace("begins", "begin").replace("ends", "end").replace("stops", "stop")
    text = frame.format(**fields)
    return f"{text} {adverb}".strip() if adverb else text


def possessive_to_subject_of(his: str) -> str:
    """his -> he, their -> they."""
    return {"his": "he", "her": "she", "its": "it"}.get(his, "they")
