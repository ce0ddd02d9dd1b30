# SPDX-License-Identifier: Apache-2.0
"""Whole runs of instruction tuning on a model the size of a toy: start, further, and its record."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_hmvlm import LetterTokenizer, WordEncoder, tiny_base, tiny_config

from backend.errors import AssetError, InvalidInput
from backend.model.configuration import HmvlmConfig
from backend.model.hmvlm import Hmvlm
from backend.model.loading import ADAPTER_FOLDER
from backend.model.moe_lora import ADAPTER_WEIGHTS
from backend.model.processing import HmvlmProcessor
from backend.motion.representation import FEATURE_DIM
from backend.motion.tokenizer import MotionTokenizer, MotionTokenizerConfig
from training.instruct import RUN_FILE, InstructSettings, train_instruct

_SMALL = MotionTokenizerConfig(
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


def _build(config: HmvlmConfig, *, motion_tokenizer: MotionTokenizer, dtype: torch.dtype) -> Hmvlm:
    base = tiny_base().to(dtype)
    processor = HmvlmProcessor(config, LetterTokenizer())
    return Hmvlm(config, base, processor, WordEncoder(8), motion_tokenizer)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> InstructSettings:
    for module in ("instruct", "motion_loss"):
        monkeypatch.setattr(f"training.{module}.PreparedDataset", MadeUpData)
    monkeypatch.setattr("training.instruct.build_hmvlm", _build)
    monkeypatch.setattr(
        "training.instruct._model_config",
        lambda settings, _: replace(tiny_config(settings.layout), base_model="tiny"),
    )
    torch.manual_seed(0)
    MotionTokenizer(_SMALL).save_pretrained(tmp_path / "tokenizer")
    prompts = tmp_path / "source" / "prompts"
    prompts.mkdir(parents=True)
    asked = [
        {"instruction": f"name {n} fruits", "instances": [{"input": "", "output": "a pear"}]}
        for n in range(20)
    ]
    lines = "\n".join(json.dumps(row) for row in asked)
    (prompts / "self-instruct-seed-tasks.jsonl").write_text(lines, "utf-8")
    return InstructSettings(
        data=tmp_path / "data",
        source=tmp_path / "source",
        tokenizer=tmp_path / "tokenizer",
        out=tmp_path / "first",
        steps=4,
        batch=2,
        gate_steps=3,
        validate_every=2,
    )


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / ADAPTER_FOLDER / ADAPTER_WEIGHTS)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_trains_experts_gate_and_tables(settings: InstructSettings, precision: str) -> None:
    run = train_instruct(replace(settings, precision=precision))
    state = _weights(run)
    experts = [value for name, value in state.items() if name.endswith("lora_B")]
    assert experts
    assert all(value.dtype == torch.float32 and value.abs().sum() > 0 for value in experts)
    record = json.loads((run / RUN_FILE).read_text("utf-8"))
    assert record["steps_done"] == 4
    assert record["earlier"] == []
    assert record["last"]["val_motion"] > 0


def test_training_further_begins_where_the_first_run_ended(settings: InstructSettings) -> None:
    first = train_instruct(settings)
    further = replace(settings, out=settings.out.parent / "further", steps=1, gate_steps=1)
    still = replace(further, lora_rate=0.0, table_rate=0.0, router_rate=0.0)
    run = train_instruct(replace(still, start_from=first / ADAPTER_FOLDER))
    before, after = _weights(first), _weights(run)
    assert before.keys() == after.keys()
    kept = [name for name in before if not name.startswith("router.")]  # the gate is polished
    assert all(torch.equal(before[name], after[name]) for name in kept)
    record = json.loads((run / RUN_FILE).read_text("utf-8"))
    assert [earlier["steps_done"] for earlier in record["earlier"]] == [4]
    assert "data" not in record["earlier"][0]  # a folder of the machine it ran on


def test_an_adapter_of_another_shape_is_not_trained_further(settings: InstructSettings) -> None:
    first = train_instruct(settings)
    path = first / ADAPTER_FOLDER / ADAPTER_WEIGHTS
    save_file({k: v for k, v in _weights(first).items() if not k.startswith("router")}, path)
    with pytest.raises(AssetError, match="does not fit"):
        train_instruct(replace(settings, out=first.parent / "b", start_from=first / ADAPTER_FOLDER))


def test_tables_are_carried_over_to_another_tokenizer(settings: InstructSettings) -> None:
    """The new tokenizer is the old one with its codes renumbered: so are the rows."""
    first = train_instruct(settings)
    other = MotionTokenizer.from_pretrained(settings.tokenizer)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    other.quantizer.codebook.copy_(other.quantizer.codebook[:, order])
    folder = settings.tokenizer.parent / "other"
    other.save_pretrained(folder)
    still = replace(settings, steps=1, gate_steps=1, lora_rate=0.0, table_rate=0.0, router_rate=0.0)
    run = train_instruct(
        replace(
            still,
            out=first.parent / "carried",
            tokenizer=folder,
            start_from=first / ADAPTER_FOLDER,
            start_tokenizer=settings.tokenizer,
        )
    )
    assert json.loads((run / RUN_FILE).read_text("utf-8"))["carried_over"]
    before, after = _weights(first), _weights(run)
    used = torch.unique(_codes(settings.tokenizer)[:, 0])
    renumbered = torch.argsort(order)[used]
    for name in ("motion_embedding.motion", "motion_head.rows"):
        wanted, got = before[name][used], after[name][renumbered]
        alike = torch.nn.functional.cosine_similarity(wanted, got, dim=-1)
        assert alike.min() > 0.9, name
    with pytest.raises(InvalidInput, match="give both"):
        train_instruct(replace(still, start_tokenizer=folder))


def _codes(tokenizer: Path) -> torch.Tensor:
    """(N, P) codes of all training clips."""
    data = MadeUpData(Path(), "train")
    model = MotionTokenizer.from_pretrained(tokenizer)
    rows = [torch.from_numpy(data.features(i))[None] for i in range(len(data))]
    return torch.cat([model.encode(r)[0] for r in rows])
