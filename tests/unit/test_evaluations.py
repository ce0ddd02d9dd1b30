# SPDX-License-Identifier: Apache-2.0
"""The dialogue and speed evaluations on toys: what they count and what they catch."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_hmvlm import LetterTokenizer, tiny_base, tiny_hmvlm

from backend.model.hmvlm import Hmvlm
from blender_addon.shared.motion import Motion
from training import cli
from training.evaluate_dialogue import evaluate_dialogue, summarise
from training.evaluate_speed import measure

QUESTIONS = [["why is it so", "and then"], ["tell me a joke"]]


def _gated(alpha_0_high: bool) -> Hmvlm:
    model = tiny_hmvlm(seed=0)
    with torch.no_grad():
        model.router.out.bias[0] = 30.0 if alpha_0_high else -30.0
    return model


def test_answers_left_to_the_base_model_are_identical() -> None:
    results = evaluate_dialogue(_gated(True), tiny_base(0), LetterTokenizer(), QUESTIONS, 8)
    report = summarise(results, 8)
    assert report["turns"] == report["compared"] == report["identical"] == 3
    assert report["left_to_base_model"] == 1.0
    assert [(r.question, r.turn) for r in results] == [(0, 0), (0, 1), (1, 0)]


def test_another_base_model_is_noticed() -> None:
    results = evaluate_dialogue(_gated(True), tiny_base(1), LetterTokenizer(), QUESTIONS, 8)
    report = summarise(results, 8)
    assert report["identical"] < report["compared"] == 3
    assert len(report["differing"]) == 3 - report["identical"]


def test_turns_for_the_experts_are_not_compared() -> None:
    results = evaluate_dialogue(_gated(False), tiny_base(0), LetterTokenizer(), QUESTIONS, 4)
    assert summarise(results, 4)["compared"] == 0


def test_speed_leaves_the_first_clip_out() -> None:
    seeds = []

    def generate(params, on_chunk) -> None:
        seeds.append(params.seed)
        time.sleep(0.3 if params.seed == 0 else 0.01)
        on_chunk(0, Motion(np.zeros((2, 22, 3)), np.zeros((2, 3)), 20.0))
        time.sleep(0.02)

    figures = measure(generate, guidance=1.0, seconds=6.0, runs=3)
    assert seeds == [0, 1, 2, 3]
    assert figures.slowest < 0.3
    assert figures.first_frames < figures.median
    assert figures.times_real_time == pytest.approx(6.0 / figures.median, rel=0.3)


@pytest.mark.parametrize("option", [["--runs", "0"], ["--threads", "0"]])
def test_speed_refuses_what_it_cannot_time(option: list[str], capsys) -> None:
    assert cli.main(["evaluate", "speed", *option]) == 1
    assert "must be 1 or more" in capsys.readouterr().err


def test_dialogue_says_what_is_missing(tmp_path: Path, capsys) -> None:
    assert cli.main(["evaluate", "dialogue", "--source", str(tmp_path)]) == 1
    assert "mt-bench.jsonl is missing" in capsys.readouterr().err
