# SPDX-License-Identifier: Apache-2.0
"""Whole runs of instruction tuning on a model the size of a toy: start, further, and its record."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_instruct import MadeUpData, make_source, stand_ins, toy_settings

from backend.errors import AssetError, InvalidInput
from backend.model.loading import ADAPTER_FOLDER
from backend.model.moe_lora import ADAPTER_WEIGHTS
from backend.motion.tokenizer import MotionTokenizer
from training.instruct import train_instruct
from training.instruct_settings import RUN_FILE, InstructSettings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> InstructSettings:
    stand_ins(monkeypatch)
    make_source(tmp_path)
    return toy_settings(tmp_path)


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


def test_micro_batches_give_what_the_whole_batch_gives(settings: InstructSettings) -> None:
    settings = replace(settings, batch=4)
    whole = _weights(train_instruct(settings))
    cut = train_instruct(replace(settings, out=settings.out.parent / "cut", micro_batch=1))
    assert json.loads((cut / "run.json").read_text("utf-8"))["sessions"][0]["micro_batches"] == 4
    for name, value in _weights(cut).items():
        torch.testing.assert_close(value, whole[name], atol=1e-5, rtol=1e-4)
    logs = [json.loads((run / "log.json").read_text("utf-8")) for run in (settings.out, cut)]
    for name in ("loss", "motion", "gate", "torso", "val_motion"):
        assert logs[0][-1][name] == pytest.approx(logs[1][-1][name], rel=1e-4), name


def test_the_run_folder_says_what_was_run(settings: InstructSettings) -> None:
    run = train_instruct(replace(settings, steps=2))
    train_instruct(replace(settings, steps=3))
    record = json.loads((run / "run.json").read_text("utf-8"))
    assert record["settings"]["lora_rate"] == settings.lora_rate
    assert record["settings"]["moe"]["r"] == settings.moe.r
    assert record["data_hash"] == "made-up"
    assert record["seed"] == 0
    assert [s["begun_at_step"] for s in record["sessions"]] == [0, 2]
    assert {"python", "torch", "transformers", "peft", "accelerate"} <= set(
        record["sessions"][0]["versions"]
    )
    assert record["sessions"][0]["device"] == "cpu"


def _codes(tokenizer: Path) -> torch.Tensor:
    """(N, P) codes of all training clips."""
    data = MadeUpData(Path(), "train")
    model = MotionTokenizer.from_pretrained(tokenizer)
    rows = [torch.from_numpy(data.features(i))[None] for i in range(len(data))]
    return torch.cat([model.encode(r)[0] for r in rows])
