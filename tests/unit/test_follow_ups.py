# SPDX-License-Identifier: Apache-2.0
"""Turns about the motion just made are read together with its prompt; others stand alone."""

import pytest

from backend.tasks.follow_ups import LONGER, SHORTER, MotionOrder, follow_up, motion_prompt

LAST = "a person waves with the right hand"


@pytest.mark.parametrize(
    ("turn", "prompt"),
    [
        ("again", LAST),
        ("One more time, please.", LAST),
        ("do it again!", LAST),
        ("again, with the left hand", "a person waves with the left hand"),
        ("could you do it again with the left hand?", "a person waves with the left hand"),
        ("no, the left hand", "a person waves with the left hand"),
        ("with the other hand", "a person waves with the left hand"),
        ("with the left foot", f"{LAST}, with the left foot"),
        ("now faster", f"{LAST}, quickly"),
        ("Great, now slower", f"{LAST}, slowly"),
        ("a bit faster", f"{LAST}, quickly"),
        ("can you make it slower?", f"{LAST}, slowly"),
        ("the same but slower", f"{LAST}, slowly"),
        ("make it more tired", f"{LAST}, more tired"),
        ("now with both arms", f"{LAST}, with both arms"),
        ("twice", f"{LAST}, twice"),
        ("and then he sits down", f"{LAST}, then he sits down"),
    ],
)
def test_read_together(turn: str, prompt: str) -> None:
    assert follow_up(turn, LAST) == MotionOrder(prompt)


@pytest.mark.parametrize(
    "turn",
    [
        "thanks",
        "ok",
        "great",
        "why?",
        "faster?",
        "how long is it?",
        "then what?",
        "and you?",
        "tell me more",
        "a person jumps",
        "a man walks and then sits down",
        "now jump",
        "make him limp",
        "show me someone walking in a circle",
        "again and again I asked myself why nobody had ever told me so",
    ],
)
def test_not_about_the_last_motion(turn: str) -> None:
    assert follow_up(turn, LAST) is None


def test_longer_and_shorter_are_about_the_length() -> None:
    assert follow_up("make it longer", LAST) == MotionOrder(LAST, LONGER)
    assert follow_up("shorter please", LAST) == MotionOrder(LAST, SHORTER)


def test_a_manner_takes_its_opposite_back_and_can_be_raised() -> None:
    assert follow_up("faster", "a man walks, slowly") == MotionOrder("a man walks, quickly")
    assert follow_up("slower", "a man walks quickly") == MotionOrder("a man walks, slowly")
    assert follow_up("faster", "a man walks, quickly") == MotionOrder("a man walks, very quickly")
    assert follow_up("faster", "a man walks, very quickly") == MotionOrder(
        "a man walks, very quickly"
    )


@pytest.mark.parametrize(
    ("turn", "prompt"),
    [
        ("A person jumps.", "A person jumps"),
        ("can you show me a man walking, please?", "a man walking"),
        ("Please make a man who walks", "a man who walks"),
        ("please make him limp", "make him limp"),
        ("Thanks, now let him jump", "let him jump"),
        ("show me a dance", "a dance"),
        ("please", "please"),
        ("?", "?"),
    ],
)
def test_politeness_is_not_part_of_the_prompt(turn: str, prompt: str) -> None:
    assert motion_prompt(turn) == prompt
