# SPDX-License-Identifier: Apache-2.0
"""A toy that reads poses: the tiny model with a projector, a pose head and a random tokenizer."""

from dataclasses import replace

import torch
from tiny_hmvlm import CODES, LetterTokenizer, WordEncoder, tiny_base, tiny_config

from backend.model.configuration import HmvlmConfig, VisionConfig
from backend.model.hmvlm import Hmvlm
from backend.model.processing import HmvlmProcessor
from backend.motion.pose_tokenizer import PoseTokenizer, PoseTokenizerConfig

SMALL = PoseTokenizerConfig(
    codebook_size=CODES, code_dim=8, token_dim=8, heads=2, spatial_layers=1, decoder_width=16
)


def tiny_pose_config(vision: VisionConfig | None = None) -> HmvlmConfig:
    return replace(tiny_config(), vision=vision or VisionConfig(rows=3, width=16))


def build_tiny(config: HmvlmConfig, **_) -> Hmvlm:
    """Stands in for `build_hmvlm`."""
    processor = HmvlmProcessor(config, LetterTokenizer())
    return Hmvlm(config, tiny_base(), processor, WordEncoder(8))  # pyright: ignore[reportArgumentType]


def tiny_pose_tokenizer() -> PoseTokenizer:
    torch.manual_seed(0)
    return PoseTokenizer(SMALL).eval()


def tiny_pose_model(vision: VisionConfig | None = None) -> Hmvlm:
    """Experts and tables are random, not zero, so that every path has an effect."""
    torch.manual_seed(0)
    model = build_tiny(tiny_pose_config(vision))
    with torch.no_grad():
        for name, value in model.adapter_state().items():
            if name.endswith("lora_B") or name.startswith(("motion_", "pose_head")):
                value.normal_(std=0.3)
    model.pose_tokenizer = tiny_pose_tokenizer()
    return model.eval()
