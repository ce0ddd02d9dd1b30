# SPDX-License-Identifier: Apache-2.0
"""The tables of reports, and what the gate's is made from."""

import pytest
import torch
from tiny_clips import tiny_clip_model
from tiny_hmvlm import tiny_hmvlm

from backend.model.hmvlm import Hmvlm
from backend.model.processing import DESCRIBE_INSTRUCTION, POSE_INSTRUCTION, POSE_PROMPT
from training.card_tables import ablation_table, gate_table, table, tasks_table
from training.data.clip_questions import QUESTIONS
from training.evaluate_gate import task_shares

CAPTIONS, TURNS = ["a man walks", "she waves", "she waves"], ["why is it so", "and then"]


def test_the_gate_reads_each_task_as_the_running_model_routes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []

    def gate(self: Hmvlm, prompts: list[str]) -> torch.Tensor:
        asked.append(prompts)
        rows = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.2], [0.3, 0.0, 0.3, 0.2, 0.2]])
        return rows[torch.arange(len(prompts)) % 2]

    monkeypatch.setattr(Hmvlm, "gate", gate)
    shares = task_shares(tiny_clip_model(), CAPTIONS, TURNS)
    assert list(shares) == ["text_to_motion", "pose", "video", "dialogue"]
    assert asked[0] == ["Animate: a man walks", "Animate: she waves"]
    assert asked[1] == [f"{POSE_INSTRUCTION} {POSE_PROMPT}"]
    assert len(asked[2]) == 1 + len(QUESTIONS)
    assert all(text.startswith(DESCRIBE_INSTRUCTION) for text in asked[2])
    assert asked[3] == TURNS  # a turn of a chat has no instruction
    assert shares["dialogue"]["mean_alpha"] == [0.2, 0.1, 0.3, 0.2, 0.2]
    assert shares["dialogue"]["std_alpha"] == [0.1, 0.1, 0.0, 0.0, 0.0]
    assert shares["pose"]["std_alpha"] == [0.0] * 5  # one prompt
    lines = gate_table({"tasks": shares})
    assert len(lines) == 6
    assert "0.200 ± 0.100 | 0.100 ± 0.100" in lines[-1]


def test_what_a_model_cannot_do_is_not_in_the_table() -> None:
    assert list(task_shares(tiny_hmvlm(), CAPTIONS, TURNS)) == ["text_to_motion", "dialogue"]


def test_a_report_from_before_has_no_table() -> None:
    assert gate_table({"motion": {"share": 1.0}}) == []


def test_columns_line_up() -> None:
    assert table(["a", "bc"], [["xyz", "1"]]) == ["| a   | bc |", "| --- | -- |", "| xyz | 1  |"]


def test_single_runs_stand_beside_the_joint_one() -> None:
    report = {
        "budget": {"steps": 1200, "minutes": None},
        "tasks": {
            "video": {
                "steps": {"single": 1200, "joint": 1200},
                "content": {"single": 0.51, "joint": 0.625},
            }
        },
    }
    text = "\n".join(tasks_table(report))
    assert "1,200 steps for each run" in text
    assert "| video: test, action named | 51.0%" in text
    assert "62.5%" in text
    report["budget"] = {"steps": None, "minutes": 2.5}
    assert "2.5 minutes for each run" in tasks_table(report)[0]


def test_the_ablation_shows_both_beside_the_base_model() -> None:
    kept = {
        **{"turns": 160, "tokens": 16, "left_to_base_model": 0.975, "made_motions": 0},
        **{"identical_of_all": 158, "perplexity": {"model": 2.19, "base": 2.18, "tokens": 9.0}},
    }
    lost = kept | {"left_to_base_model": 0.0, "made_motions": 80, "identical_of_all": 4}
    lost |= {"perplexity": {"model": 31.5, "base": 2.18, "tokens": 9.0}, "val_motion": 4.0}
    text = "\n".join(ablation_table({"with_l_gat": kept, "without_l_gat": lost}))
    for shown in ("97.5%", "50.0%", "2.5%", "2.1800", "31.5000", "4.000"):
        assert shown in text
