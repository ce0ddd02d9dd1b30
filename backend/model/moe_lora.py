# SPDX-License-Identifier: Apache-2.0
"""Mixture of LoRA experts, fused: W' = W + sum_i alpha_i B_i A_i (HMVLM, section 3.1).

The experts' factors are kept concatenated along the rank, so that the whole mixture is one skinny
pair of products, y = W x + B_cat (alpha, each repeated R times) (A_cat x), whatever E is. Expert 0
is the zero expert: it has no weights, it only takes weight away from the others. alpha is a row of
the batch, so one batch mixes prompts.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration import MoeLoraConfig


class MixtureState:
    """The alphas of the batch that is running, shared by every layer of one model.

    scale: (B, (E-1)*R), alpha_1.. repeated R times and multiplied by lora_alpha / R, or None when
    the experts are off.
    """

    def __init__(self) -> None:
        self.scale: Tensor | None = None

    @contextmanager
    def using(self, alpha: Tensor | None, config: MoeLoraConfig) -> Iterator[None]:
        """Run the block with alpha (B, E); None switches the experts off."""
        before = self.scale
        if alpha is None:
            self.scale = None
        else:
            self.scale = alpha[:, 1:].repeat_interleave(config.r, dim=1) * config.scaling
        try:
            yield
        finally:
            self.scale = before


class _FusedMixture(torch.autograd.Function):
    """base(x) + B ((A x) * scale) with the sums folded into the products.

    Autograd's own graph of this expression materialises each sum; on a CPU that is memory traffic
    worth a tenth of the training step. The base weight is frozen: it gets no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scale: Tensor,
    ) -> Tensor:
        # x (M, in), weight (out, in), a (ER, in), b (out, ER), scale (M, ER) -> (M, out)
        ctx.expert_dtype = a.dtype
        a, b = a.to(x.dtype), b.to(x.dtype)
        low = x @ a.t()
        y = F.linear(x, weight, bias)
        y.addmm_(low * scale, b.t())
        ctx.save_for_backward(x, weight, a, b, scale, low)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (g,) = grads
        x, weight, a, b, scale, low = ctx.saved_tensors
        d_scaled = g @ b
        d_low = d_scaled * scale
        dx = None
        if ctx.needs_input_grad[0]:
            dx = g @ weight
            dx.addmm_(d_low, a)
        kind = ctx.expert_dtype
        da = (d_low.t() @ x).to(kind) if ctx.needs_input_grad[3] else None
        db = (g.t() @ (low * scale)).to(kind) if ctx.needs_input_grad[4] else None
        d_scale = d_scaled * low if ctx.needs_input_grad[5] else None
        return dx, None, None, da, db, d_scale


class MoeLoraLinear(nn.Module):
    """A frozen nn.Linear with a mixture of low-rank experts beside it.

    lora_A: ((E-1)*R, in); lora_B: (out, (E-1)*R), zero at the start, so that a fresh model is the
    base model.
    """

    def __init__(self, base: nn.Linear, config: MoeLoraConfig, state: MixtureState) -> None:
        super().__init__()
        rank = config.trained_experts * config.r
        self.base = base.requires_grad_(False)
        self._state = state
        kind = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, **kind))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, **kind))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, N, in) -> (B, N, out)."""
        scale = self._state.scale
        if scale is None:
            return self.base(x)
        if torch.is_grad_enabled() and x.dim() == 3:
            rows = scale.to(x.dtype)[:, None, :].expand(-1, x.shape[1], -1)
            y = _FusedMixture.apply(
                x.reshape(-1, x.shape[-1]),
                self.base.weight,
                self.base.bias,
                self.lora_A,
                self.lora_B,
                rows.reshape(-1, rows.shape[-1]),
            )
            return y.view(*x.shape[:-1], -1)
        low = F.linear(x, self.lora_A.to(x.dtype)) * scale.to(x.dtype)[:, None, :]
        return self.base(x) + F.linear(low, self.lora_B.to(x.dtype))


def inject_moe_lora(model: nn.Module, config: MoeLoraConfig) -> MixtureState:
    """Wrap every targeted linear layer inside `model` in place; freeze everything else.

    Returns the state through which the alphas reach the wrapped layers.
    """
    model.requires_grad_(False)
    state = MixtureState()
    found = 0
    for parent in list(model.modules()):
        if isinstance(parent, MoeLoraLinear):
            continue
        for name, child in list(parent.named_children()):
            if name in config.target_modules and isinstance(child, nn.Linear):
                setattr(parent, name, MoeLoraLinear(child, config, state))
                found += 1
    if not found:
        raise ValueError(f"the model has no linear layer named {', '.join(config.target_modules)}")
    return state


def lora_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The experts' parameters with their full names."""
    for name, parameter in model.named_parameters():
        if name.endswith(("lora_A", "lora_B")):
            yield name, parameter
