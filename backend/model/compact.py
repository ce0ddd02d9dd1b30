# SPDX-License-Identifier: Apache-2.0
"""Trained tensors in a byte a number for shipping, and back (absmax quantisation by rows)."""

import torch
from torch import Tensor

SCALE_SUFFIX = ".scale"
_LEAST_NUMBERS = 4096
_LEVELS = 127


def compact(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Large matrices as int8 beside NAME.scale (rows,), all else in half precision.

    A number is off by at most 1/254 of the largest of its row.
    """
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim != 2 or value.numel() < _LEAST_NUMBERS or not value.is_floating_point():
            out[name] = value.half().contiguous() if value.is_floating_point() else value
            continue
        rows = value.float()
        scale = (rows.abs().amax(dim=1) / _LEVELS).clamp_min(torch.finfo(torch.float32).tiny)
        levels = (rows / scale[:, None]).round().clamp(-_LEVELS, _LEVELS)
        out[name], out[name + SCALE_SUFFIX] = levels.to(torch.int8), scale
    return out


def expand(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `compact`; tensors that were never compacted pass through."""
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.dtype == torch.int8 and name + SCALE_SUFFIX in state:
            out[name] = value.float() * state[name + SCALE_SUFFIX][:, None]
        elif not (name.endswith(SCALE_SUFFIX) and name.removesuffix(SCALE_SUFFIX) in state):
            out[name] = value
    return out
