# SPDX-License-Identifier: Apache-2.0
"""Captions: many, different, true, and mirrored with the motion."""

import json
import random
import re

import pytest
from acted_motion import bowing, crawling, going, jumping, raising, standing, waving
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from training.data import caption_actions, caption_words
from training.data.captions import mirror_words, write_captions
from training.data.clip_actions import actions_of
from training.data.facts import measure
from training.data.human_captions import HumanCaptions
from training.data.inflection import fill, inflect, ing, third_person, with_article

CLIPS = {
    ("walk", "exhausted"): going(5.0, 0.8),
    ("walk", "active"): going(5.0, 1.5),
    ("run", "normal"): going(3.0, 3.0),
    ("walk-back", "proud"): going(5.0, 0.8, towards_degrees=180),
    ("walk-left", "normal"): going(4.0, 1.0, towards_degrees=35),
    ("walk-turn-left", "elderly"): going(5.0, 0.8, turn_degrees=90),
    ("walk-turn-right", "feminine"): going(5.0, 1.1, turn_degrees=-90),
    ("wave-left-hand", "youthful"): waving("left"),
    ("raise-up-right-hand", "masculine"): raising("right"),
    ("raise-up-both-hands", "normal"): raising("left", "right"),
    ("bow", "happy"): bowing(60),
    ("jumping", ""): jumping(),
    ("crawl", ""): crawling(),
    ("", ""): going(4.0, 1.2),
}


def written(content: str, style: str, motion, count: int = 40, seed: int = 0) -> list[str]:
    return write_captions(content, style, measure(motion), [], random.Random(seed), count)


@pytest.mark.parametrize(("content", "style"), CLIPS)
def test_many_different_sentences_of_sensible_length(content, style):
    captions = written(content, style, CLIPS[content, style])
    assert len(captions) == 40
    assert len({c.lower().rstrip(".") for c in captions}) == 40
    lengths = [len(c.split()) for c in captions]
    assert max(lengths) <= 30
    assert 4 <= sum(lengths) / len(lengths) <= 14
    for caption in captions:
        assert not re.search(r"[*{}]|  |\bnone\b", caption), caption
        assert caption == caption.strip()


def test_captions_are_repeatable_and_differ_by_seed():
    motion = going()
    one = written("walk", "normal", motion, 8, seed=1)
    assert one == written("walk", "normal", motion, 8, seed=1)
    assert one != written("walk", "normal", motion, 8, seed=2)


def test_a_thousand_surface_forms():
    motion = going()
    forms = {c.lower().rstrip(".") for s in range(60) for c in written("walk", "", motion, 20, s)}
    assert len(forms) > 900


@pytest.mark.parametrize(("label", "side"), [("left", "left"), ("right", "right")])
def test_the_measured_side_wins_over_the_label(label, side):
    other = "right" if side == "left" else "left"
    degrees = 90 if side == "left" else -90
    motion = going(5.0, 1.1, turn_degrees=degrees)
    for caption in written(f"walk-turn-{other}", "normal", motion):
        assert side in caption.lower() or other not in caption.lower()
        assert not re.search(rf"\b{other}\b", caption.lower())


def test_a_hand_that_stays_low_is_always_called_low():
    captions = written("raise-up-left-hand", "feminine", standing())
    for caption in captions:
        assert not re.search(r"\b(?:raise|lift|hold)\w* .*\bhand\b", caption.lower())
    half = raising("left")
    half.poses[:, 16, 2] = half.poses[:, 16, 2].clip(max=-0.3)
    low = r"low|little|half|chest|not very high|below"
    for caption in written("raise-up-left-hand", "feminine", half):
        assert re.search(low, caption.lower()), caption


def test_a_shallow_bow_is_always_called_slight():
    for caption in written("bow", "normal", bowing(32)):
        assert re.search(
            r"slight|small|little|short|shallow|without bending|a bit", caption.lower()
        )


def test_a_slow_run_is_a_jog():
    assert actions_of("run", measure(going(4.0, 1.6)), []) == [("jog", "")]
    assert actions_of("run", measure(going(4.0, 2.8)), []) == [("run", "")]


def test_a_walk_that_does_not_go_anywhere_is_not_called_a_walk():
    for caption in written("walk", "normal", standing()):
        assert "forward" not in caption.lower()


def test_styles_are_told():
    captions = written("walk", "exhausted", going(5.0, 0.7))
    told = r"tired|exhaust|weary|wearil|worn|drain|sluggish|listless|letharg|energy|fatigue|plod"
    told += r"|trudg|drag|slog|sleepily|long day"
    assert sum(bool(re.search(told, c.lower())) for c in captions) > 12


def test_human_sentences_are_kept_where_they_fit():
    facts = measure(going())
    human = ["A person walks forward.", "walk"]
    captions = write_captions("", "", facts, human, random.Random(0), 8)
    plain = [c.lower().rstrip(".") for c in captions]
    assert "a person walks forward" in plain
    assert len(captions) == 8
    still = write_captions("", "", measure(standing()), ["walk"], random.Random(0), 8)
    assert "walk" not in [c.lower().rstrip(".") for c in still]


def test_index_lines_tell_the_action():
    facts = measure(standing())
    assert actions_of("", facts, ["unscrew bottlecap, drink soda"]) == [("drink", "")]
    assert actions_of("", facts, ["laugh"]) == [("laugh", "")]
    walk = measure(going())
    assert actions_of("", walk, ["walk", "A human walks with very large steps."]) == [("walk", "")]


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("raises his left hand", "raises his right hand"),
        ("Left, then RIGHT", "Right, then LEFT"),
        ("wave-left-hand", "wave-right-hand"),
        ("walk_turn_left", "walk_turn_right"),
        ("turns clockwise", "turns counterclockwise"),
        ("turns counter-clockwise", "turns clockwise"),
        ("waves left-handed", "waves right-handed"),
        ("moves leftwards", "moves rightwards"),
        ("stops right away", "stops right away"),
        ("stands upright", "stands upright"),
        ("raise-up-both-hands", "raise-up-both-hands"),
        ("a brightly lit cleft", "a brightly lit cleft"),
    ],
)
def test_mirrored_words(text, mirrored):
    assert mirror_words(text) == mirrored


@given(st.lists(st.sampled_from(["left", "right", "hand", "clockwise", "walks", "Left"])))
def test_mirroring_twice_gives_the_words_back(parts):
    text = " ".join(parts)
    assert mirror_words(mirror_words(text)) == text


def test_mirrored_captions_belong_to_the_mirrored_motion():
    motion = waving("left")
    label = mirror_words("wave-left-hand")
    for caption in written(label, "normal", motion.mirrored()):
        if "left" in caption.lower():
            assert re.search(r"left (?:arm|hand) (?:hangs )?(?:down|at)", caption.lower()), caption


@pytest.mark.parametrize(
    ("verb", "third", "participle"),
    [
        ("walk", "walks", "walking"),
        ("run", "runs", "running"),
        ("punch", "punches", "punching"),
        ("carry", "carries", "carrying"),
        ("go", "goes", "going"),
        ("do", "does", "doing"),
        ("bow", "bows", "bowing"),
        ("dance", "dances", "dancing"),
        ("lie", "lies", "lying"),
        ("tiptoe", "tiptoes", "tiptoeing"),
        ("box", "boxes", "boxing"),
        ("step", "steps", "stepping"),
        ("stay", "stays", "staying"),
    ],
)
def test_verb_forms(verb, third, participle):
    assert third_person(verb) == third
    assert ing(verb) == participle


def test_every_verb_of_a_phrase_is_inflected_by_its_subject():
    phrase = "curve {side} as {he} *walk and *turn"
    told = inflect(fill(f"*{phrase}", "left", "their"), "s", "a person")
    assert told == "curves left as they walk and turns"
    assert inflect(fill(f"*{phrase}", "left", "his"), "base", "you").startswith("curve left as he")


def test_articles():
    assert with_article("old walk") == "an old walk"
    assert with_article("walk") == "a walk"
    assert with_article("u-turn to the left") == "a u-turn to the left"
    assert with_article("jumping jacks") == "jumping jacks"


def test_the_word_tables_are_sound():
    for name, (verbs, nouns) in caption_actions.ACTIONS.items():
        assert verbs, name
        assert nouns, name
        for phrase in verbs:
            assert "*" in phrase, (name, phrase)
            assert not re.sub(r"\{(?:side|other|his|himself|he)\}", "", phrase).count("{"), phrase
    for _, action in caption_actions.KEYWORDS:
        assert action in caption_actions.ACTIONS or action in ("bye", "wave", "raise"), action
    for style in caption_words.STYLE_SUBJECTS:
        assert style in caption_words.STYLES, style


@pytest.fixture
def human(tmp_path):
    folder = tmp_path / "captions"
    folder.mkdir()
    (folder / "cmu-index.md").write_text(
        "**CMU**\n\nSubject #5 (modern dance)\n\n05_01  walk\n\n05_03  dance - arabesque\n\n"
        "05_09  Unknown\n"
    )
    kit = [
        {"id": "1", "source": "CMU/05/05_01_poses", "seconds": 2, "captions": ["A human  walks."]},
        {"id": "2", "source": "KIT/4/Walk01_poses", "seconds": 2, "captions": ["Somebody walks."]},
        {
            "id": "3",
            "source": "CMU/05/05_03_poses",
            "seconds": 2,
            "captions": ["<a href=x>buy</a>"],
        },
    ]
    (folder / "kit-ml.json").write_text(json.dumps(kit))
    return tmp_path


def test_human_captions_by_clip_name(human):
    captions = HumanCaptions(human)
    assert captions.of("05_01") == ["walk", "A human walks."]
    assert captions.of("CMU/05/05_01_poses") == ["walk", "A human walks."]
    assert captions.of("KIT/4/Walk01_poses") == ["Somebody walks."]
    assert captions.of("05_03") == ["dance - arabesque"]
    assert captions.of("05_09") == []
    assert captions.of("dataset-1_walk_angry_001") == []


def test_a_folder_without_captions_has_none(tmp_path):
    assert HumanCaptions(tmp_path).of("05_01") == []


def test_a_broken_caption_file_is_explained(human):
    (human / "captions" / "kit-ml.json").write_text("[")
    with pytest.raises(InvalidInput, match="not valid JSON"):
        HumanCaptions(human)
