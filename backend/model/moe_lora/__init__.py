# SPDX-License-Identifier: Apache-2.0
"""MoE-LoRA as a tuner for any Hugging Face causal language model: config, layer, model.

It follows the conventions of peft's tuners and does not subclass them: peft's registry takes only
the names in its own closed enum, its layers name every tensor after an adapter and have no place
for a state of the batch, and importing peft would double the time that the backend takes to start.
"""

from .config import ADAPTER_CONFIG, ADAPTER_WEIGHTS, MoeLoraConfig
from .layer import MixtureState, MoeLoraLinear
from .model import MoeLoraModel, get_moe_lora_model, inject_moe_lora, lora_parameters

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "MixtureState",
    "MoeLoraConfig",
    "MoeLoraLinear",
    "MoeLoraModel",
    "get_moe_lora_model",
    "inject_moe_lora",
    "lora_parameters",
]
