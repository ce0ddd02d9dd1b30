# SPDX-License-Identifier: Apache-2.0
"""A model of the real form and the size of a toy: random weights, letters for a vocabulary."""

from dataclasses import replace

import torch
from tiny_models import TEXT_SIZE, tiny_causal_lm
from transformers import LlamaForCausalLM, PreTrainedModel

from backend.model.configuration import GateConfig, HmvlmConfig, LayoutConfig
from backend.model.hmvlm import Hmvlm
from backend.model.moe_lora import MoeLoraConfig
from backend.model.processing import HmvlmProcessor

CODES = 16
LAYOUTS = (
    LayoutConfig("parallel"),
    LayoutConfig("flatten"),
    LayoutConfig("parallel", (0, 1, 1, 2, 2)),
)


class LetterTokenizer:
    """One token a character; enough of the interface for the processor."""

    eos_token = "~"
    eos_token_id = 99

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [99 if c == "~" else ord(c) % 90 for c in text]

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return "".join(chr(32 + i) for i in ids)

    def apply_chat_template(self, messages, tokenize=False, add_generation_prompt=True) -> str:
        return "".join(f"<{m['role']}>{m['content']}\n" for m in messages) + "<assistant>"


class WordEncoder:
    """Embeds a text by whether it says 'walk': a prompt encoder that needs no weights."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, texts: list[str], batch_size: int = 64) -> torch.Tensor:
        rows = torch.zeros(len(texts), self.size)
        for row, text in zip(rows, texts, strict=True):
            row[int("walk" in text)] = 1.0
        return rows


def tiny_config(layout: LayoutConfig = LAYOUTS[0]) -> HmvlmConfig:
    return HmvlmConfig(
        base_model="tiny",
        text_vocab_size=TEXT_SIZE,
        hidden_size=32,
        codebook_size=CODES,
        part_head_dim=8,
        moe=MoeLoraConfig(r=2),
        gate=GateConfig(encoder="none", embed_dim=8, hidden_dim=16),
        layout=layout,
    )


def tiny_base(seed: int = 0) -> LlamaForCausalLM:
    return tiny_causal_lm("llama", seed)


def tiny_hmvlm(
    layout: LayoutConfig = LAYOUTS[0],
    *,
    seed: int = 0,
    threshold: float = 0.99,
    base: PreTrainedModel | None = None,
) -> Hmvlm:
    """Experts and tables are random, not zero, so that every path has an effect."""
    config = tiny_config(layout)
    config = replace(config, gate=replace(config.gate, skip_threshold=threshold))
    base = tiny_base(seed) if base is None else base
    model = Hmvlm(config, base, HmvlmProcessor(config, LetterTokenizer()), WordEncoder(8))
    with torch.no_grad():
        for name, value in model.adapter_state().items():
            if name.endswith("lora_B") or name.startswith(("motion_head", "motion_embedding")):
                value.normal_(std=0.3)
    return model.eval()
