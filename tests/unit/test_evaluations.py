# SPDX-License-Identifier: Apache-2.0
"""The dialogue and speed evaluations on toys: what they count and what they catch."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_hmvlm import LetterTokenizer, tiny_base, tiny_hmvlm

from backend.errors import InvalidInput
from backend.model.hmvlm import Hmvlm
from blender_addon.shared.motion import Motion
from training import cli
from training.dialogue_perplexity import REFERENCES, perplexities, read_references
from training.evaluate_dialogue import TurnResult, base_answers, evaluate_dialogue, summarise
from training.evaluate_experts import build_variants
from training.evaluate_experts import measure as measure_experts
from training.evaluate_speed import measure

QUESTIONS = [["why is it so", "and then"], ["tell me a joke"]]


def _gated(alpha_0_high: bool) -> Hmvlm:
    model = tiny_hmvlm(seed=0)
    with torch.no_grad():
        model.router.out.bias[0] = 30.0 if alpha_0_high else -30.0
    return model


def _answered(model: Hmvlm, base_seed: int, tokens: int) -> list[TurnResult]:
    base, words = tiny_base(base_seed), LetterTokenizer()
    expected = base_answers(base, words, QUESTIONS, tokens)
    return evaluate_dialogue(model, words, QUESTIONS, expected, tokens)


def test_answers_left_to_the_base_model_are_identical() -> None:
    results = _answered(_gated(True), 0, 8)
    report = summarise(results, 8)
    assert report["turns"] == report["compared"] == report["identical"] == 3
    assert report["left_to_base_model"] == 1.0
    assert report["made_motions"] == 0
    assert [(r.question, r.turn) for r in results] == [(0, 0), (0, 1), (1, 0)]


def test_another_base_model_is_noticed() -> None:
    results = _answered(_gated(True), 1, 8)
    report = summarise(results, 8)
    assert report["identical"] < report["compared"] == 3
    assert len(report["differing"]) == 3 - report["identical"]


def test_turns_for_the_experts_are_not_compared() -> None:
    report = summarise(_answered(_gated(False), 0, 4), 4)
    assert report["compared"] == 0
    assert report["made_motions"] == report["turns"] == 3


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


@torch.no_grad()
def test_the_variants_that_are_timed_compute_the_same_over_the_same_weights() -> None:
    base = tiny_base()
    ids = torch.arange(9)[None]
    variants = build_variants(base, [1, 4], rank=2)
    assert [(v.name, v.experts, v.rank) for v in variants] == [
        ("base model", 0, 0),
        ("fused", 1, 2),
        ("explicit sum", 1, 2),
        ("fused", 4, 6),
        ("explicit sum", 4, 6),
    ]
    logits = [v.call(input_ids=ids).logits for v in variants]
    for fused, explicit in ((1, 2), (3, 4)):
        torch.testing.assert_close(logits[fused], logits[explicit], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(logits[fused], logits[0], atol=1e-5)
    base.get_input_embeddings().weight.zero_()
    changed = [v.call(input_ids=ids).logits for v in variants]
    assert not any(torch.allclose(a, b) for a, b in zip(changed, logits, strict=True))


def test_experts_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    variants = build_variants(tiny_base(), [2], rank=2)

    def noted(variant):
        def call(**inputs):
            order.append(variant.name)
            if len(order) <= 6:
                time.sleep(0.2)
            return variant.call(**inputs)

        return replace(variant, call=call)

    table = measure_experts([noted(v) for v in variants], torch.arange(6)[None], repeats=2)
    names = ["base model", "fused", "explicit sum"]
    turns = names + names[1:] + names[:1] + names[2:] + names[:2]
    assert order == [name for name in turns for _ in range(2)]  # a prefill and a decode each
    assert [row.variant for row in table] == names
    assert (table[0].prefill_ratio, table[0].decode_ratio) == (1.0, 1.0)
    assert all(0 < row.prefill < 200 and 0 < row.decode < 200 for row in table)


def test_experts_prints_every_variant(tmp_path: Path, capsys) -> None:
    out = tmp_path / "experts.json"
    small = ["--tiny", "--repeats", "1", "--threads", "1", "--tokens", "6", "--out", str(out)]
    assert cli.main(["evaluate", "experts", *small]) == 0
    printed = capsys.readouterr().out
    assert printed.count("explicit sum") == printed.count("fused") == 5
    figures = json.loads(out.read_text())["figures"]
    assert [row["experts"] for row in figures] == [0, 1, 1, 2, 2, 5, 5, 9, 9, 17, 17]
    assert [row["rank"] for row in figures[1::2]] == [8, 8, 32, 64, 128]
    assert cli.main(["evaluate", "experts", "--tiny", "--experts", "0"]) == 1


def test_perplexity_is_the_base_models_where_the_gate_leaves_it(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    asked = [{"question_id": n, "turns": ["why", "and"]} for n in (1, 2)]
    (folder / "mt-bench.jsonl").write_text("\n".join(map(json.dumps, asked)))
    with pytest.raises(InvalidInput, match="missing"):
        read_references(tmp_path)
    answers = {"question_id": 2, "choices": [{"turns": ["so it is", "no"]}]}
    (folder / REFERENCES).write_text(json.dumps(answers))
    dialogues = read_references(tmp_path)
    assert dialogues == [[("why", "so it is"), ("and", "no")]]
    left = perplexities(_gated(True), tiny_base(0), dialogues)
    assert left["tokens"] == len("so it is~no~")
    assert left["model"] == pytest.approx(left["base"], rel=1e-6)
    mixed = _gated(False)
    with torch.no_grad():
        for name, value in mixed.adapter_state().items():
            if name.endswith("lora_B"):
                value.normal_(std=0.3)
    assert perplexities(mixed, tiny_base(0), dialogues)["model"] != pytest.approx(
        left["base"], rel=1e-3
    )
    with pytest.raises(InvalidInput, match="no reference"):
        perplexities(mixed, tiny_base(0), [])
