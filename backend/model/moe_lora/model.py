# SPDX-License-Identifier: Apache-2.0
"""A causal language model with experts, its entry point and its adapter folder, as in peft."""

import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...errors import AssetError, InvalidInput
from .config import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PEFT_TYPE, MoeLoraConfig
from .layer import MixtureState, MoeLoraLinear, is_plain, linear_sizes

_SAMPLES = 1024


def find_targets(model: nn.Module, config: MoeLoraConfig) -> dict[str, nn.Module]:
    """The linear layers that get experts, by their names in `model`.

    Of a Hugging Face model only the text decoder is searched: the head, and towers that see other
    sequences than the decoder's, are never among them. Raises InvalidInput when there is none, or
    when there are experts already.
    """
    get_decoder, get_head = (
        getattr(model, name, None) for name in ("get_decoder", "get_output_embeddings")
    )
    root = get_decoder() if get_decoder else model
    inside = {id(module) for module in root.modules()} - {id(get_head() if get_head else None)}
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, MoeLoraLinear):
            raise InvalidInput("The model has experts already. Load the base model anew.")
        if name and id(module) in inside and linear_sizes(module) and config.targets(name):
            found[name] = module
    if not found:
        wanted = config.target_modules
        names = wanted if isinstance(wanted, str) else ", ".join(wanted)
        raise InvalidInput(
            f"The model has no linear layer named {names}. Choose others as target modules, or "
            "all-linear."
        )
    return found


def inject_moe_lora(model: nn.Module, config: MoeLoraConfig) -> MixtureState:
    """Wrap every targeted linear layer inside `model` in place; freeze everything else.

    Returns the state through which the alphas reach the wrapped layers. Raises as find_targets.
    """
    targets = find_targets(model, config)
    model.requires_grad_(False)
    state = MixtureState(config)
    for name, module in targets.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, MoeLoraLinear(module, config, state))
    return state


def lora_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The experts' parameters with their full names."""
    for name, parameter in model.named_parameters():
        if name.endswith(("lora_A", "lora_B")):
            yield name, parameter


class MoeLoraModel(nn.Module):
    """A causal language model whose linear layers carry experts, mixed by an alpha per sequence.

    alpha (B, E) comes from a gate (backend.model.gate.Router) or from anywhere else; without it
    the model is the base model.
    """

    def __init__(self, model: Any, config: MoeLoraConfig) -> None:
        super().__init__()
        self.config = config
        self.base_fingerprint = fingerprint(model, find_targets(model, config))
        self.mixture = inject_moe_lora(model, config)
        self.base = model

    def forward(self, *args: Any, alpha: Tensor | None = None, **kwargs: Any) -> Any:
        """What the base model's forward returns, with the experts weighed by alpha (B, E)."""
        with self.mixture.using(alpha):
            return self.base(*args, **kwargs)

    def generate(self, *args: Any, alpha: Tensor | None = None, **kwargs: Any) -> Any:
        """The base model's `generate`, one row of alpha (B, E) a prompt, beams included."""
        if alpha is not None:
            given = kwargs.get("generation_config") or self.base.generation_config
            copies = max(
                kwargs.get(name) or getattr(given, name, None) or 1
                for name in ("num_beams", "num_return_sequences")
            )
            alpha = alpha.repeat_interleave(copies, dim=0)
        with self.mixture.using(alpha):
            return self.base.generate(*args, **kwargs)

    def save_pretrained(self, folder: Path) -> None:
        """Write adapter_config.json and adapter_model.safetensors; nothing of the base model."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "peft_type": PEFT_TYPE,
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base.config.name_or_path,
            "base_fingerprint": self.base_fingerprint,
            **self.config.to_dict(),
        }
        (folder / ADAPTER_CONFIG).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        state = {name: v.detach().cpu().contiguous() for name, v in lora_parameters(self)}
        save_file(state, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})

    @classmethod
    def from_pretrained(cls, model: Any, folder: Path) -> Self:
        """Put the adapter that save_pretrained wrote on `model`, the base that it was trained on.

        Raises AssetError, and leaves `model` as it is, when a file is missing or damaged or when
        the adapter is of another base model.
        """
        config, content = _read_config(folder / ADAPTER_CONFIG)
        path = folder / ADAPTER_WEIGHTS
        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise AssetError(f"{path} cannot be read: {error}. Get the adapter again.") from error
        trained_on = content.get("base_model_name_or_path") or "a model without a name"
        try:
            targets = find_targets(model, config)
        except InvalidInput as error:
            raise AssetError(f"{folder} is an adapter of {trained_on}: {error.message}") from error
        _check_shapes(targets, config, state, f"{folder} is an adapter of {trained_on}")
        known, found = content.get("base_fingerprint", ""), fingerprint(model, targets)
        if known and found and known != found:
            raise AssetError(
                f"{folder} is an adapter of {trained_on}, and the base model given has the same "
                f"form but other weights (fingerprint {found[:12]}..., the adapter's is "
                f"{known[:12]}...). Load the base model that it was trained on."
            )
        if not (known and found):
            warnings.warn(
                f"{folder} is an adapter of {trained_on}; a quantised base model has no weights to "
                "compare, so that only its form was checked",
                stacklevel=2,
            )
        made = cls(model, config)
        # not load_state_dict: quantised layers ask it for their own tensors
        with torch.no_grad():
            for name, value in lora_parameters(made):
                value.copy_(state[name])
        return made


def get_moe_lora_model(model: Any, config: MoeLoraConfig) -> MoeLoraModel:
    """Put fresh experts on a causal language model, in place; the counterpart of get_peft_model."""
    return MoeLoraModel(model, config)


@torch.no_grad()
def fingerprint(model: nn.Module, targets: dict[str, nn.Module]) -> str:
    """sha256 over the names, shapes and evenly spaced values of a base model without experts.

    The values are rounded to bfloat16, so that a model is the same in each precision. Empty where
    a targeted layer is quantised: its weights are then no longer those of the model.
    """
    if not all(is_plain(m) or type(m).__name__ == "Conv1D" for m in targets.values()):
        return ""
    digest = hashlib.sha256()
    for name, value in model.named_parameters():
        flat = value.detach().flatten()
        step = max(1, len(flat) // _SAMPLES)
        sample = flat[::step].to("cpu", torch.bfloat16).view(torch.int16)
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()


def _read_config(path: Path) -> tuple[MoeLoraConfig, dict[str, Any]]:
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["peft_type"] != PEFT_TYPE or "num_experts" not in content:
            raise AssetError(
                f"{path} is not of an adapter that MoeLoraModel wrote. Weights of HMVLM are loaded "
                "with backend.model.loading.load_hmvlm."
            )
        return MoeLoraConfig.from_dict(content), content
    except FileNotFoundError as error:
        raise AssetError(f"{path} is missing: this folder is not an adapter.") from error
    except (OSError, ValueError, KeyError, TypeError, InvalidInput) as error:
        raise AssetError(f"{path} cannot be read as a MoE-LoRA adapter: {error}") from error


def _check_shapes(
    targets: dict[str, nn.Module], config: MoeLoraConfig, state: dict[str, Tensor], what: str
) -> None:
    wanted: dict[str, tuple[int, ...]] = {}
    for name, module in targets.items():
        sizes = linear_sizes(module)
        assert sizes is not None
        wanted[f"base.{name}.lora_A"] = (config.total_rank, sizes[0])
        wanted[f"base.{name}.lora_B"] = (sizes[1], config.total_rank)
    found = {name: tuple(value.shape) for name, value in state.items()}
    wrong = [name for name in wanted | found if wanted.get(name) != found.get(name)]
    if wrong:
        first = wrong[0]
        raise AssetError(
            f"{what}, and the base model given does not fit it: {len(wrong)} tensors differ, first "
            f"{first}, {found.get(first, 'not')} in the adapter and "
            f"{wanted.get(first, 'not')} in the model. Load the base model that it was trained on."
        )
