# SPDX-License-Identifier: Apache-2.0
"""The kinematic judges: each holds on the motion it asks for and not on the others."""

import argparse
import json

import pytest
from acted_motion import bowing, crawling, going, jumping, raising, standing, waving

from backend.errors import InvalidInput
from blender_addon.shared.motion import Motion
from training.evaluate_semantic import (
    PROMPTS,
    PromptCase,
    add_arguments,
    evaluate,
    read_prompts,
    share,
    to_json,
    to_table,
)
from training.metrics.semantic import JUDGES, judge_motion, judge_pair

SHOWN = {
    "forward": going(),
    "backward": going(towards_degrees=180),
    "turn-left": going(turn_degrees=80),
    "turn-right": going(turn_degrees=-80),
    "left-hand": raising("left"),
    "right-hand": waving("right"),
    "both-hands": raising("left", "right"),
    "bow": bowing(60),
    "jump": jumping(0.3),
    "crawl": crawling(),
    "forward+right-hand": waving("right", base=going()),
    "forward+left-hand": waving("left", base=going()),
}


def test_there_is_a_motion_for_every_judge():
    assert set(SHOWN) == set(JUDGES)


@pytest.mark.parametrize("name", SHOWN)
def test_a_judge_accepts_what_it_asks_for(name):
    judged = judge_motion(SHOWN[name], name)
    assert judged.holds, judged


ALSO_TRUE = {
    ("bow", "crawl"),
    ("forward", "turn-left"),
    ("forward", "turn-right"),
    ("forward", "crawl"),
    ("forward", "forward+right-hand"),
    ("forward", "forward+left-hand"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_judge_refuses_what_it_does_not_ask_for(name):
    for other, motion in SHOWN.items():
        if other != name and (name, other) not in ALSO_TRUE:
            assert not judge_motion(motion, name).holds, other


def test_nothing_holds_for_standing_still():
    for name in JUDGES:
        assert not judge_motion(standing(), name).holds


@pytest.mark.parametrize(
    ("motion", "name"),
    [
        (going(0.75, 1.2), "forward"),
        (going(turn_degrees=40), "turn-left"),
        (bowing(30), "bow"),
        (jumping(0.1), "jump"),
        (raising("left", base=going()), "left-hand"),
        (raising("left", "right"), "left-hand"),
        (raising("left"), "both-hands"),
    ],
)
def test_not_enough_is_not_enough(motion, name):
    assert not judge_motion(motion, name).holds


def test_the_faster_of_two():
    run, walk = going(3.0, 3.0), going(3.0, 1.2)
    assert judge_pair(run, walk).holds
    assert not judge_pair(walk, run).holds


def test_the_prompts_can_be_judged():
    assert len(PROMPTS) >= 20
    for case in PROMPTS:
        assert case.expect or case.slower_than
        assert not case.expect or case.expect in JUDGES
    assert set(JUDGES) - {c.expect for c in PROMPTS} <= {"forward+left-hand"}


def generate(prompt: str, seconds: float | None, seed: int) -> Motion:
    """Stands in for the model: does what it is told on the first seed only."""
    if "run" in prompt:
        return going(3.0, 3.0)
    return going(3.0, 1.2) if seed == 0 else standing()


def test_evaluation_counts_and_reports():
    cases = [
        PromptCase("walk on", "forward"),
        PromptCase("walk on", "forward", slower_than="run on"),
    ]
    seen = []
    results = evaluate(cases, generate, 2, lambda case, seed, motion, holds: seen.append(holds))
    assert [r.holds for r in results] == [True, False, True, False]
    assert seen == [True, False, True, False]
    assert share(results) == 0.5
    table = to_table(results)
    assert "2 of 4 motions hold: 50 %" in table
    assert "seed 1: not so: moves > 1 m along its heading" in table
    assert json.loads(json.dumps(to_json(results)))["share"] == 0.5


def test_prompts_from_a_file(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(
        '{"prompt": "jump!", "expect": "jump"}\n\n'
        '{"prompt": "stroll", "slower_than": "sprint", "seconds": 3}\n'
    )
    assert read_prompts(path) == [
        PromptCase("jump!", "jump"),
        PromptCase("stroll", slower_than="sprint", seconds=3),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1"),
        ('{"prompt": "x", "expect": "fly"}', "expect must be one of"),
        ('{"prompt": " ", "expect": "jump"}', "prompt is empty"),
        ('{"prompt": "x"}', "slower_than"),
        ('{"prompt": "x", "speed": 3}', "line 1"),
        ("[1]", "line 1"),
        ("", "no prompts"),
    ],
)
def test_a_bad_prompt_file_is_explained(tmp_path, text, message):
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read_prompts(path)


def test_a_missing_prompt_file_is_explained(tmp_path):
    with pytest.raises(InvalidInput, match="not a file"):
        read_prompts(tmp_path / "none.jsonl")


def test_the_options():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args([])
    assert args.seeds == 3
    assert args.prompts is None
    assert not args.json
