# SPDX-License-Identifier: Apache-2.0
"""Experts on causal language models of every family: mixture, adapter folder, generation."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import FAMILIES, TEXT_SIZE, tiny_causal_lm
from torch import Tensor, nn

from backend.errors import AssetError, InvalidInput
from backend.model.moe_lora import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    MixtureState,
    MoeLoraConfig,
    MoeLoraLinear,
    MoeLoraModel,
    get_moe_lora_model,
    inject_moe_lora,
    lora_parameters,
)

CONFIG = MoeLoraConfig(num_experts=4, r=2)
NO_ZERO = MoeLoraConfig(num_experts=3, r=2, zero_expert=False, target_modules="all-linear")
every_family = pytest.mark.parametrize("family", FAMILIES)


def _with_experts(family: str, config: MoeLoraConfig = CONFIG, **change: Any) -> MoeLoraModel:
    """A model whose experts are random, not fresh, so that they have an effect."""
    model = get_moe_lora_model(tiny_causal_lm(family, **change), config)
    torch.manual_seed(1)
    for name, value in lora_parameters(model):
        if name.endswith("lora_B"):
            nn.init.normal_(value, std=0.2)
    return model


def _mixed_batch(config: MoeLoraConfig) -> tuple[Tensor, Tensor]:
    """ids (B, N) and alphas (B, E): even, the last expert alone, expert 0 alone."""
    ids = torch.randint(0, 90, (3, 7), generator=torch.Generator().manual_seed(2))
    alpha = torch.full((3, config.num_experts), 1 / config.num_experts)
    alpha[1:] = torch.eye(config.num_experts)[[-1, 0]]
    return ids, alpha


class _ExplicitSum(nn.Module):
    """Equation 1 as it is written, expert by expert, for one alpha a row."""

    def __init__(self, layer: MoeLoraLinear, config: MoeLoraConfig, alpha: Tensor) -> None:
        super().__init__()
        self.base_layer, self.lora_A, self.lora_B = layer.base_layer, layer.lora_A, layer.lora_B
        self.config, self.alpha = config, alpha

    def forward(self, x: Tensor) -> Tensor:
        r, first = self.config.r, int(self.config.zero_expert)
        y = self.base_layer(x)
        for i in range(self.config.trained_experts):
            a, b = self.lora_A[i * r : (i + 1) * r], self.lora_B[:, i * r : (i + 1) * r]
            share = self.config.lora_alpha / r * self.alpha[:, first + i, None, None]
            y = y + share * (x @ a.t() @ b.t())
        return y


def _replace_by_explicit_sums(model: MoeLoraModel, alpha: Tensor) -> None:
    for name, module in list(model.named_modules()):
        if isinstance(module, MoeLoraLinear):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, _ExplicitSum(module, model.config, alpha))


@every_family
@pytest.mark.parametrize("config", [CONFIG, NO_ZERO], ids=["zero expert", "no zero expert"])
def test_the_fused_model_is_the_explicit_sum_in_logits_and_gradients(
    family: str, config: MoeLoraConfig
) -> None:
    # narrow weights: two layers of wide ones blow up the rounding that any two orders differ by
    model = _with_experts(family, config, initializer_range=0.1)
    ids, start = _mixed_batch(config)
    weight = torch.randn(3, 7, TEXT_SIZE, generator=torch.Generator().manual_seed(3)) / 10
    found: list[dict[str, Tensor]] = []
    for fused in (True, False):
        model.zero_grad()
        inputs = model.base.get_input_embeddings()(ids).detach().requires_grad_()
        alpha = start.clone().requires_grad_()
        if fused:
            logits = model(inputs_embeds=inputs, alpha=alpha).logits
        else:
            _replace_by_explicit_sums(model, alpha)
            logits = model.base(inputs_embeds=inputs).logits
        (logits * weight).sum().backward()
        grads = {"inputs": inputs.grad, "alpha": alpha.grad}
        grads |= {name: p.grad for name, p in lora_parameters(model)}
        found.append({"logits": logits.detach(), **{k: v.clone() for k, v in grads.items()}})
    assert found[0].keys() == found[1].keys()
    for name, ours in found[0].items():
        scale = float(found[1][name].abs().max())
        assert scale > 0, name
        torch.testing.assert_close(ours, found[1][name], rtol=0, atol=1e-5 * max(1.0, scale))


@every_family
@torch.no_grad()
def test_fresh_experts_leave_the_model_as_it_is(family: str) -> None:
    ids, alpha = _mixed_batch(CONFIG)
    base = tiny_causal_lm(family)
    expected = base(ids).logits
    model = get_moe_lora_model(base, CONFIG)
    assert torch.equal(model(ids, alpha=alpha).logits, expected)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained == [name for name, _ in lora_parameters(model)]
    assert len(trained) == 2 * 7 * 2


@every_family
@torch.no_grad()
def test_the_zero_expert_alone_is_the_base_model_and_the_others_are_not(family: str) -> None:
    ids, _ = _mixed_batch(CONFIG)
    expected = tiny_causal_lm(family)(ids).logits
    model = _with_experts(family)
    zero = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert torch.equal(model(ids, alpha=zero).logits, expected)
    assert torch.equal(model(ids).logits, expected)
    assert not torch.allclose(model(ids, alpha=zero.flip(1)).logits, expected, atol=0.1)


@every_family
@torch.no_grad()
def test_rows_of_a_batch_do_not_see_each_others_experts(family: str) -> None:
    model = _with_experts(family)
    ids, alpha = _mixed_batch(CONFIG)
    together = model(ids, alpha=alpha).logits
    for row in range(3):
        alone = model(ids[row : row + 1], alpha=alpha[row : row + 1]).logits
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)


@every_family
@torch.no_grad()
def test_save_and_load(family: str, tmp_path: Path) -> None:
    model = _with_experts(family, NO_ZERO)
    model.save_pretrained(tmp_path)
    content = json.loads((tmp_path / ADAPTER_CONFIG).read_text())
    assert (content["peft_type"], content["task_type"]) == ("MOE_LORA", "CAUSAL_LM")
    loaded = MoeLoraModel.from_pretrained(tiny_causal_lm(family), tmp_path)
    assert loaded.config == NO_ZERO
    ids, alpha = _mixed_batch(NO_ZERO)
    assert torch.equal(loaded(ids, alpha=alpha).logits, model(ids, alpha=alpha).logits)


@every_family
def test_generate_mixes_prompts(family: str) -> None:
    model = _with_experts(family)
    ids, alpha = _mixed_batch(CONFIG)
    options: dict[str, Any] = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False}
    together = model.generate(ids, attention_mask=torch.ones_like(ids), alpha=alpha, **options)
    for row in range(3):
        one = slice(row, row + 1)
        mask = torch.ones_like(ids[one])
        alone = model.generate(ids[one], attention_mask=mask, alpha=alpha[one], **options)
        assert torch.equal(together[one], alone)
    base = tiny_causal_lm(family)
    plain = base.generate(ids[2:], attention_mask=torch.ones_like(ids[2:]), **options)
    assert torch.equal(together[2:], plain)


def test_generate_with_beams_gives_every_beam_its_prompts_experts() -> None:
    model = _with_experts("llama")
    ids, alpha = _mixed_batch(CONFIG)
    options: dict[str, Any] = {"max_new_tokens": 3, "do_sample": False, "num_beams": 2}
    together = model.generate(ids, attention_mask=torch.ones_like(ids), alpha=alpha, **options)
    last = model.generate(ids[2:], attention_mask=torch.ones_like(ids[2:]), **options)
    assert torch.equal(together[2, : last.shape[1]], last[0])


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("llama", {"seed": 5}, "same form but other weights"),
        ("llama", {"intermediate_size": 40}, r"does not fit it.*\(48, 6\).*\(40, 6\)"),
        ("llama", {"num_hidden_layers": 1}, "14 tensors differ"),
        ("gpt2", {"n_inner": 48}, "no linear layer named"),
    ],
)
def test_another_base_model_is_refused_and_left_alone(
    family: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = _with_experts("llama")
    model.save_pretrained(tmp_path)
    other = tiny_causal_lm(family, **change)
    with pytest.raises(AssetError, match=message):
        MoeLoraModel.from_pretrained(other, tmp_path)
    assert not any(isinstance(m, MoeLoraLinear) for m in other.modules())


def test_damaged_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    base = tiny_causal_lm("llama")
    with pytest.raises(AssetError, match="is missing"):
        MoeLoraModel.from_pretrained(base, tmp_path)
    _with_experts("llama").save_pretrained(tmp_path)
    (tmp_path / ADAPTER_WEIGHTS).write_bytes(b"junk")
    with pytest.raises(AssetError, match="cannot be read"):
        MoeLoraModel.from_pretrained(base, tmp_path)
    (tmp_path / ADAPTER_CONFIG).write_text('{"peft_type": "LORA", "r": 8}')
    with pytest.raises(AssetError, match="not of an adapter that MoeLoraModel wrote"):
        MoeLoraModel.from_pretrained(base, tmp_path)


def test_the_same_base_in_another_precision_is_accepted(tmp_path: Path) -> None:
    _with_experts("llama").save_pretrained(tmp_path)
    half = MoeLoraModel.from_pretrained(tiny_causal_lm("llama").bfloat16(), tmp_path)
    assert {p.dtype for _, p in lora_parameters(half)} == {torch.bfloat16}


def _wrapped(model: nn.Module) -> list[str]:
    return [n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, MoeLoraLinear)]


@every_family
def test_all_linear_is_every_linear_layer_but_the_head(family: str) -> None:
    model = get_moe_lora_model(tiny_causal_lm(family), NO_ZERO)
    names = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(_wrapped(model)) == names
    assert len(_wrapped(model)) == 14
    assert type(model.base.lm_head) is nn.Linear


def test_targets_by_name_and_by_pattern() -> None:
    some = MoeLoraConfig(target_modules=r".*layers\.1\..*(q|v)_proj")
    assert sorted(_wrapped(get_moe_lora_model(tiny_causal_lm("qwen3"), some))) == [
        "q_proj",
        "v_proj",
    ]
    head = MoeLoraConfig(target_modules=("lm_head", "embed_tokens"))
    with pytest.raises(InvalidInput, match="no linear layer named lm_head"):
        inject_moe_lora(tiny_causal_lm("llama"), head)
    with pytest.raises(InvalidInput, match="no regular expression"):
        MoeLoraConfig(target_modules="(")


def test_experts_are_not_put_on_experts() -> None:
    model = _with_experts("llama")
    with pytest.raises(InvalidInput, match="experts already"):
        get_moe_lora_model(model.base, CONFIG)


@pytest.mark.parametrize("change", [{"num_experts": 1}, {"r": 0}, {"num_experts": 0}])
def test_a_mixture_of_nothing_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        MoeLoraConfig(**change)


@pytest.mark.parametrize("shape", [(2, 4), (3, 5), (4,)])
def test_alphas_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    model = _with_experts("llama")
    with pytest.raises(ValueError, match=r"alpha must be|one row of alpha"):
        model(torch.zeros(3, 2, dtype=torch.long), alpha=torch.ones(shape))


@torch.no_grad()
def test_layers_of_other_makes_are_called_and_not_read() -> None:
    """GPT-2's transposed layers, OPT's flattened tokens and 8-bit layers."""
    everywhere = MoeLoraConfig(num_experts=3, r=2, target_modules="all-linear")
    ids, alpha = _mixed_batch(everywhere)
    small: dict[str, Any] = {"word_embed_proj_dim": 32, "ffn_dim": 48, "n_inner": 48}
    models = {name: tiny_causal_lm(name, **small) for name in ("gpt2", "opt", "llama")}
    torch.ao.quantization.quantize_dynamic(models["llama"].model, inplace=True)
    for name, base in models.items():
        expected, alone = base(ids).logits, base(ids[2:]).logits
        model = get_moe_lora_model(base, everywhere)
        assert torch.equal(model(ids, alpha=alpha).logits, expected), name
        for _, value in lora_parameters(model):
            assert value.dtype == torch.float32
            nn.init.normal_(value, std=0.1)
        together = model(ids, alpha=alpha).logits
        assert not torch.allclose(together, expected, atol=1e-1), name
        # alone, as 8-bit layers take the range of their inputs from the whole batch
        assert torch.equal(model(ids[2:], alpha=alpha[2:]).logits, alone), name
        _replace_by_explicit_sums_in(model, alpha)
        step = 0.05 if name == "llama" else 1e-4  # an 8-bit input may round to the next value
        torch.testing.assert_close(model.base(ids).logits, together, atol=step, rtol=0)


def _replace_by_explicit_sums_in(model: MoeLoraModel, alpha: Tensor) -> None:
    """As above, for layers that see (B*N, in): they are unflattened first."""
    _replace_by_explicit_sums(model, alpha)
    for module in model.modules():
        if isinstance(module, _ExplicitSum):
            module.forward = _unflattening(module.forward, len(alpha))  # type: ignore[method-assign]


def _unflattening(forward: Any, rows: int) -> Any:
    def run(x: Tensor) -> Tensor:
        return forward(x.view(rows, -1, x.shape[-1])).view(*x.shape[:-1], -1)

    return run


def test_an_adapter_over_a_quantised_base_says_that_its_weights_are_not_compared(
    tmp_path: Path,
) -> None:
    _with_experts("llama").save_pretrained(tmp_path)
    base = tiny_causal_lm("llama")
    torch.ao.quantization.quantize_dynamic(base.model, inplace=True)
    with pytest.warns(UserWarning, match="only its form was checked"):
        MoeLoraModel.from_pretrained(base, tmp_path)


def test_tokens_that_cannot_be_told_apart_are_refused() -> None:
    state = MixtureState(CONFIG)
    layer = MoeLoraLinear(nn.Linear(6, 5), CONFIG, state)
    with state.using(torch.ones(2, 4)):
        layer(torch.randn(2, 3, 6))
        assert layer(torch.randn(6, 6)).shape == (6, 5)
        with pytest.raises(ValueError, match="only some of the tokens"):
            layer(torch.randn(4, 6))
