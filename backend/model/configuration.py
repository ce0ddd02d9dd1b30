# SPDX-License-Identifier: Apache-2.0
"""Settings of the model and their JSON form: what must be known before a weight is read."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from ..errors import AssetError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class MoeLoraConfig:
    """The mixture of LoRA experts (HMVLM, section 3.1), named as in peft where peft has a name.

    num_experts counts the zero expert, which has no weights.
    """

    num_experts: int = 5
    r: int = 8
    lora_alpha: float = 16.0
    target_modules: tuple[str, ...] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )

    @property
    def trained_experts(self) -> int:
        return self.num_experts - 1

    @property
    def scaling(self) -> float:
        return self.lora_alpha / self.r


@dataclass(frozen=True)
class GateConfig:
    """The prompt's encoder and the 2-layer perceptron that turns it into expert weights."""

    encoder: str = "minilm"
    embed_dim: int = 384
    hidden_dim: int = 512
    skip_threshold: float = 0.99
    """alpha_0 from which the experts are skipped and the new tokens are masked."""


@dataclass(frozen=True)
class LayoutConfig:
    """How the P part tokens of a time step are laid out along the sequence.

    flatten: P steps in a row, as in the paper. parallel: one step for all parts; part p is
    delayed by delays[p] steps (as in MusicGen), so that later parts can see earlier ones.
    """

    name: Literal["flatten", "parallel"] = "parallel"
    delays: tuple[int, ...] = (0, 0, 0, 0, 0)


@dataclass(frozen=True)
class HmvlmConfig:
    """Everything that fixes the shape of an adapter and the base model it belongs to."""

    base_model: str = "smollm2"
    base_sha256: str = ""
    """Digest of the base model's weights; a checkpoint refuses any other."""
    text_vocab_size: int = 49152
    hidden_size: int = 576
    parts: int = 5
    codebook_size: int = 512
    part_head_dim: int = 256
    moe: MoeLoraConfig = field(default_factory=MoeLoraConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    layout: LayoutConfig = field(default_factory=LayoutConfig)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        data = dict(data)
        moe, layout = dict(data.pop("moe")), dict(data.pop("layout"))
        moe["target_modules"] = tuple(moe["target_modules"])
        layout["delays"] = tuple(layout["delays"])
        return cls(
            moe=MoeLoraConfig(**moe),
            gate=GateConfig(**data.pop("gate")),
            layout=LayoutConfig(**layout),
            **data,
        )

    def save(self, folder: Path) -> None:
        """Write adapter_config.json, with the fields by which peft's tools know an adapter."""
        content = {
            "peft_type": "MOE_LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base_model,
            "hmvlm": self.to_dict(),
        }
        (folder / ADAPTER_CONFIG).write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        path = folder / ADAPTER_CONFIG
        try:
            content = json.loads(path.read_text("utf-8"))
            return cls.from_dict(content["hmvlm"])
        except FileNotFoundError as error:
            raise AssetError(f"{path} is missing: this folder is not an HMVLM adapter.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AssetError(f"{path} cannot be read as an HMVLM adapter: {error}") from error
