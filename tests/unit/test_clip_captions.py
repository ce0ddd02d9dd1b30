# SPDX-License-Identifier: Apache-2.0
"""What sentences about clips say, which of them describe a clip, and questions about it."""

import random
from dataclasses import replace

import pytest
from acted_clips import ActedClips

from training.data.caption_content import (
    actions_named,
    names_content,
    names_sides,
    shown,
    sides_named,
    sides_shown,
)
from training.data.clip_captions import descriptions, in_third_person
from training.data.clip_questions import QUESTIONS, ask
from training.data.prepared import PreparedClip


@pytest.fixture(scope="module")
def clips() -> dict[str, PreparedClip]:
    return {clip.content: clip for clip in ActedClips().clips}


@pytest.mark.parametrize(
    ("sentence", "families"),
    [
        ("A person walks forward.", {"walk"}),
        ("a person is jogging along the river", {"run"}),
        ("A person raises their left hand and waves it.", {"wave"}),
        ("A person lifts the left and right arm together.", {"raise-both"}),
        ("he walks ahead while waving his right hand", {"walk", "wave"}),
        ("someone bows, then jumps", {"bow", "jump"}),
        ("nothing of the kind", set()),
    ],
)
def test_actions_are_known_by_their_words(sentence: str, families: set[str]) -> None:
    assert actions_named(sentence) == families


@pytest.mark.parametrize(
    ("sentence", "sides"),
    [
        ("raises their left hand", {"left"}),
        ("veers rightwards", {"right"}),
        ("waves both hands", {"both"}),
        ("waves the left and right hand at the same time", {"both"}),
        ("puts the hands up for two seconds", {"both"}),
        ("raises the left hand for two seconds", {"left"}),
        ("raises the left hand keeping the right arm down", {"left"}),
        ("chooses the right way", set()),
        ("walks to the left and waves both hands", {"left", "both"}),
        ("stands upright", set()),
    ],
)
def test_sides_are_known(sentence: str, sides: set[str]) -> None:
    assert sides_named(sentence) == sides


def test_nearly_all_captions_name_what_their_clip_shows(clips: dict[str, PreparedClip]) -> None:
    told = [(c, shown(clip)) for clip in clips.values() for c in clip.captions]
    assert sum(names_content(c, wanted) for c, wanted in told) / len(told) > 0.95
    others = [
        names_content(c, shown(other))
        for clip in clips.values()
        for other in clips.values()
        if not shown(clip)[0] & shown(other)[0]
        for c in clip.captions
    ]
    assert sum(others) / len(others) < 0.05


def test_labels_and_facts_say_what_is_shown(clips: dict[str, PreparedClip]) -> None:
    assert shown(clips["walk-turn-left"]) == [{"walk-turn"}]
    assert sides_shown(clips["walk-turn-left"]) == {"left"}
    assert sides_shown(clips["raise-up-both-hands"]) == {"both"}
    assert sides_shown(clips["bow"]) == set()
    both = replace(clips["walk"], content="walk-turn-left+wave-both")
    assert shown(both) == [{"walk-turn"}, {"wave-both"}]
    assert sides_shown(both) == {"left", "both"}
    assert names_content("they walk and turn left, waving both hands", shown(both))
    assert not names_content("they walk and turn left", shown(both))
    then = replace(clips["walk"], content="sidestep-right>bow")
    assert (shown(then), sides_shown(then)) == ([{"sidestep"}, {"bow"}], {"right"})
    # without a label, by what most captions name
    told = replace(clips["walk"], content="", captions=["he jumps", "a jump", "she waves"])
    assert shown(told) == [{"jump"}]
    assert shown(replace(told, captions=["xyz", "abc"])) == []


def test_sides_must_be_the_clips_and_no_other() -> None:
    assert names_sides("raises the left hand", {"left"})
    assert not names_sides("raises the right hand", {"left"})
    assert not names_sides("raises a hand", {"left"})
    assert not names_sides("walks left", set())
    assert not names_sides("raises the left hand", {"both"})


def test_descriptions_are_in_the_third_person_and_say_all(clips: dict[str, PreparedClip]) -> None:
    for clip in clips.values():
        texts = descriptions(clip)
        assert texts, clip.content
        for text in texts:
            assert text.startswith("A person ")
            assert text.endswith(".")
            assert names_content(text, shown(clip))
            assert names_sides(text, sides_shown(clip))


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        ("We see a guy who waves his left hand", "A person waves their left hand."),
        ("they are walking on.", "A person is walking on."),
        ("They walk on", ""),
        ("a girl jumps", "A person jumps."),
        (
            "He lifts his left hand while the right arm hangs down",
            "A person lifts their left hand.",
        ),
        ("The figure slowly walks on", "A person slowly walks on."),
        ("Walk on", ""),
        ("make him walk", ""),
        ("a man walking along", ""),
        ("he must walk on", ""),
    ],
)
def test_captions_become_descriptions(caption: str, text: str) -> None:
    assert in_third_person(caption) == text


def test_questions_have_the_clips_answers(clips: dict[str, PreparedClip]) -> None:
    def answers(content: str) -> dict[str, str]:
        rng = random.Random(0)
        return dict(ask(clips[content], "A person does it.", rng) for _ in range(200))

    assert answers("wave-left-hand")["Which hand do they raise?"] == "The left hand."
    assert answers("wave-left-hand")["Do they wave?"] == "Yes, they wave."
    assert answers("raise-up-both-hands")["Which arm goes up?"] == "Both hands."
    assert answers("walk-turn-right")["Which way do they turn?"] == "To the right."
    assert answers("walk")["Do they walk or run?"] == "They walk."
    assert answers("run")["Do they walk or run?"] == "They run."
    assert answers("bow")["Do they jump?"] == "No, they do not jump."
    assert answers("jumping")["Do they jump?"] == "Yes, they jump."
    assert answers("walk")["Where do they go?"] == "Forward."
    assert answers("bow")["What does the person do?"] == "A person does it."
    assert set(answers("wave-left-hand")) <= set(QUESTIONS)
