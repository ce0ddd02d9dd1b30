# SPDX-License-Identifier: Apache-2.0
"""Training state in one safetensors file: what a stopped run needs to go on exactly as it was."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backend.errors import AssetError


@dataclass
class TrainingState:
    """Where a run is. elapsed: seconds trained so far, over all sessions; log: the curves."""

    step: int = 0
    elapsed: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)


def save_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: TrainingState
) -> None:
    """Write model, optimiser, random state and progress; the file is replaced in one move."""
    tensors = {f"model.{k}": v.detach().cpu() for k, v in model.state_dict().items()}
    packed = optimizer.state_dict()
    for index, entry in packed["state"].items():
        for name, value in entry.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value).detach().cpu()
    tensors["random"] = torch.get_rng_state()
    groups = [{k: v for k, v in g.items()} for g in packed["param_groups"]]
    progress = {"step": state.step, "elapsed": state.elapsed, "log": state.log}
    metadata = {"progress": json.dumps(progress), "param_groups": json.dumps(groups)}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, part, metadata=metadata)
    os.replace(part, path)


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingState:
    """Restore what save_state wrote. Raises AssetError when the file does not fit the model."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors = load_file(path)
        progress = json.loads(metadata["progress"])
        groups = json.loads(metadata["param_groups"])
        model.load_state_dict(_under(tensors, "model."))
        optimizer.load_state_dict({"state": _optimizer_state(tensors), "param_groups": groups})
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise AssetError(
            f"{path} cannot be resumed with these settings: delete it to start over. ({error})"
        ) from error
    torch.set_rng_state(tensors["random"])
    return TrainingState(progress["step"], progress["elapsed"], progress["log"])


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in _under(tensors, "optimizer.").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    return state
