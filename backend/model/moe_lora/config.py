# SPDX-License-Identifier: Apache-2.0
"""Settings of the mixture of LoRA experts, named as in peft where peft has a name."""

import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from ...errors import InvalidInput

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
PEFT_TYPE = "MOE_LORA"
ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class MoeLoraConfig:
    """The mixture of LoRA experts (HMVLM, section 3.1).

    num_experts counts the zero expert, which has no weights and is expert 0. target_modules: the
    ends of the names of the linear layers that get experts, or one regular expression for whole
    names, or "all-linear" for every linear layer of the decoder; the text head and the embeddings
    never get any. Raises InvalidInput for a mixture without an expert or without a rank.
    """

    num_experts: int = 5
    r: int = 8
    lora_alpha: float = 16.0
    target_modules: tuple[str, ...] | str = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    zero_expert: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.target_modules, str):  # JSON has lists only
            object.__setattr__(self, "target_modules", tuple(self.target_modules))
        else:
            try:
                re.compile(self.target_modules)
            except re.error as error:
                raise InvalidInput(
                    f"The target modules '{self.target_modules}' are no regular expression "
                    f"({error}). Give a list of layer names or '{ALL_LINEAR}'."
                ) from error
        if self.trained_experts < 1:
            raise InvalidInput(
                f"{self.num_experts} experts leave none to train"
                f"{' beside the zero expert' if self.zero_expert else ''}. Ask for more."
            )
        if self.r < 1:
            raise InvalidInput(f"The rank of an expert must be 1 or more, not {self.r}.")

    @property
    def trained_experts(self) -> int:
        return self.num_experts - int(self.zero_expert)

    @property
    def total_rank(self) -> int:
        """(E-1)*R, or E*R without a zero expert: the inner size of the fused products."""
        return self.trained_experts * self.r

    @property
    def scaling(self) -> float:
        return self.lora_alpha / self.r

    def targets(self, name: str) -> bool:
        """Whether the layer of that full name is one of those that get experts."""
        if self.target_modules == ALL_LINEAR:
            return True
        if isinstance(self.target_modules, str):
            return re.fullmatch(self.target_modules, name) is not None
        return any(name == end or name.endswith(f".{end}") for end in self.target_modules)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The settings among `data`; what is missing has its default."""
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})
