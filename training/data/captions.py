# SPDX-License-Identifier: Apache-2.0
"""Sentences about a motion, from its labels, its measured facts and what people wrote.

A sentence is a subject, one or two verb phrases and some modifiers. What is said is decided by the
facts: a label that the measurement contradicts is not repeated, and what makes a clip unlike its
label (a hand that stays low, a very slow run) is always said.
"""

import random
import re

from . import caption_actions as actions
from . import caption_moves as moves
from . import caption_words as words
from .caption_facts import Option, modifiers_for
from .caption_scenes import SCENES, Scene
from .clip_actions import actions_of
from .facts import MotionFacts
from .inflection import fill, inflect, possessive_to_subject, with_article

_SWAP = {
    "left": "right", "lefts": "rights", "leftward": "rightward", "leftwards": "rightwards",
    "clockwise": "counterclockwise", "anticlockwise": "clockwise", "lefthand": "righthand",
    "lefty": "righty", "leftmost": "rightmost", "l": "r",
}  # fmt: skip
_SWAP_BACK = {v: k for k, v in _SWAP.items() if k not in ("anticlockwise",)}
_SIDE_WORD = re.compile(
    r"\b(?:counter-?\s?clockwise|anti-?\s?clockwise|clockwise|(?:left|right)(?:s|wards?|most)?)"
    r"(?=\b|_)"
    r"|(?<=_)(?:left|right)(?=\b|_)",
    re.IGNORECASE,
)
# "right" as an adverb or "all right" is not a side
_NOT_A_SIDE = re.compile(
    r"\b(?:right (?:away|now|after|before|afterwards|there|then|up to|back)|all right|alright"
    r"|upright|right angles?|what(?:'s| is) left)\b",
    re.IGNORECASE,
)


def mirror_words(text: str) -> str:
    """Swap left and right in a sentence or a label, and the sense of a turn."""
    kept = [m.span() for m in _NOT_A_SIDE.finditer(text)]

    def swap(match: re.Match[str]) -> str:
        word = match[0]
        if any(a <= match.start() < b for a, b in kept):
            return word
        lower = word.lower()
        if "clockwise" in lower:
            swapped = "counterclockwise" if lower == "clockwise" else "clockwise"
        else:
            swapped = _SWAP.get(lower) or _SWAP_BACK[lower]
        if word.isupper():
            return swapped.upper()
        return swapped.capitalize() if word[0].isupper() else swapped

    return _SIDE_WORD.sub(swap, text)


def style_key(style: str) -> str:
    """The style's entry in the word table; an unknown style is its own adjective."""
    key = style.strip().lower().replace("_", "-")
    return words.STYLE_ALIASES.get(key, key)


def write_captions(
    content: str,
    style: str,
    facts: MotionFacts,
    human: list[str],
    rng: random.Random,
    count: int = 8,
) -> list[str]:
    """`count` different sentences about one clip.

    content, style: labels, already swapped for a mirrored clip; empty where nothing is known.
    human: sentences written by people, kept as they are (and cleaned) for up to half of `count`.
    """
    out: list[str] = []
    kept = [tidy(s, rng) for s in human if _agrees(s, facts)]
    rng.shuffle(kept)
    out += kept[: max(count // 2, 1)]
    writer = CaptionWriter(content, style, facts, human, rng)
    tries = 0
    while len(out) < count and tries < count * 30:
        tries += 1
        sentence = writer.sentence(plain=tries % 6 == 1)
        if sentence.lower().rstrip(".") not in {s.lower().rstrip(".") for s in out}:
            out.append(sentence)
    return out


def tidy(sentence: str, rng: random.Random) -> str:
    """Small differences people make when they type: capitals and the full stop."""
    text = " ".join(sentence.split()).strip().rstrip(".")
    dice = rng.random()
    if dice < 0.45:
        return text[0].upper() + text[1:] + "."
    if dice < 0.6:
        return text[0].upper() + text[1:]
    return text[0].lower() + text[1:]


def _agrees(sentence: str, facts: MotionFacts) -> bool:
    """False where a window of a long clip does not show what the sentence says."""
    text = sentence.lower()
    if re.search(r"\bwalk|\brun\b|\bruns\b|\bjog", text) and facts.travel == "still":
        return "," in text or " and " in text
    if re.search(r"^\W*(?:forward jump|jump)\W*$", text) and facts.jumps == 0:
        return facts.lift > 0.12
    return True


class CaptionWriter:
    """Writes sentences about one clip; the same labels and facts, other words every time."""

    def __init__(
        self, content: str, style: str, facts: MotionFacts, human: list[str], rng: random.Random
    ) -> None:
        self.facts = facts
        self.rng = rng
        self.style = style_key(style)
        self.actions = actions_of(content, facts, human)
        self.modifiers = modifiers_for(self.actions, facts)

    def sentence(self, plain: bool = False) -> str:
        """One sentence; `plain` says what is done and only what has to be said about it."""
        rng = self.rng
        action, side = rng.choice(self.actions)
        picked = [rng.choice(o.phrases) for o in self.modifiers if o.required]
        optional = [o for o in self.modifiers if not o.required]
        rng.shuffle(optional)
        wanted = 0 if plain else rng.choices((0, 1, 2), (0.25, 0.5, 0.25))[0]
        styled = self._say_style(plain)
        if styled and wanted == 2:
            wanted = 1
        picked += [rng.choice(o.phrases) for o in _apart(optional, wanted)]
        scene = SCENES.get(action, Scene())
        told = 0.0 if plain else rng.random()  # how much of a story goes around it
        if scene.tails and told > 0.85:
            picked.append(rng.choice(scene.tails))
        gendered = self.style in ("feminine", "masculine")
        self._people = scene.subjects if told > 0.75 and not gendered else ()
        front = ""
        if scene.leads and 0.68 < told < 0.8:
            front = rng.choice(scene.leads) + " "
        elif picked and rng.random() < 0.1 and not _is_late(picked[-1]):
            front = fill(picked.pop(), "", "the") + ", "
        form = rng.choices(
            (self._clause, self._progressive, self._imperative, self._gerund, self._noun,
             self._participle, self._request),
            (0.40, 0.12, 0.13, 0.09, 0.12, 0.06, 0.08),
        )[0]  # fmt: skip
        if front and form in (self._noun, self._participle):
            form = self._clause
        return tidy(front + form(action, side, picked, styled), rng)

    def _say_style(self, plain: bool) -> bool:
        if self.style == "normal":
            return self.rng.random() < (0.05 if plain else 0.12)
        return self.rng.random() < (0.3 if plain else 0.65)

    # the forms; each takes the action, the side, what else to say and whether to say the style

    def _subject(self, styled: bool) -> tuple[str, str, bool]:
        """Subject, possessive, and whether the subject already tells the style."""
        if self._people and self.rng.random() < 0.5:
            return *self.rng.choice(self._people), False
        own = words.STYLE_SUBJECTS.get(self.style)
        if styled and own and self.rng.random() < 0.3:
            subject, his = self.rng.choice(own)
            return subject, his, True
        gendered = {"feminine": ("he", "man", "guy", "boy"), "masculine": ("she", "woman", "girl")}
        while True:
            subject, his = self.rng.choice(words.SUBJECTS)
            if not set(subject.split()) & set(gendered.get(self.style, ())):
                return subject, his, False

    def _phrase(self, action: str, side: str, his: str) -> str:
        phrases = actions.ACTIONS[action][0]
        own = moves.STYLE_VERBS.get(action, {}).get(self.style, ())
        if own and self.rng.random() < 0.25:
            phrases = own
        elif action in actions.UNSIDED and self.rng.random() < 0.08:
            phrases = actions.UNSIDED[action]
        while True:
            phrase = self.rng.choice(phrases)
            if self._pace_fits(phrase, action):
                return fill(phrase, side, his)

    def _pace_fits(self, phrase: str, action: str) -> bool:
        if action not in ("walk", "walk-back", "walk-turn", "diagonal"):
            return True
        if self.facts.speed > 1.3:
            return not set(phrase.split()) & moves.SLOW_WALK
        return self.facts.speed > 0.9 or not set(phrase.split()) & moves.QUICK_WALK

    def _style_words(self, action: str, his: str) -> tuple[str, str]:
        """(adverb in front of the verb or "", phrase after the verb or "")."""
        if self.style not in words.STYLES:
            return "", f"in a {self.style.replace('-', ' ')} way"
        _, adverbs, phrases = words.STYLES[self.style]
        if self.rng.random() < 0.55:
            adverb = self.rng.choice(adverbs)
            if adverb.endswith("ly") and " " not in adverb and self.rng.random() < 0.45:
                return adverb, ""
            return "", adverb
        usable = [
            p for p in phrases if p not in words.FOOTWORK_ONLY or self.facts.travel != "still"
        ]
        return "", fill(self.rng.choice(usable), "", his)

    def _adjective(self) -> str:
        if self.style not in words.STYLES:
            return self.style.replace("-", " ")
        return self.rng.choice(words.STYLES[self.style][0])

    def _join(self, core: str, tail: list[str], his: str) -> str:
        tail = [fill(t, "", his) for t in tail if t]
        self.rng.shuffle(tail)
        # what follows in time comes last
        return " ".join([core, *sorted(tail, key=_is_late)])

    def _verb(
        self, form: str, action: str, side: str, picked: list[str], styled: bool, subject: str
    ) -> str:
        his = self._his
        front, after = self._style_words(action, his) if styled else ("", "")
        core = inflect(self._phrase(action, side, his), form, subject)
        if front and form != "is":
            core = f"{front} {core}"
        elif front:
            after = front
        return self._join(core, [after, *picked], his)

    _his = "their"
    _people: tuple[tuple[str, str], ...] = ()

    def _clause(self, action: str, side: str, picked: list[str], styled: bool) -> str:
        subject, self._his, told = self._subject(styled)
        form = "base" if subject == "they" else "s"
        verb = self._verb(form, action, side, picked, styled and not told, subject)
        lead = self.rng.random()
        if lead < 0.04:
            return f"we see {subject} who {verb}"
        if lead < 0.07 and subject not in ("he", "she", "they"):
            return f"{subject} that {verb}"
        return f"{subject} {verb}"

    def _progressive(self, action: str, side: str, picked: list[str], styled: bool) -> str:
        subject, self._his, told = self._subject(styled)
        be = "are" if subject == "they" else "is"
        return f"{subject} {be} " + self._verb(
            "ing", action, side, picked, styled and not told, subject
        )

    def _imperative(self, action: str, side: str, picked: list[str], styled: bool) -> str:
        self._his = self.rng.choice(("your", "the", "the"))
        return self._verb("base", action, side, picked, styled, "you")

    def _gerund(self, action: str, side: str, picked: list[str], styled: bool) -> str:
        self._his = self.rng.choice(("the", "the", "their", "his", "her"))
        return self._verb("ing", action, side, picked, styled, "they")

    def _participle(self, action: str, side: str, picked: list[str], styled: bool) -> str:
        subject, self._his, told = self._subject(styled)
        if subject in ("he", "she", "they"):
            subject, self._his = "someone", "their"
        verb = self._verb("ing", action, side, picked, styled and not told, subject)
        lead = self.rng.choice(("", "", "animation of ", "clip of ", "motion of ", "show "))
        return f"{lead}{subject} {verb}"

    def _noun(self, action: str, side: str, picked: list[str], styled: bool) -> str:
        self._his = self.rng.choice(("the", "their"))
        noun = fill(self.rng.choice(actions.ACTIONS[action][1]), side, self._his)
        adjective = self._adjective() if styled else ""
        noun = f"{adjective} {noun}".strip()
        if self.rng.random() < 0.5:
            noun = with_article(noun)
        return self._join(noun, picked, self._his)

    def _request(self, action: str, side: str, picked: list[str], styled: bool) -> str:
        who, self._his = self.rng.choice(
            (("the character", "their"), ("him", "his"), ("her", "her"), ("them", "their"),
             ("the rig", "its"), ("my character", "their"), ("the avatar", "its"))
        )  # fmt: skip
        lead, form = self.rng.choice(
            (("make {who}", "base"), ("have {who}", "base"), ("let {who}", "base"),
             ("i want {who} to", "base"), ("animate {who}", "ing"),
             ("{they} should", "base"), ("{they} must", "base"))
        )  # fmt: skip
        lead = lead.format(who=who, they=possessive_to_subject(who))
        return f"{lead} " + self._verb(form, action, side, picked, styled, who)


def _is_late(phrase: str) -> bool:
    return phrase.startswith(("before ", "and ", "then "))


def _apart(options: list[Option], count: int) -> list[Option]:
    """The first `count` options that do not speak of the same thing."""
    out: list[Option] = []
    for option in options:
        if len(out) < count and option.topic not in {o.topic for o in out}:
            out.append(option)
    return out
