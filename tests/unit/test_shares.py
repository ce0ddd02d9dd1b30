# SPDX-License-Identifier: Apache-2.0
"""A step's batch in shares: by micro-batches, and by processes, with the whole batch's result."""

import shutil
from pathlib import Path

import pytest
import torch
import two_processes
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file
from toy_instruct import make_source, stand_ins, toy_settings

from backend.errors import AssetError, InvalidInput
from backend.model.loading import ADAPTER_FOLDER
from backend.model.moe_lora import ADAPTER_WEIGHTS
from training.instruct import train_instruct
from training.instruct_config import CONFIGS
from training.loops import LoopSettings, train
from training.shares import Share, accelerator_for, plain_accelerator


def test_every_row_is_in_one_share() -> None:
    for total, count in ((8, 4), (7, 3), (5, 5)):
        rows = [r for i in range(count) for r in range(total)[Share(i, count).rows(total)]]
        assert rows == list(range(total))


def test_micro_batches_of_two_rows() -> None:
    assert accelerator_for(32, 2).gradient_accumulation_steps == 16
    assert accelerator_for(3, 2).gradient_accumulation_steps == 2
    assert accelerator_for(32).gradient_accumulation_steps == 1
    with pytest.raises(InvalidInput, match="at least one row"):
        accelerator_for(4, -1)
    assert plain_accelerator().gradient_accumulation_steps == 1


def test_accumulated_steps_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    whole = two_processes.train_toy(tmp_path / "whole", accelerator_for(two_processes.ROWS))
    cut = two_processes.train_toy(tmp_path / "cut", accelerator_for(two_processes.ROWS, 2))
    for name, value in cut.items():
        torch.testing.assert_close(value, whole[name], atol=1e-5, rtol=0)


def test_an_accumulating_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    straight = two_processes.train_toy(tmp_path / "a", accelerator_for(two_processes.ROWS, 2))
    with pytest.raises(KeyboardInterrupt):
        two_processes.train_toy(tmp_path / "b", accelerator_for(two_processes.ROWS, 2), stop_at=7)
    resumed = two_processes.train_toy(tmp_path / "b", accelerator_for(two_processes.ROWS, 2))
    assert all(torch.equal(value, straight[name]) for name, value in resumed.items())


def test_the_curves_are_there_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    two_processes.train_toy(tmp_path, accelerator_for(two_processes.ROWS))
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [e.step for e in events.Scalars("training/loss")] == [3, 6, 9, 12]


def test_a_loss_of_the_whole_batch_is_not_cut(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(InvalidInput, match="one process"):
        train(
            model,
            optimizer,
            LoopSettings(tmp_path, steps=1),
            lambda step: {"loss": model.weight.sum()},
            accelerator=accelerator_for(4, 2),
        )


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    two_processes.train_toy(tmp_path, accelerator_for(two_processes.ROWS))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(AssetError, match="delete it"):
        two_processes.train_toy(tmp_path, accelerator_for(two_processes.ROWS))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DDP and FSDP over gloo: toys and instruction tuning, whole and in micro-batches."""
    make_source(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    two_processes.start(out, tmp_path, 800)
    alone = two_processes.train_toy(out / "alone", accelerator_for(two_processes.ROWS))
    for name in ("ddp", "ddp_micro", "fsdp"):
        for key, value in load_file(out / f"{name}.safetensors").items():
            torch.testing.assert_close(value, alone[key], atol=1e-5, rtol=0, msg=f"{name}: {key}")
    stand_ins(monkeypatch)
    wanted = _adapter(train_instruct(toy_settings(tmp_path)))
    for name in ("instruct_ddp", "instruct_fsdp"):
        for key, value in _adapter(out / name).items():
            torch.testing.assert_close(value, wanted[key], atol=1e-5, rtol=1e-4)
    # what several processes have saved, one goes on with
    shutil.copytree(out / "fsdp", out / "gathered")
    resumed = two_processes.train_toy(out / "gathered", accelerator_for(two_processes.ROWS))
    for key, value in resumed.items():
        torch.testing.assert_close(value, alone[key], atol=1e-5, rtol=0)


def _adapter(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / ADAPTER_FOLDER / ADAPTER_WEIGHTS)


@pytest.mark.parametrize("name", ["one_gpu", "ddp", "fsdp", "deepspeed"])
def test_accelerate_reads_our_launch_files(name: str) -> None:
    """Parsed by Accelerate itself, which refuses keys that it does not know; nothing is run."""
    config = load_config_from_file(str(CONFIGS / "accelerate" / f"{name}.yaml"))
    kinds = {"one_gpu": "NO", "ddp": "MULTI_GPU", "fsdp": "FSDP", "deepspeed": "DEEPSPEED"}
    assert config.distributed_type == kinds[name]  # pyright: ignore[reportAttributeAccessIssue]
