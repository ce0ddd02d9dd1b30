# SPDX-License-Identifier: Apache-2.0
"""What a chat turn asks to be animated, alone or read together with the motion made just before.

The gate reads one turn at a time, so it cannot know that "again, with the left hand" is about the
clip above it. A turn right after a motion is read together with that motion's prompt when it is
short and points back: it begins with a word of repetition ("again", "the same", "do it"), of
sequence ("then"), or says only how the motion is to change ("faster", "with the left hand").
Anything else is a request of its own. English only, like the prompts the model was trained on.
"""

import re
from dataclasses import dataclass

MAX_WORDS = 10
LONGER, SHORTER = 1.5, 1 / 1.5

# how people change a motion, in the words of the captions; each with what it takes back
_MANNERS = {
    "faster": ("quickly", "slowly"),
    "quicker": ("quickly", "slowly"),
    "slower": ("slowly", "quickly"),
    "happier": ("happily", "sadly"),
    "sadder": ("sadly", "happily"),
    "angrier": ("angrily", "happily"),
    "quickly": ("quickly", "slowly"),
    "slowly": ("slowly", "quickly"),
}
_LENGTHS = {"longer": LONGER, "shorter": SHORTER}

_KIND_WORDS = r"ok(?:ay)?|great|good|nice|cool|perfect|thanks|thank you|yes|no|please|well"
_COURTESY = re.compile(rf"(?:{_KIND_WORDS}|and|but)\b[,.!;:]*\s+")
_CLEAR_COURTESY = re.compile(rf"(?:(?:{_KIND_WORDS})[,.!;:]+\s+)+(?:now\s+)?")
_ORDER = re.compile(
    r"(?:please\s+)?(?:(?:can|could|would|will) you(?: please)?|i want to see|i would like to see"
    r"|i'd like to see|let me see|please)\s+"
    r"(?:(?:animate|show me|show|create|generate|make(?! (?:it|him|her|them|that)\b))\s+)?"
    r"|(?:animate|show me|create|generate)\s+"
)
_AGAIN = re.compile(
    r"(?:again|once more|one more time|the same(?: thing| motion| again)?|same(?: again)?"
    r"|this time|instead"
    r"|(?:do|repeat|try|play|show)(?: me)? (?:it|that|this|the same|the motion)(?: again)?"
    r"|try again|repeat)\b[,.!;:]*\s*"
)
_THEN = re.compile(r"(?:and\s+)?(?:then|after that|afterwards|next)\b,?\s+")
_NOW = re.compile(r"(?:now|make (?:it|him|her|them|that)|do it|also)\b,?\s+")
_HOW_MUCH = re.compile(r"(?:(?:a (?:bit|little)|much|even|far|slightly|way|very)\s+)+")
_CHANGE = re.compile(
    rf"(?:{'|'.join([*_MANNERS, *_LENGTHS])}|more|less|higher|lower|wider|bigger|smaller|harder"
    r"|with|without|using|as if|like|backwards?|forwards?|sideways"
    r"|once|twice|(?:two|three|four|five|\d+) times|both|(?:the )?(?:left|right|other)"
    r"|\w{3,}ly)\b"
)
_SIDE = re.compile(r"\b(left|right)(?: (\w+))?\b")
_OTHER_SIDE = re.compile(r"(?:with |on |to |in )?the other \w+(?: around)?")
_OPPOSITE = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class MotionOrder:
    """prompt: for the motion model. stretch: the length, as a multiple of the last motion's."""

    prompt: str
    stretch: float | None = None


def motion_prompt(turn: str) -> str:
    """A turn without its politeness: "can you show me a man walking?" -> "a man walking"."""
    text = turn.strip().rstrip(" .!?")
    text = re.sub(r",?\s+please$", "", text, flags=re.IGNORECASE)
    for polite in (_CLEAR_COURTESY, _ORDER):
        match = polite.match(text.lower())
        text = text[match.end() :] if match else text
    return text or turn.strip()


def follow_up(turn: str, last_prompt: str) -> MotionOrder | None:
    """The turn read together with the motion just made; None for a request of its own."""
    text = " ".join(turn.lower().split())
    asks, order = text.endswith("?"), re.match(r"(?:can|could|would|will) you\b", text)
    if len(text.split()) > MAX_WORDS or (asks and not order):
        return None
    text = re.sub(r",?\s+please$", "", text.rstrip(" .!?"))
    text = _without(_ORDER, _without(_COURTESY, text)) if order else _without(_COURTESY, text)
    then = _THEN.match(text)
    if then:
        return MotionOrder(f"{last_prompt}, then {text[then.end() :]}")
    return _change(text, last_prompt)


def _change(text: str, last_prompt: str) -> MotionOrder | None:
    rest = _without(_AGAIN, _without(_NOW, text))
    again = rest != _without(_NOW, text)
    rest, repeated = re.subn(r",?\s*\b(?:again|instead|once more|one more time)$", "", rest)
    rest = _without(_COURTESY, rest)
    if not rest:
        return MotionOrder(last_prompt) if again or repeated else None
    bare = _HOW_MUCH.sub("", rest, count=1) if _HOW_MUCH.match(rest) else rest
    if not again and not _CHANGE.match(bare):
        return None
    if bare in _LENGTHS:
        return MotionOrder(last_prompt, _LENGTHS[bare])
    if bare in _MANNERS:
        return MotionOrder(_in_manner(last_prompt, *_MANNERS[bare]))
    return MotionOrder(_on_side(last_prompt, rest))


def _in_manner(prompt: str, manner: str, undone: str) -> str:
    prompt = re.sub(rf",?\s*\b(?:very )?{undone}\b", "", prompt)
    if re.search(rf"\bvery {manner}\b", prompt):
        return prompt
    if re.search(rf"\b{manner}\b", prompt):
        return re.sub(rf"\b{manner}\b", f"very {manner}", prompt, count=1)
    return f"{prompt}, {manner}"


def _on_side(prompt: str, change: str) -> str:
    """left and right are replaced where the prompt had the other one, not contradicted."""
    if _OTHER_SIDE.fullmatch(change) and _SIDE.search(prompt):
        return re.sub(r"\b(left|right)\b", lambda m: _OPPOSITE[m[1]], prompt)
    sides = _SIDE.findall(change)
    if len(sides) == 1:
        side, noun = sides[0]
        old = re.compile(
            rf"\b{_OPPOSITE[side]}(?= {noun}\b)" if noun else rf"\b{_OPPOSITE[side]}\b"
        )
        if old.search(prompt):
            prompt = old.sub(side, prompt)
            return prompt if change in prompt else f"{prompt}, {change}"
    return f"{prompt}, {change}"


def _without(pattern: re.Pattern[str], text: str) -> str:
    """The text after what the pattern matches at its front, as often as it does."""
    match = pattern.match(text + " ")
    while match and match.end():
        text = text[match.end() :]
        match = pattern.match(text + " ")
    return text
