# SPDX-License-Identifier: Apache-2.0
"""A step's batch in shares: what one process computes at once, on one device or on many."""

import math
import os
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

from backend.errors import InvalidInput


@dataclass(frozen=True)
class Share:
    """Share `index` of the `count` into which the rows of a step's batch are cut.

    The terms of a share are its part of the whole batch's: over all shares they add up to what one
    process computes from all rows at once. A mean over tokens is therefore the share's sum over
    the number of tokens of the whole batch. once: the weight of a term that needs the whole batch;
    each process computes it with its first share, and over all shares the weights add up to 1.
    """

    index: int = 0
    count: int = 1
    once: float = 1.0

    def rows(self, total: int) -> slice:
        """The rows of this share; every row of `total` is in one share."""
        return slice(total * self.index // self.count, total * (self.index + 1) // self.count)


WHOLE = Share()


def shares_of(accelerator: Accelerator) -> list[Share]:
    """The shares of this process, in the order in which it computes them."""
    pieces, processes = accelerator.gradient_accumulation_steps, accelerator.num_processes
    first = accelerator.process_index * pieces
    return [
        Share(first + i, processes * pieces, 1 / processes if i == 0 else 0.0)
        for i in range(pieces)
    ]


def plain_accelerator() -> Accelerator:
    """One process on the CPU, or the processes that `accelerate launch` has started."""
    if launched():
        return Accelerator()
    _forget_single_process()
    return Accelerator(cpu=True)


def accelerator_for(batch: int, micro_batch: int | None = None) -> Accelerator:
    """The devices that `accelerate launch` says, or the one GPU there is, or the CPU.

    batch: rows a step; micro_batch: rows that a process computes at once (default: all of its
    own). Raises InvalidInput when there are fewer rows than shares.
    """
    if not launched():
        _forget_single_process()
    accelerator = Accelerator()
    processes = accelerator.num_processes
    size = micro_batch or math.ceil(batch / processes)
    if size < 1 or batch < processes:
        raise InvalidInput(
            f"A batch of {batch} cannot be cut into micro-batches of {size} on {processes} "
            "processes: give at least one row to each."
        )
    pieces = min(math.ceil(batch / (size * processes)), batch // processes)
    accelerator.gradient_accumulation_steps = pieces
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        # no data loader passes through Accelerate that would tell DeepSpeed these
        plugin: Any = accelerator.state.deepspeed_plugin
        settings = plugin.deepspeed_config
        settings["gradient_accumulation_steps"] = pieces
        settings["train_micro_batch_size_per_gpu"] = size
        settings["train_batch_size"] = size * pieces * processes
    return accelerator


def launched() -> bool:
    """Whether this is one of the processes of `accelerate launch`."""
    return "LOCAL_RANK" in os.environ or "ACCELERATE_MIXED_PRECISION" in os.environ


def _forget_single_process() -> None:
    """Let a second training in this process choose its device anew: Accelerate keeps the first."""
    if PartialState._shared_state and not PartialState().use_distributed:
        AcceleratorState._reset_state(reset_partial_state=True)
