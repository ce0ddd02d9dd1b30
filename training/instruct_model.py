# SPDX-License-Identifier: Apache-2.0
"""The model that instruction tuning starts with, and which of its parameters it trains."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from backend.errors import InvalidInput
from backend.model.configuration import GateConfig, HmvlmConfig, LayoutConfig, VisionConfig
from backend.model.hmvlm import CLIP_TABLES, VISION_TABLES, Hmvlm
from backend.model.loading import (
    POSE_TOKENIZER_FOLDER,
    build_hmvlm,
    describe_base,
    encoder_width,
    load_encoder,
    load_pose_tokenizer,
)
from backend.model.moe_lora import MoeLoraConfig, lora_parameters
from backend.motion.tokenizer import MotionTokenizer

from .aligned import load_aligned, read_vision
from .instruct_settings import InstructSettings


class Trainable(nn.Module):
    """The part of the model that is trained, so that a checkpoint leaves the base out.

    seeing: with the tables that read pictures.
    """

    def __init__(self, model: Hmvlm, *, seeing: bool = False) -> None:
        super().__init__()
        self.router = model.router
        self.motion_embedding = model.motion_embedding
        self.motion_head = model.motion_head
        for name in _vision_modules(model) if seeing else ():
            setattr(self, name, getattr(model, name))
        # asked for whenever they are needed: sharding replaces the parameters of a model
        self._experts = lambda: lora_parameters(model)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Router and tables by their names, the experts as experts.NAME."""
        yield from super().named_parameters(*args, **kwargs)
        for name, value in self._experts():
            yield f"experts.{name.replace('.', '/')}", value

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """All of named_parameters; buffers are never trained."""
        return {name: value.detach() for name, value in self.named_parameters()}


def _vision_modules(model: Hmvlm) -> list[str]:
    names = [prefix.removesuffix(".") for prefix in VISION_TABLES + CLIP_TABLES]
    return [name for name in names if getattr(model, name) is not None]


def parameter_groups(model: Hmvlm, settings: InstructSettings) -> list[dict]:
    """Experts, tables and router, each with its own rate; the first sets the schedule."""
    tables: list[nn.Parameter] = []
    if "motion" in settings.tasks:
        tables += [*model.motion_embedding.parameters(), *model.motion_head.parameters()]
    if settings.sees:
        for name in _vision_modules(model):
            tables += getattr(model, name).parameters()
    return [
        {"params": [p for _, p in lora_parameters(model)], "lr": settings.lora_rate},
        {"params": tables, "lr": settings.table_rate},
        {"params": list(model.router.parameters()), "lr": settings.router_rate},
    ]


def build_model(settings: InstructSettings, tokenizer: MotionTokenizer) -> Hmvlm:
    """The base with the experts, tables and gate that the settings start from, or fresh ones.

    Raises InvalidInput when a task that reads pictures has no aligned projector.
    """
    config = _config(settings, tokenizer, _vision(settings))
    quantisation = {"quantise": settings.quantise} if settings.quantise else {}
    model = build_hmvlm(
        config,
        motion_tokenizer=tokenizer,
        dtype=torch.bfloat16 if settings.precision == "bf16" else torch.float32,
        **quantisation,
    )
    for _, expert in lora_parameters(model):
        expert.data = expert.data.float()  # small steps would vanish in half precision
    if settings.start_from is not None:
        fresh = VISION_TABLES + CLIP_TABLES if settings.alignment is not None else ()
        model.load_adapter(settings.start_from, fresh=fresh)
    else:
        vectors = tokenizer.codebook_vectors()
        model.motion_embedding.start_from_codebook(vectors, model.text_std())
    if settings.alignment is not None:
        load_aligned(model, settings.alignment)
    elif config.vision is not None and settings.start_from is not None:
        folder = settings.start_from.parent / POSE_TOKENIZER_FOLDER
        model.pose_tokenizer = load_pose_tokenizer(folder, config)
    return model


def _vision(settings: InstructSettings) -> VisionConfig | None:
    vision = None
    if settings.alignment is not None:
        vision = read_vision(settings.alignment)
    elif settings.start_from is not None:  # what reads pictures stays, though it may not be trained
        vision = HmvlmConfig.load(settings.start_from).vision
    clips = "video" not in settings.tasks or (vision is not None and vision.clip_rows > 0)
    if settings.sees and (vision is None or not clips):
        raise InvalidInput(
            f"The tasks {', '.join(settings.tasks)} read landmarks: give --alignment RUN, the "
            "folder that `hmvlm-train align` wrote, or --start-from weights that read them."
        )
    return vision


def _config(
    settings: InstructSettings, tokenizer: MotionTokenizer, vision: VisionConfig | None
) -> HmvlmConfig:
    parts, codes, _ = tokenizer.codebook_vectors().shape
    layout = settings.layout
    if len(layout.delays) != parts:
        layout = replace(layout, delays=(0,) * parts)
    return fresh_config(
        settings.base_model, settings.gate_encoder, settings.moe, layout, (parts, codes), vision
    )


def fresh_config(
    base_model: str,
    gate_encoder: str,
    moe: MoeLoraConfig,
    layout: LayoutConfig,
    codebook: tuple[int, int],
    vision: VisionConfig | None,
) -> HmvlmConfig:
    """The configuration of a model over a base that is here. codebook: (P, K)."""
    own, digest = describe_base(base_model)
    return HmvlmConfig(
        base_model=base_model,
        base_sha256=digest,
        text_vocab_size=own.vocab_size,
        hidden_size=own.hidden_size,
        parts=codebook[0],
        codebook_size=codebook[1],
        moe=moe,
        gate=GateConfig(encoder=gate_encoder, embed_dim=encoder_width(load_encoder(gate_encoder))),
        layout=layout,
        vision=vision,
    )
