# SPDX-License-Identifier: Apache-2.0
"""Training state in one safetensors file: what a stopped run needs to go on exactly as it was."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backend.errors import AssetError

STATE_FILE = "state.safetensors"
ENGINE_FOLDER = "deepspeed"
PROGRESS_FILE = "progress.json"


@dataclass
class TrainingState:
    """Where a run is. elapsed: seconds trained so far, over all sessions; log: the curves."""

    step: int = 0
    elapsed: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)


class Checkpoint:
    """A run's state in its folder: state.safetensors, or DeepSpeed's own folder under DeepSpeed.

    DeepSpeed alone keeps optimiser states that nobody else can put together. All processes call
    save and load; the main one writes.
    """

    def __init__(self, accelerator: Accelerator, out: Path, model: nn.Module, optimizer: Any):
        self.accelerator, self.model, self.optimizer = accelerator, model, optimizer
        self._engine = accelerator.distributed_type == DistributedType.DEEPSPEED
        self.path = out / (ENGINE_FOLDER if self._engine else STATE_FILE)

    def exists(self) -> bool:
        return (self.path / PROGRESS_FILE).is_file() if self._engine else self.path.is_file()

    def save(self, state: TrainingState) -> None:
        main = self.accelerator.is_main_process
        if not self._engine:
            save_state(self.path, self.model, self.optimizer, state, writes=main)
            return
        if main:
            (self.path / PROGRESS_FILE).unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(self.path), exclude_frozen_parameters=True)
        if main:  # last: half a checkpoint never counts as one
            (self.path / PROGRESS_FILE).write_text(json.dumps(asdict(state)), encoding="utf-8")
        self.accelerator.wait_for_everyone()

    def load(self) -> TrainingState:
        """Restore the saved state. Raises AssetError when it does not fit the model."""
        if not self._engine:
            return load_state(self.path, self.model, self.optimizer)
        self.accelerator.load_state(str(self.path), load_module_strict=False)
        return TrainingState(**json.loads((self.path / PROGRESS_FILE).read_text("utf-8")))


def whole_tensor(value: Tensor) -> Tensor:
    """The tensor with all its shards; where it is sharded, every process has to ask."""
    gather = getattr(value.detach(), "full_tensor", None)
    return gather() if gather is not None else value.detach()


def save_state(
    path: Path, model: nn.Module, optimizer: Any, state: TrainingState, *, writes: bool = True
) -> None:
    """Write model, optimiser, random state and progress; the file is replaced in one move.

    writes: whether this process is the one that does; the others help to gather shards.
    """
    tensors = {f"model.{k}": whole_tensor(v).cpu() for k, v in model.state_dict().items()}
    packed = optimizer.state_dict()
    for index, entry in packed["state"].items():
        for name, value in entry.items():
            tensors[f"optimizer.{index}.{name}"] = whole_tensor(torch.as_tensor(value)).cpu()
    if not writes:
        return
    tensors["random"] = torch.get_rng_state()
    groups = [{k: v for k, v in g.items()} for g in packed["param_groups"]]
    progress = {"step": state.step, "elapsed": state.elapsed, "log": state.log}
    metadata = {"progress": json.dumps(progress), "param_groups": json.dumps(groups)}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, part, metadata=metadata)
    os.replace(part, path)


def load_state(path: Path, model: nn.Module, optimizer: Any) -> TrainingState:
    """Restore what save_state wrote, under whatever sharding there is now.

    Raises AssetError when the file does not fit the model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors = load_file(path)
        progress = json.loads(metadata["progress"])
        groups = json.loads(metadata["param_groups"])
        _copy_into(model.state_dict(), _under(tensors, "model."))
        entries = _optimizer_state(tensors)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for index, entry in entries.items():
            entries[index] = {k: _shard_like(v, parameters[index]) for k, v in entry.items()}
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise AssetError(
            f"{path} cannot be resumed with these settings: delete it to start over. ({error})"
        ) from error
    torch.set_rng_state(tensors["random"])
    return TrainingState(progress["step"], progress["elapsed"], progress["log"])


@torch.no_grad()
def _copy_into(own: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    if own.keys() != saved.keys():
        raise KeyError(f"{sorted(own.keys() ^ saved.keys())[0]} is on one side only")
    for name, value in own.items():
        if value.shape != saved[name].shape:
            raise ValueError(f"{name} is {tuple(value.shape)}, saved {tuple(saved[name].shape)}")
        value.copy_(_shard_like(saved[name].to(value.device), value))


def _shard_like(value: Tensor, parameter: Tensor) -> Tensor:
    """`value` cut up as the parameter of the same shape is; anything else stays as it is."""
    if not hasattr(parameter, "placements") or value.shape != parameter.shape:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    sharded = cast(DTensor, parameter)
    value = value.to(sharded.device)
    # every process has read the file: nothing is to be sent
    return distribute_tensor(value, sharded.device_mesh, sharded.placements, src_data_rank=None)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in _under(tensors, "optimizer.").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    return state
