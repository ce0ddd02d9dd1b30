# SPDX-License-Identifier: Apache-2.0
"""Mixture of LoRA experts, fused: W' = W + sum_i alpha_i B_i A_i (HMVLM, section 3.1).

The experts' factors are kept concatenated along the rank, so that the whole mixture is one skinny
pair of products, y = W x + B_cat (alpha, each repeated R times) (A_cat x), whatever E is. Expert 0
is the zero expert, where there is one: it has no weights, it only takes weight away from the
others. alpha is a row of the batch, so one batch mixes prompts.

Letters: B batch, N tokens, E experts, R rank, K the rank of all trained experts together.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import MoeLoraConfig


class MixtureState:
    """The alphas of the batch that is running, shared by every layer of one model.

    scale: (B, K), the alphas of the trained experts repeated R times and multiplied by
    lora_alpha / R, or None when the experts are off. tokens: N of the batch, as last seen.
    """

    def __init__(self, config: MoeLoraConfig) -> None:
        self.config = config
        self.scale: Tensor | None = None
        self.tokens = 0

    @contextmanager
    def using(self, alpha: Tensor | None) -> Iterator[None]:
        """Run the block with alpha (B, E), or (1, E) for all rows; None switches the experts off.

        Under gradient checkpointing the backward pass belongs inside the block too: it runs the
        layers again. Raises ValueError when alpha is not of this mixture.
        """
        before = self.scale
        self.scale = None if alpha is None else self._scale(alpha)
        try:
            yield
        finally:
            self.scale = before

    def _scale(self, alpha: Tensor) -> Tensor:
        config = self.config
        if alpha.dim() != 2 or alpha.shape[1] != config.num_experts:
            raise ValueError(
                f"alpha must be (batch, {config.num_experts}), not {tuple(alpha.shape)}"
            )
        trained = alpha[:, 1:] if config.zero_expert else alpha
        return trained.repeat_interleave(config.r, dim=1) * config.scaling


def _fused(
    x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """x (B, N, in), weight (out, in), a (K, in), b (out, K), scale (B, K).

    Returns (B, N, out) and A x as (B*N, K). The sum with the base's output is part of a product.
    """
    rows = x.reshape(-1, x.shape[-1])
    low = rows @ a.t()
    y = F.linear(rows, weight, bias)
    y.addmm_(_by_row(low, scale), b.t())
    return y.view(*x.shape[:-1], -1), low


def _by_row(low: Tensor, scale: Tensor) -> Tensor:
    """(B*N, K) times (B, K), each row of the batch with its own."""
    return (low.view(len(scale), -1, low.shape[-1]) * scale[:, None]).view_as(low)


class _FusedMixture(torch.autograd.Function):
    """`_fused` with its gradients.

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
        ctx.expert_dtype = a.dtype
        a, b = a.to(x.dtype), b.to(x.dtype)
        y, low = _fused(x, weight, bias, a, b, scale)
        ctx.save_for_backward(x, weight, a, b, scale, low)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, scale, low = ctx.saved_tensors
        g = grads[0].reshape(-1, grads[0].shape[-1])
        d_scaled = g @ b
        d_low = _by_row(d_scaled, scale)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = g @ weight
            dx.addmm_(d_low, a)
            dx = dx.view_as(x)
        kind = ctx.expert_dtype
        rows = x.reshape(-1, x.shape[-1])
        da = (d_low.t() @ rows).to(kind) if ctx.needs_input_grad[3] else None
        db = (g.t() @ _by_row(low, scale)).to(kind) if ctx.needs_input_grad[4] else None
        d_scale = None
        if ctx.needs_input_grad[5]:
            d_scale = (d_scaled * low).view(len(scale), -1, low.shape[-1]).sum(dim=1)
        return dx, None, None, da, db, d_scale


def linear_sizes(module: nn.Module) -> tuple[int, int] | None:
    """(in, out) of a linear layer of any make, quantised ones and GPT-2's Conv1D too; or None."""
    for names in (("in_features", "out_features"), ("nx", "nf")):
        sizes = tuple(getattr(module, name, None) for name in names)
        if isinstance(sizes[0], int) and isinstance(sizes[1], int):
            return sizes[0], sizes[1]
    return None


def is_plain(module: nn.Module) -> bool:
    """Whether the layer's weight is an ordinary matrix: no subclass, no quantised storage."""
    if type(module) is not nn.Linear:
        return False
    weight = module.weight
    return type(weight) is nn.Parameter and weight.is_floating_point()


class MoeLoraLinear(nn.Module):
    """A frozen linear layer with a mixture of low-rank experts beside it.

    lora_A: (K, in); lora_B: (out, K), zero at the start, so that a fresh model is the base model.
    A base layer that is not plain (see is_plain) is called, its weight is never read.
    """

    def __init__(self, base_layer: nn.Module, config: MoeLoraConfig, state: MixtureState) -> None:
        super().__init__()
        sizes = linear_sizes(base_layer)
        if sizes is None:
            raise ValueError(f"{type(base_layer).__name__} is no linear layer")
        self.in_features, self.out_features = sizes
        self.base_layer = base_layer.requires_grad_(False)
        self._plain = is_plain(base_layer)
        self._state = state
        kind: dict[str, Any] = {"dtype": torch.get_default_dtype()}
        for value in base_layer.parameters():
            kind["device"] = value.device
            if value.is_floating_point():
                kind["dtype"] = value.dtype
                break
        self.lora_A = nn.Parameter(torch.empty(config.total_rank, self.in_features, **kind))
        self.lora_B = nn.Parameter(torch.zeros(self.out_features, config.total_rank, **kind))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, N, in) -> (B, N, out); also (B*N, in) where a model has flattened its tokens.

        Raises ValueError when the rows cannot be told apart by prompt.
        """
        scale = self._state.scale
        if scale is None:
            return self.base_layer(x)
        if x.dim() == 2 and (len(scale) == 1 or len(x) == len(scale) * self._state.tokens):
            return self._mixed(x.view(len(scale), -1, x.shape[-1]), scale).flatten(0, 1)
        if x.dim() != 3 or len(scale) not in (1, len(x)):
            raise ValueError(
                f"the experts' weights are of a batch of {len(scale)}, a layer was given "
                f"{tuple(x.shape)}: give one row of alpha for each sequence, and leave layers that "
                "see only some of the tokens out of target_modules"
            )
        self._state.tokens = x.shape[1]
        return self._mixed(x, scale.expand(len(x), -1))

    def _mixed(self, x: Tensor, scale: Tensor) -> Tensor:
        scale = scale.to(x)
        if self._plain:
            base: Any = self.base_layer
            if torch.is_grad_enabled():
                return _FusedMixture.apply(
                    x, base.weight, base.bias, self.lora_A, self.lora_B, scale
                )
            a, b = self.lora_A.to(x.dtype), self.lora_B.to(x.dtype)
            return _fused(x, base.weight, base.bias, a, b, scale)[0]
        low = F.linear(x, self.lora_A.to(x.dtype)) * scale[:, None]
        return self.base_layer(x) + F.linear(low, self.lora_B.to(x.dtype))
