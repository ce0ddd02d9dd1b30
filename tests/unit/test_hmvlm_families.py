# SPDX-License-Identifier: Apache-2.0
"""HMVLM on base models of other families: text as the base gives it, motion, the adapter."""

from pathlib import Path

import pytest
import torch
from tiny_hmvlm import CODES, LetterTokenizer, tiny_hmvlm
from tiny_models import FAMILIES, tiny_causal_lm

from backend.model.decoding import (
    MotionRequest,
    SamplingOptions,
    generate_motion,
    generate_text,
)
from backend.model.hmvlm import Hmvlm
from training.evaluate_dialogue import base_answer

QUESTIONS = ("why is the sky blue", "tell me a joke about tax law")
every_family = pytest.mark.parametrize("family", FAMILIES)


def _model(family: str, *, general: bool = True) -> Hmvlm:
    model = tiny_hmvlm(base=tiny_causal_lm(family))
    with torch.no_grad():
        model.router.out.bias[0] = 30.0 if general else -30.0
    return model


@every_family
def test_answers_without_experts_are_the_base_models_token_for_token(family: str) -> None:
    model, base = _model(family), tiny_causal_lm(family)
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        _, ids, alpha = generate_text(model, messages, max_new_tokens=10)
        assert model.skips_experts(alpha[None])[0]
        assert ids == base_answer(base, LetterTokenizer(), messages, 10)


@every_family
@torch.no_grad()
def test_logits_of_text_are_the_base_models(family: str) -> None:
    model, base = _model(family), tiny_causal_lm(family)
    rows = torch.from_numpy(model.processor.text_rows("a question of ordinary length"))[None]
    expected = base(rows[..., 0]).logits
    assert torch.equal(model.text_logits(rows, None, keep=0), expected)
    # the head rounds otherwise when it is given fewer rows
    torch.testing.assert_close(model.text_logits(rows, None), expected[:, -1:])
    picked = torch.tensor([2, 5])
    torch.testing.assert_close(model.text_logits(rows, None, keep=picked), expected[:, picked])
    zero = torch.tensor([[1.0, 0, 0, 0, 0]])
    assert torch.equal(model.text_logits(rows, zero, keep=0), expected)
    mixed = model.text_logits(rows, torch.full((1, 5), 0.2), keep=0)
    assert not torch.allclose(mixed, expected, atol=1e-2)


@torch.no_grad()
def test_gemma_caps_its_logits_and_ties_its_head_and_we_keep_both() -> None:
    model = _model("gemma2")
    assert model.base.lm_head.weight is model.base.get_input_embeddings().weight
    model.base.lm_head.weight.mul_(20)  # far into the cap
    rows = torch.from_numpy(model.processor.text_rows("hello"))[None]
    assert float(model.text_logits(rows, None, keep=0).abs().max()) <= 5.0


@pytest.mark.parametrize(("family", "scale"), [("gemma3_text", 32**0.5), ("qwen3", 1.0)])
def test_motion_rows_start_as_wide_as_the_text_that_enters_the_decoder(
    family: str, scale: float
) -> None:
    model = _model(family)
    spread = float(model.base.get_input_embeddings().weight.std())
    assert model.text_std() == pytest.approx(scale * spread, rel=1e-4)


def test_every_stop_token_of_the_base_model_ends_an_answer() -> None:
    model = _model("qwen3")
    messages = [{"role": "user", "content": QUESTIONS[0]}]
    _, ids, _ = generate_text(model, messages, max_new_tokens=10)
    model.base.generation_config.eos_token_id = [99, ids[3]]
    _, shorter, _ = generate_text(model, messages, max_new_tokens=10)
    assert shorter == ids[: ids.index(ids[3])]


@every_family
def test_motion_is_written_by_rows_of_one_batch_as_alone(family: str) -> None:
    model = _model(family, general=False)
    prompts = ("a man walks", "hop")
    options = SamplingOptions(temperature=0.0)

    def requests() -> list[MotionRequest]:
        return [MotionRequest(p, model.gate([p])[0], steps=4) for p in prompts]

    together = generate_motion(model, requests(), options)
    for row, request in enumerate(requests()):
        alone = generate_motion(model, [request], options)[0]
        assert (together[row] == alone).all()
        assert alone.shape == (4, 5)
        assert alone.max() < CODES


@every_family
@torch.no_grad()
def test_an_adapter_folder_goes_onto_the_same_base(family: str, tmp_path: Path) -> None:
    model = _model(family)
    model.save_adapter(tmp_path)
    other = tiny_hmvlm(base=tiny_causal_lm(family))
    other.load_adapter(tmp_path)
    rows = torch.from_numpy(model.processor.prompt_ids("a man walks"))[None]
    alpha = torch.full((1, 5), 0.2)
    assert torch.equal(other.hidden(rows, alpha), model.hidden(rows, alpha))
