# SPDX-License-Identifier: Apache-2.0
"""Questions about a clip of one person, with answers from its label and its measured facts."""

import random

from .caption_content import FAMILY, shown, sides_shown
from .facts import MotionFacts
from .prepared import PreparedClip

Answered = tuple[str, str]
_WHAT = ("What is the person doing?", "What happens in the clip?", "What do they do?",
         "What does the person do?", "Which action is this?")  # fmt: skip
_HAND = ("Which hand do they raise?", "Which hand is it?", "Which arm goes up?",
         "Is it the left or the right hand?")  # fmt: skip
_TURN = ("Which way do they turn?", "Do they turn left or right?", "Where do they turn?")
_WAY = ("Which way do they move?", "Where do they go?", "In which direction do they walk?")
_GAIT = ("Do they walk or run?", "Is the person walking or running?", "How do they move?")
_JUMP = ("Do they jump?", "Does the person jump?", "Do they leave the ground?")
_WAVE = ("Do they wave?", "Does the person wave?", "Is anybody waving?")
QUESTIONS: tuple[str, ...] = (*_WHAT, *_HAND, *_TURN, *_WAY, *_GAIT, *_JUMP, *_WAVE)
_TRAVEL = {"forward": "Forward.", "backward": "Backward.", "left": "To their left.",
           "right": "To their right.", "still": "They stay where they are."}  # fmt: skip
_GAITS = {"run": "They run.", "walk": "They walk.", "stand": "They stay on the spot."}
_ARMS = {"wave", "wave-both", "raise", "raise-both"}


def ask(clip: PreparedClip, caption: str, rng: random.Random) -> Answered:
    """One question that the clip answers, and the answer. caption: what it shows as a sentence."""
    asked: list[tuple[tuple[str, ...], str]] = [(_WHAT, caption), *_measured(clip)]
    questions, answer = rng.choice(asked)
    return rng.choice(questions), answer


def _measured(clip: PreparedClip) -> list[tuple[tuple[str, ...], str]]:
    facts = MotionFacts.from_dict(clip.facts)
    families = {family for part in shown(clip) for family in part}
    sides = sides_shown(clip)
    single = not {"+", ">"} & set(clip.content)
    out: list[tuple[tuple[str, ...], str]] = []
    if single and families & _ARMS and len(sides) == 1:
        side = next(iter(sides))
        out += 2 * [(_HAND, "Both hands." if side == "both" else f"The {side} hand.")]
    if single and len(sides) == 1 and families <= {"walk-turn", "run-turn", "turn-in-place"}:
        out += 2 * [(_TURN, f"To the {next(iter(sides))}.")]
    if single and facts.travel in _TRAVEL:
        out.append((_WAY, _TRAVEL[facts.travel]))
    if single and facts.gait in _GAITS and facts.posture in ("upright", "stooped"):
        out.append((_GAIT, _GAITS[facts.gait]))
    if clip.content:
        out.append((_JUMP, _yes(facts.jumps > 0 and FAMILY["jump"] in families, "jump")))
        out.append((_WAVE, _yes(bool(families & {"wave", "wave-both"}), "wave")))
    return out


def _yes(holds: bool, verb: str) -> str:
    return f"Yes, they {verb}." if holds else f"No, they do not {verb}."
