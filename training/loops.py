# SPDX-License-Identifier: Apache-2.0
"""The training loop that every model here shares: budget, schedule, log, checkpoints, resume."""

import ctypes
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from tqdm import tqdm

from backend.errors import InvalidInput

from .checkpoint import Checkpoint, TrainingState
from .curves import EventWriter, plot_curves, write_log
from .run_record import record_session
from .shares import plain_accelerator, shares_of


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


class Running(nn.Module):
    """The module that Accelerate wraps: its forward is whatever work is done with the model.

    Gradients are averaged, and sharded weights are put together, around a wrapped module's
    forward: so losses, which use many methods of a model, are computed inside this one.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        named = [getattr(module, "_no_split_modules", None) or () for module in model.modules()]
        # by these FSDP finds the layers that it shards one by one
        self._no_split_modules = sorted({name for names in named for name in names})

    def forward(self, work: Callable[[], Any]) -> Any:
        return work()


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: LoopSettings,
    batch_loss: Callable[..., dict[str, Tensor]],
    validate: Callable[[], dict[str, float]] | None = None,
    name: str = "train",
    *,
    accelerator: Accelerator | None = None,
    whole: nn.Module | None = None,
    shared: bool = False,
    facts: dict[str, Any] | None = None,
) -> TrainingState:
    """Run until the budget is spent; returns the finished state.

    model: what a checkpoint keeps. whole: what batch_loss runs, where that is more than `model`.
    accelerator: devices, processes and micro-batches (see shares.accelerator_for); one process on
    the CPU by default.
    batch_loss(step) makes that step's batch and returns its terms, `loss` among them. It must
    depend on the step alone, so that a resumed run sees the batches it would have seen. With
    `shared` it is batch_loss(step, share) and returns the terms of that share alone (see
    shares.Share); only then can a step be split. Raises InvalidInput where it would have to be.
    facts: settings, data hash and seeds for run.json.
    Writes log.csv, log.json, curves.png, events/, run.json and state.safetensors into the run
    folder; with several processes, the main one does.
    """
    accelerator = accelerator or plain_accelerator()
    shares = shares_of(accelerator)
    if shares[0].count > 1 and not shared:
        raise InvalidInput(
            f"'{name}' is trained by one process that sees the whole batch: run it without "
            "`accelerate launch`."
        )
    out, main = settings.out, accelerator.is_main_process
    out.mkdir(parents=True, exist_ok=True)
    running, optimizer = accelerator.prepare(Running(whole or model), optimizer)
    checkpoint = Checkpoint(accelerator, out, model, optimizer)
    state = checkpoint.load() if settings.resume and checkpoint.exists() else TrainingState()
    rates = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
    # asked for after they were prepared: sharding replaces them
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if main:
        record_session(out, state.step, {"loop": settings, **(facts or {})}, accelerator)
    events = EventWriter(out, state.step)
    begun = time.monotonic() - state.elapsed
    saved_at = state.elapsed
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    bar = tqdm(
        total=settings.steps,
        initial=state.step,
        desc=name,
        unit="step",
        smoothing=0.05,
        disable=not main,
    )
    while _progress(state, settings) < 1:
        factor = _schedule(_progress(state, settings), settings)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["initial_lr"], group["lr"] = rate, rate * factor
        optimizer.zero_grad(set_to_none=True)
        seen: dict[str, float] = {}
        for share in shares:
            work = partial(batch_loss, state.step, *([share] if shared else []))
            with accelerator.accumulate(running):
                terms = running(work)
                # gradients are averaged over shares and processes, but the terms add up
                accelerator.backward(terms["loss"] * share.count)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(parameters, settings.clip_gradient)
                optimizer.step()
            for key, value in terms.items():
                seen[key] = seen.get(key, 0.0) + float(value.detach())
        state.step += 1
        state.elapsed = _agreed(time.monotonic() - begun, accelerator)
        bar.update()
        for key, value in seen.items():
            sums[key] = sums.get(key, 0.0) + value
            counts[key] = counts.get(key, 0) + 1
        if not math.isfinite(sums["loss"]):
            raise FloatingPointError(f"{name}: the loss is no number at step {state.step}")
        last = _progress(state, settings) >= 1
        if state.step % settings.log_every == 0 or last:
            entry = {k: v / counts[k] for k, v in _over_processes(sums, accelerator).items()}
            sums, counts = {}, {}
            due = settings.validate_every and state.step % settings.validate_every == 0
            if validate is not None and (due or last):
                running.eval()
                with torch.no_grad():
                    entry |= {f"val_{k}": v for k, v in running(validate).items()}
                running.train()
            state.log.append(
                {"step": state.step, "seconds": state.elapsed, "rate": rates[0] * factor, **entry}
            )
            bar.set_postfix(loss=f"{entry['loss']:.4f}")
            if main:
                write_log(out, state)
                events.add(state.log[-1])
        overdue = state.elapsed - saved_at > 60 * settings.save_minutes
        if last or (overdue and not sums):
            checkpoint.save(state)
            saved_at = state.elapsed
    bar.close()
    events.close()
    if state.log and main:
        plot_curves(out, state, name)
    accelerator.wait_for_everyone()
    return state


def _agreed(elapsed: float, accelerator: Accelerator) -> float:
    """The main process's clock: by it all of them end, save and set the rate together."""
    if accelerator.num_processes == 1:
        return elapsed
    here = torch.tensor([elapsed], dtype=torch.float32, device=accelerator.device)
    return float(broadcast(here)[0])


def _over_processes(sums: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    """Terms of all shares: what each process has seen, added up."""
    if accelerator.num_processes == 1:
        return sums
    names = sorted(sums)
    here = torch.tensor([sums[n] for n in names], dtype=torch.float32, device=accelerator.device)
    everywhere: Any = accelerator.reduce(here, reduction="sum")
    return dict(zip(names, everywhere.tolist(), strict=True))


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
