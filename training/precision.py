# SPDX-License-Identifier: Apache-2.0
"""What layers compute in, and what that costs on the processor at hand."""

import sys
import time

import torch

PRECISIONS: tuple[str, ...] = ("fp32", "bf16")
"""What the layers compute in; weights, optimizer and losses stay in single precision. bf16 is
faster on hardware that multiplies it (AVX512-BF16, AMX, GPUs) and far slower elsewhere."""
CHOICES: tuple[str, ...] = ("auto", *PRECISIONS)
"""What may be asked for: `auto` is the one that is faster here."""
_ROWS, _WIDTH, _REPEATS = 128, 512, 3
_SLOWER = 1.5


def computing_in(precision: str, device: str = "cpu") -> torch.autocast:
    """A context whose matrix products are in one of PRECISIONS."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def bf16_slowdown() -> float:
    """How many times as long as in fp32 a matrix product takes in bf16 on this CPU (measured in a
    few milliseconds, in half a second where bf16 is not multiplied by hardware)."""
    return _fastest(torch.bfloat16) / _fastest(torch.float32)


def _fastest(dtype: torch.dtype) -> float:
    rows = torch.ones(_ROWS, _WIDTH, dtype=dtype)
    weight = torch.ones(_WIDTH, _WIDTH, dtype=dtype)
    spent = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        torch.nn.functional.linear(rows, weight)
        spent.append(time.perf_counter() - begun)
    return min(spent)


def chosen_precision(asked: str) -> str:
    """One of CHOICES -> one of PRECISIONS."""
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "fp32" if bf16_slowdown() > 1 else "bf16"


def warn_of_slow(precision: str, device: str) -> None:
    """Say it on standard error when a CPU is asked for what it does not multiply by hardware."""
    if precision != "bf16" or device != "cpu":
        return
    times = bf16_slowdown()
    if times > _SLOWER:
        print(
            f"This processor takes {times:.0f} times as long in bf16 as in fp32: stop this and "
            "give --precision fp32.",
            file=sys.stderr,
        )
