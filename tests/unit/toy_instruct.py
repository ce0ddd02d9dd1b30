# SPDX-License-Identifier: Apache-2.0
"""Instruction tuning on made-up clips and a base model the size of a toy."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_hmvlm import LetterTokenizer, WordEncoder, tiny_base, tiny_config

from backend.model.configuration import HmvlmConfig, VisionConfig
from backend.model.hmvlm import Hmvlm
from backend.model.processing import HmvlmProcessor
from backend.motion.representation import FEATURE_DIM
from backend.motion.tokenizer import MotionTokenizer, MotionTokenizerConfig
from training.instruct_settings import InstructSettings

SMALL = MotionTokenizerConfig(
    codebook_size=16, code_dim=8, token_dim=8, heads=2, encoder_width=8, decoder_width=8
)


class MadeUpData:
    """Stands in for PreparedDataset: the parts of it that instruction tuning reads."""

    def __init__(self, folder: Path, split: str) -> None:
        rng = np.random.default_rng({"train": 0, "val": 1}[split])
        self.folder, self.hash = folder, "made-up"
        self._rows = [rng.normal(size=(n, FEATURE_DIM)).astype(np.float32) for n in (16, 24, 40)]
        self.clips = [
            SimpleNamespace(
                id=f"{split}{i}", frames=len(rows), content="walk", captions=[f"walk {i}", "walk"]
            )
            for i, rows in enumerate(self._rows)
        ]

    def __len__(self) -> int:
        return len(self.clips)

    def features(self, index: int) -> np.ndarray:
        return self._rows[index]


def build_toy(
    config: HmvlmConfig,
    *,
    motion_tokenizer: MotionTokenizer | None = None,
    dtype: torch.dtype = torch.float32,
) -> Hmvlm:
    """Stands in for `build_hmvlm`."""
    base = tiny_base().to(dtype)
    processor = HmvlmProcessor(config, LetterTokenizer())
    return Hmvlm(config, base, processor, WordEncoder(8), motion_tokenizer)  # pyright: ignore[reportArgumentType]


def stand_ins(patch: pytest.MonkeyPatch) -> None:
    """Put them in the places of the data set, the base model and the gate's encoder."""
    for module in ("instruct", "motion_loss"):
        patch.setattr(f"training.{module}.PreparedDataset", MadeUpData)
    patch.setattr("training.instruct_model.build_hmvlm", build_toy)
    patch.setattr("training.instruct_model._config", _config)


def _config(
    settings: InstructSettings, _: MotionTokenizer, vision: VisionConfig | None
) -> HmvlmConfig:
    return replace(tiny_config(settings.layout), base_model="tiny", vision=vision)


def make_source(folder: Path) -> None:
    """A motion tokenizer and some questions: all that toy_settings needs."""
    torch.manual_seed(0)
    MotionTokenizer(SMALL).save_pretrained(folder / "tokenizer")
    prompts = folder / "source" / "prompts"
    prompts.mkdir(parents=True)
    asked = [
        {"instruction": f"name {n} fruits", "instances": [{"input": "", "output": "a pear"}]}
        for n in range(20)
    ]
    lines = "\n".join(json.dumps(row) for row in asked)
    (prompts / "self-instruct-seed-tasks.jsonl").write_text(lines, "utf-8")


def toy_settings(folder: Path) -> InstructSettings:
    return InstructSettings(
        data=folder / "data",
        source=folder / "source",
        tokenizer=folder / "tokenizer",
        out=folder / "first",
        steps=4,
        batch=2,
        gate_steps=3,
        validate_every=2,
        general_every=2,
    )
