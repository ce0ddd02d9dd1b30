# SPDX-License-Identifier: Apache-2.0
"""The fused mixture is the sum of the experts, in values and in gradients."""

import pytest
import torch
from tiny_hmvlm import tiny_base
from torch import Tensor, nn

from backend.errors import InvalidInput
from backend.model.moe_lora import (
    MixtureState,
    MoeLoraConfig,
    MoeLoraLinear,
    inject_moe_lora,
    lora_parameters,
)

CONFIG = MoeLoraConfig(num_experts=5, r=3, lora_alpha=6.0)


def _layer(bias: bool) -> tuple[MoeLoraLinear, MixtureState]:
    torch.manual_seed(0)
    state = MixtureState(CONFIG)
    layer = MoeLoraLinear(nn.Linear(20, 14, bias=bias), CONFIG, state)
    nn.init.normal_(layer.lora_B)
    return layer, state


def _explicit(layer: MoeLoraLinear, x: Tensor, alpha: Tensor) -> Tensor:
    """W x + sum_i alpha_i (lora_alpha / r) B_i A_i x, expert by expert."""
    y = layer.base_layer(x)
    for expert in range(1, CONFIG.num_experts):
        rows = slice((expert - 1) * CONFIG.r, expert * CONFIG.r)
        a, b = layer.lora_A[rows], layer.lora_B[:, rows]
        y = y + alpha[:, expert, None, None] * CONFIG.scaling * ((x @ a.t()) @ b.t())
    return y


def _inputs() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    x = torch.randn(4, 7, 20, requires_grad=True)
    logits = torch.randn(4, 5) * 2
    logits[1] = torch.tensor([50.0, 0, 0, 0, 0])  # a row of the zero expert in a mixed batch
    return x, logits.softmax(1).requires_grad_()


@pytest.mark.parametrize("bias", [True, False])
def test_fused_mixture_is_the_explicit_sum_forward_and_backward(bias: bool) -> None:
    layer, state = _layer(bias)
    weight = torch.randn(4, 7, 14)
    found: list[list[Tensor]] = []
    for fused in (True, False):
        x, alpha = _inputs()
        layer.zero_grad()
        if fused:
            with state.using(alpha):
                y = layer(x)
        else:
            y = _explicit(layer, x, alpha)
        (y * weight).sum().backward()
        grads = (x.grad, alpha.grad, layer.lora_A.grad, layer.lora_B.grad)
        found.append([y.detach(), *(g.clone() for g in grads if g is not None)])
    assert len(found[0]) == len(found[1]) == 5
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_inference_path_agrees_with_training_path() -> None:
    layer, state = _layer(True)
    x, alpha = _inputs()
    with state.using(alpha):
        trained = layer(x)
        with torch.no_grad():
            inferred = layer(x)
    torch.testing.assert_close(trained, inferred, atol=1e-5, rtol=1e-5)


def test_base_weights_get_no_gradient() -> None:
    layer, state = _layer(True)
    x, alpha = _inputs()
    with state.using(alpha):
        layer(x).sum().backward()
    assert layer.base_layer.weight.grad is None
    assert not layer.base_layer.weight.requires_grad


def test_zero_expert_alone_and_experts_off_are_the_base() -> None:
    layer, state = _layer(True)
    x, _ = _inputs()
    zero_only = torch.tensor([[1.0, 0, 0, 0, 0]]).expand(4, 5)
    with torch.no_grad():
        expected = layer.base_layer(x)
        with state.using(zero_only):
            assert torch.equal(layer(x), expected)
        with state.using(None):
            assert torch.equal(layer(x), expected)
        assert torch.equal(layer(x), expected)


def test_every_linear_layer_of_the_blocks_gets_experts_and_the_text_head_does_not() -> None:
    base = tiny_base()
    inject_moe_lora(base, CONFIG)
    wrapped = [m for m in base.modules() if isinstance(m, MoeLoraLinear)]
    assert len(wrapped) == 7 * base.config.num_hidden_layers
    assert not isinstance(base.lm_head, MoeLoraLinear)
    trainable = {name for name, p in base.named_parameters() if p.requires_grad}
    layers_only = {name for name, _ in lora_parameters(base)}
    assert layers_only == {n for n in trainable if "lora_" in n}
    inside = [p for n, p in base.get_decoder().layers.named_parameters() if "lora_" not in n]
    assert not any(p.requires_grad for p in inside)


def test_fresh_experts_do_not_change_the_model() -> None:
    base = tiny_base()
    ids = torch.arange(12)[None]
    with torch.no_grad():
        before = base(ids).logits
        state = inject_moe_lora(base, CONFIG)
        with state.using(torch.full((1, 5), 0.2)):
            after = base(ids).logits
    torch.testing.assert_close(before, after)


def test_a_model_without_the_named_layers_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no linear layer named"):
        inject_moe_lora(nn.Sequential(nn.Linear(2, 2)), CONFIG)


def test_experts_in_single_precision_over_a_bf16_base() -> None:
    """What training in bf16 does: the gradients of the experts are those of fp32 but rounded."""
    config = MoeLoraConfig(num_experts=3, r=2, target_modules=("layer",))
    torch.manual_seed(0)
    grads = {}
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(1)
        model = nn.ModuleDict({"layer": nn.Linear(16, 12)}).to(dtype)
        state = inject_moe_lora(model, config)
        for _, expert in lora_parameters(model):
            expert.data = expert.data.float()
            nn.init.normal_(expert, std=0.3, generator=torch.Generator().manual_seed(2))
        x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(3)).to(dtype)
        with state.using(torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])):
            model["layer"](x).float().square().mean().backward()
        grads[dtype] = [p.grad for _, p in lora_parameters(model)]
    for exact, rounded in zip(*grads.values(), strict=True):
        assert exact is not None
        assert rounded is not None
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.03 * exact.norm()
