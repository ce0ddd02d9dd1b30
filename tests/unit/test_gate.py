# SPDX-License-Identifier: Apache-2.0
"""The gate's losses, its training on easy data, its prompts, and its embedding store."""

import random
from pathlib import Path

import pytest
import torch

from backend.model.configuration import GateConfig
from backend.model.gate import Router, gate_loss
from training.data.dialogue import (
    animator_prompts,
    held_out,
    read_dialogues,
    tricky_general_prompts,
)
from training.data.general_prompts import topical_prompts
from training.gating import (
    EmbeddingStore,
    GateTexts,
    GateWeights,
    collect_texts,
    gate_terms,
    polish_router,
    train_router,
    with_instructions,
)

CONFIG = GateConfig(embed_dim=8, hidden_dim=32)


def _clusters(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.eye(8)[:2]
    both = [
        torch.nn.functional.normalize(c + 0.05 * torch.randn(200, 8, generator=generator), dim=1)
        for c in centres
    ]
    return both[0], both[1]


def test_gate_loss_counts_only_prompts_unrelated_to_motion() -> None:
    log_alpha = torch.tensor([[0.5, 0.5], [0.9, 0.1]]).log()
    assert gate_loss(log_alpha, torch.tensor([0.0, 1.0])).item() == pytest.approx(0.10536, abs=1e-4)
    assert gate_loss(log_alpha, torch.tensor([0.0, 0.0])).item() == 0.0


def test_alphas_are_a_distribution() -> None:
    alpha = Router(CONFIG, 5)(torch.randn(7, 8))
    assert alpha.shape == (7, 5)
    torch.testing.assert_close(alpha.sum(1), torch.ones(7))


def test_the_router_learns_the_two_kinds_and_keeps_every_expert_in_use() -> None:
    torch.manual_seed(0)
    router = Router(CONFIG, 5)
    motion, general = _clusters(0)
    train_router(router, motion, general, steps=600, weights=GateWeights(eta=4.0), batch=64)
    new_motion, new_general = _clusters(1)
    with torch.no_grad():
        alpha = router(new_motion)
        assert (router(new_general)[:, 0] >= 0.99).all()
    assert (alpha[:, 0] < 0.9).all()
    assert (alpha.mean(0)[1:] > 0.1).all()


def test_polishing_moves_the_border_and_not_the_shares_of_the_experts() -> None:
    torch.manual_seed(0)
    router = Router(CONFIG, 5)
    motion, general = _clusters(0)
    train_router(router, motion, general, steps=300, weights=GateWeights(), batch=64)
    with torch.no_grad():
        router.out.bias += torch.tensor([0.0, 2.0, 0.0, 1.0, 0.0])
        before = router.log_alpha(motion)[:, 1:].softmax(dim=1)
    polish_router(router, motion, general, steps=400)
    with torch.no_grad():
        after = router(motion)
        assert (router(general)[:, 0] >= 0.99).all()
    assert (after[:, 0] < 0.5).all()
    torch.testing.assert_close(after[:, 1:] / after[:, 1:].sum(1, True), before, atol=0.03, rtol=0)


def test_balance_is_zero_when_even_and_grows_when_one_expert_takes_all() -> None:
    even = torch.tensor([[0.2] * 5]).log()
    taken = torch.tensor([[0.01, 0.96, 0.01, 0.01, 0.01]]).log()
    terms = [gate_terms(motion, even, GateWeights())["balance"] for motion in (even, taken)]
    assert terms[0].item() == pytest.approx(0.0, abs=1e-6)
    assert terms[1].item() > 1.0


def test_without_a_zero_expert_only_the_balance_is_trained() -> None:
    taken = torch.tensor([[0.96, 0.01, 0.01, 0.01, 0.01]]).log()
    general = torch.tensor([[0.2] * 5]).log()
    terms = gate_terms(taken, general, GateWeights(), bordered=False)
    assert set(terms) == {"gate", "balance"}
    assert terms["balance"].item() > 1.0
    assert terms["gate"].item() == pytest.approx(GateWeights().balance * terms["balance"].item())


def test_instructions_come_with_both_kinds() -> None:
    both = with_instructions(GateTexts(["a man walks"], ["what is water?"]), random.Random(0))
    assert both.motion[:2] == ["a man walks", "Animate: a man walks"]
    assert "Pose: the person in the picture" in both.motion
    asked = [text for text in both.motion if text.startswith("Describe: ")]
    assert len(asked) > 10
    assert any(text.endswith("?") for text in asked)
    assert both.general[0] == "what is water?"
    assert both.general[1].endswith("what is water?")
    assert len(both.general[1]) > len(both.general[0])


def test_prompts_are_many_different_and_repeatable() -> None:
    assert topical_prompts(500, random.Random(1)) == topical_prompts(500, random.Random(1))
    assert len(set(topical_prompts(500, random.Random(1)))) >= 500
    assert animator_prompts(300, random.Random(1)) == animator_prompts(300, random.Random(1))
    assert len(set(tricky_general_prompts())) == len(tricky_general_prompts())


def _source(folder: Path) -> Path:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "self-instruct-seed-tasks.jsonl").write_text(
        '{"instruction": "Add.", "instances": [{"input": "1 2", "output": "3"}]}\n'
        '{"instruction": "Name a colour.", "instances": [{"input": "", "output": "red"}]}\n'
    )
    (folder / "prompts" / "mt-bench.jsonl").write_text(
        '{"turns": ["Never train on me.", "Nor on me."]}\n'
    )
    return folder


def test_benchmark_questions_are_never_read_for_training(tmp_path: Path) -> None:
    source = _source(tmp_path)
    dialogues = read_dialogues(source)
    assert [(d.prompt, d.answer) for d in dialogues] == [
        ("Add.\n1 2", "3"),
        ("Name a colour.", "red"),
    ]
    for side in (True, False):
        texts = collect_texts(source, ["a man walks"], test=side)
        assert not any("train on me" in text for text in texts.general + texts.motion)


def test_the_two_sides_of_the_split_share_no_prompt(tmp_path: Path) -> None:
    source = _source(tmp_path)
    train, test = (collect_texts(source, [], test=side) for side in (False, True))
    assert not set(train.general) & set(test.general)
    assert not set(train.motion) & set(test.motion)
    assert 0.05 < len(test.general) / len(train.general) < 0.2
    assert held_out("x", share=1.0)
    assert not held_out("x", share=0.0)


class _CountingEncoder:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: list[str]) -> torch.Tensor:
        self.seen += texts
        return torch.tensor([[float(len(t)), 1.0] for t in texts])


def test_the_store_encodes_a_text_once_in_its_life(tmp_path: Path) -> None:
    path = tmp_path / "store.safetensors"
    first = _CountingEncoder()
    rows = EmbeddingStore(first, path).embed(["aa", "b", "aa"])  # type: ignore[arg-type]
    assert rows[:, 0].tolist() == [2.0, 1.0, 2.0]
    second = _CountingEncoder()
    rows = EmbeddingStore(second, path).embed(["b", "ccc"])  # type: ignore[arg-type]
    assert rows[:, 0].tolist() == [1.0, 3.0]
    assert second.seen == ["ccc"]


def test_some_orders_only_list_what_was_captured() -> None:
    prompts = animator_prompts(600, random.Random(2))
    lists = [p for p in prompts if ";" in p or " / " in p]
    assert 10 < len(lists) < 200
