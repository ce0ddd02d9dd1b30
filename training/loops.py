# SPDX-License-Identifier: Apache-2.0
"""The training loop that every model here shares: budget, schedule, log, checkpoints, resume."""

import csv
import ctypes
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from backend.errors import InvalidInput

from .checkpoint import TrainingState, load_state, save_state

STATE_FILE = "state.safetensors"


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast to train.

    steps, minutes: whichever budget is spent first ends the run; give at least one. A run bounded
    by steps alone is reproducible. warm_up: fraction of the budget. resume: go on from the run
    folder's state when there is one.
    """

    out: Path
    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 1e-3
    final_rate: float = 0.02
    warm_up: float = 0.03
    clip_gradient: float = 1.0
    log_every: int = 50
    validate_every: int = 0
    save_minutes: float = 2.0
    resume: bool = True

    def __post_init__(self) -> None:
        if not self.steps and not self.minutes:
            raise InvalidInput("Give a training budget: --steps, --minutes, or both.")


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: LoopSettings,
    batch_loss: Callable[[int], dict[str, Tensor]],
    validate: Callable[[], dict[str, float]] | None = None,
    name: str = "train",
) -> TrainingState:
    """Run until the budget is spent; returns the finished state.

    batch_loss(step) makes that step's batch and returns its terms, `loss` among them. It must
    depend on the step alone, so that a resumed run sees the batches it would have seen.
    Writes log.csv, log.json, curves.png and state.safetensors into the run folder.
    """
    out = settings.out
    out.mkdir(parents=True, exist_ok=True)
    state = TrainingState()
    if settings.resume and (out / STATE_FILE).is_file():
        state = load_state(out / STATE_FILE, model, optimizer)
    rates = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    begun = time.monotonic() - state.elapsed
    saved_at = state.elapsed
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    bar = tqdm(total=settings.steps, initial=state.step, desc=name, unit="step", smoothing=0.05)
    while _progress(state, settings) < 1:
        factor = _schedule(_progress(state, settings), settings)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["initial_lr"], group["lr"] = rate, rate * factor
        terms = batch_loss(state.step)
        optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(parameters, settings.clip_gradient)
        optimizer.step()
        state.step += 1
        state.elapsed = time.monotonic() - begun
        bar.update()
        for key, value in terms.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
            counts[key] = counts.get(key, 0) + 1
        if not math.isfinite(sums["loss"]):
            raise FloatingPointError(f"{name}: the loss is no number at step {state.step}")
        last = _progress(state, settings) >= 1
        if state.step % settings.log_every == 0 or last:
            entry = {k: v / counts[k] for k, v in sums.items()}
            sums, counts = {}, {}
            due = settings.validate_every and state.step % settings.validate_every == 0
            if validate is not None and (due or last):
                model.eval()
                entry |= {f"val_{k}": v for k, v in validate().items()}
                model.train()
            state.log.append(
                {"step": state.step, "seconds": state.elapsed, "rate": rates[0] * factor, **entry}
            )
            bar.set_postfix(loss=f"{entry['loss']:.4f}")
            write_log(out, state)
        overdue = state.elapsed - saved_at > 60 * settings.save_minutes
        if last or (overdue and not sums):
            save_state(out / STATE_FILE, model, optimizer, state)
            saved_at = state.elapsed
    bar.close()
    if state.log:
        plot_curves(out, state, name)
    return state


PRECISIONS: tuple[str, ...] = ("fp32", "bf16")
"""What the layers compute in; weights, optimizer and losses stay in single precision. bf16 is
faster on hardware that multiplies it (AVX512-BF16, AMX, GPUs) and slower elsewhere."""


def computing_in(precision: str, device: str = "cpu") -> torch.autocast:
    """A context whose matrix products are in one of PRECISIONS."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")


def keep_freed_memory() -> None:
    """Tell the C library to reuse the memory of freed tensors instead of giving it back.

    A step on the CPU frees and asks for the same gigabyte again: with glibc's defaults, clearing
    those pages costs more time than the arithmetic. Elsewhere than on glibc this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold, mmap_max = -1, -3, -4
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)
        mallopt(mmap_max, 0)


def _progress(state: TrainingState, settings: LoopSettings) -> float:
    """Fraction of the budget that is spent, 1 or more at the end."""
    by_steps = state.step / settings.steps if settings.steps else 0.0
    by_time = state.elapsed / (60 * settings.minutes) if settings.minutes else 0.0
    return max(by_steps, by_time)


def _schedule(progress: float, settings: LoopSettings) -> float:
    """Linear warm-up, then a cosine down to `final_rate`, as a factor on the learning rate."""
    if progress < settings.warm_up:
        return (progress + 1e-3) / (settings.warm_up + 1e-3)
    rest = (progress - settings.warm_up) / (1 - settings.warm_up)
    cosine = 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))
    return settings.final_rate + (1 - settings.final_rate) * cosine


def write_log(out: Path, state: TrainingState) -> None:
    """log.json: a list of entries; log.csv: the same, a row an entry, empty where not measured."""
    (out / "log.json").write_text(json.dumps(state.log, indent=1) + "\n", encoding="utf-8")
    names = list(dict.fromkeys(k for entry in state.log for k in entry))
    with open(out / "log.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(state.log)


def plot_curves(out: Path, state: TrainingState, title: str) -> None:
    """curves.png: every logged term over the steps, log scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [
        k
        for k in dict.fromkeys(k for entry in state.log for k in entry)
        if k not in ("step", "seconds", "rate")
    ]
    figure, axes = pyplot.subplots(figsize=(9, 5))
    for key in names:
        points = [(e["step"], e[key]) for e in state.log if e.get(key, 0) > 0]
        if points:
            style = "o--" if key.startswith("val_") else "-"
            axes.plot(*zip(*points, strict=True), style, label=key)
    axes.set(xlabel="step", yscale="log", title=title)
    axes.legend(fontsize="small", ncols=2)
    figure.tight_layout()
    figure.savefig(out / "curves.png", dpi=110)
    pyplot.close(figure)
