# SPDX-License-Identifier: Apache-2.0
"""A program that trains toys in each of several processes; the tests start two of them.

    python two_processes.py OUT SOURCE

SOURCE is a folder that `make_source` has filled. Weights are left in OUT, one file a training.
"""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from safetensors.torch import save_file
from torch import Tensor, nn
from toy_instruct import stand_ins, toy_settings

from training import instruct
from training.checkpoint import whole_tensor
from training.loops import LoopSettings, train
from training.shares import Share, accelerator_for

ROWS, STEPS = 8, 12


class Toy(nn.Module):
    """Layers of a name by which sharding finds them, and one frozen weight in bf16."""

    _no_split_modules = ("Block",)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block())
        self.out = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.blocks(x))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(6, 6, dtype=torch.bfloat16).requires_grad_(False)
        self.own = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.own(x) + self.base(x.to(torch.bfloat16)).to(x.dtype))


def train_toy(out: Path, accelerator: Accelerator, stop_at: int | None = None) -> dict[str, Tensor]:
    """Rows of unequal weight, as sequences with unequal numbers of tokens are; the weights."""
    torch.manual_seed(0)
    model = Toy()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.05, betas=(0.9, 0.99))

    def batch_loss(step: int, share: Share) -> dict[str, Tensor]:
        if step == stop_at:
            raise KeyboardInterrupt
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(ROWS, 6, generator=generator)
        tokens = torch.randint(1, 9, (ROWS, 1), generator=generator).float()
        rows = share.rows(ROWS)
        error = (model(x[rows]) - x[rows].sum(1, keepdim=True)).square()
        terms = {"rows": (tokens[rows] * error).sum() / tokens.sum()}
        whole = model.out.weight.square().sum() if share.once else x.new_zeros(())
        terms["loss"] = terms["rows"] + 0.1 * share.once * whole
        return terms

    settings = LoopSettings(out, steps=STEPS, log_every=3, save_minutes=0.0, clip_gradient=0.5)
    state = train(model, optimizer, settings, batch_loss, accelerator=accelerator, shared=True)
    assert state.step == STEPS
    sharded = accelerator.distributed_type == DistributedType.FSDP
    assert all(hasattr(p, "placements") == sharded for p in model.parameters())
    return {name: whole_tensor(value).clone() for name, value in model.state_dict().items()}


def shard(accelerator: Accelerator) -> Accelerator:
    """FSDP for an accelerator on the CPU, where Accelerate's own launcher has none."""
    for state in (PartialState, AcceleratorState):  # each copies the other's
        state._shared_state["distributed_type"] = DistributedType.FSDP
    AcceleratorState._shared_state["fsdp_plugin"] = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        cpu_ram_efficient_loading=False,
        reshard_after_forward=True,
    )
    return accelerator


def main(out: Path, source: Path) -> None:
    torch.set_num_threads(1)

    def keep(name: str, weights: dict[str, Tensor]) -> None:
        if accelerator.is_main_process:
            save_file(weights, out / f"{name}.safetensors")

    accelerator = accelerator_for(ROWS)
    assert accelerator.num_processes == 2
    keep("ddp", train_toy(out / "ddp", accelerator))
    accelerator = accelerator_for(ROWS, micro_batch=2)
    assert accelerator.gradient_accumulation_steps == 2
    keep("ddp_micro", train_toy(out / "ddp_micro", accelerator))
    run_instruct(replace(toy_settings(source), out=out / "instruct_ddp", micro_batch=1))
    accelerator = shard(accelerator_for(ROWS, micro_batch=2))
    with pytest.raises(KeyboardInterrupt):
        train_toy(out / "fsdp", accelerator, stop_at=7)
    accelerator = shard(accelerator_for(ROWS, micro_batch=2))
    keep("fsdp", train_toy(out / "fsdp", accelerator))
    plain = instruct.accelerator_for
    instruct.accelerator_for = lambda *sizes: shard(plain(*sizes))
    run_instruct(replace(toy_settings(source), out=out / "instruct_fsdp"))


def run_instruct(settings: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stand_ins(patch)
        instruct.train_instruct(settings)


def start(out: Path, source: Path, seconds: float = 240) -> None:
    """Run `main` in two processes on the CPU; fails with what they have said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for rank in range(2):
        env = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "ACCELERATE_USE_CPU": "true",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([*sys.path]),
        }
        command = [sys.executable, __file__, str(out), str(source)]
        running.append(
            subprocess.Popen(
                command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    try:
        said = [process.communicate(timeout=seconds)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [p.returncode for p in running] == [0, 0], "\n".join(text[-4000:] for text in said)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
