# SPDX-License-Identifier: Apache-2.0
"""Causal language models of each family that the experts are tested on: random and tiny."""

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

TEXT_SIZE = 100
# what a family needs beside the common sizes; Gemma's windows are shorter than the test prompts
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gemma2": {"sliding_window": 4, "final_logit_softcapping": 5.0},
    "gemma3_text": {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]},
    "qwen2": {},
    "qwen3": {},
    "mistral": {"sliding_window": 4},
}


def tiny_causal_lm(family: str, seed: int = 0, **change: Any) -> Any:
    """A model of the family with weights wide enough that different tokens win."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": TEXT_SIZE,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "bos_token_id": 98,
        "eos_token_id": 99,
        "pad_token_id": 97,
        "initializer_range": 0.3,
    }
    config = CONFIG_MAPPING[family](**sizes | FAMILIES.get(family, {}) | change)
    return AutoModelForCausalLM.from_config(config).eval()
