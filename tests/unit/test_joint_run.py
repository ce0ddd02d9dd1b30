# SPDX-License-Identifier: Apache-2.0
"""Both stages on a model the size of a toy: alignment, then all tasks together in one model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_clips import CLIP_VISION
from tiny_hmvlm import tiny_config
from toy_instruct import build_toy
from toy_joint import TOGETHER, VISION, JointData, joint_settings, joint_stand_ins, toy_alignment

from backend.errors import AssetError, InvalidInput
from backend.model.configuration import VisionConfig
from backend.model.loading import ADAPTER_FOLDER, POSE_TOKENIZER_FOLDER
from backend.model.moe_lora import ADAPTER_WEIGHTS
from training.aligned import TABLES_FILE, VISION_FILE
from training.alignment import AlignmentSettings, train_alignment
from training.evaluate_describe import evaluate
from training.instruct import train_instruct
from training.instruct_settings import RUN_FILE, InstructSettings
from training.shares import Share


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> InstructSettings:
    joint_stand_ins(monkeypatch)
    return joint_settings(tmp_path)


@pytest.fixture
def aligned(settings: InstructSettings, tmp_path: Path) -> Path:
    return toy_alignment(settings, tmp_path)


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / ADAPTER_FOLDER / ADAPTER_WEIGHTS)


def test_three_tasks_in_one_model(settings: InstructSettings, aligned: Path) -> None:
    tables = load_file(aligned / TABLES_FILE)
    assert {name.split(".")[0] for name in tables} == {
        *("vision_projector", "pose_head", "landmark_lifter", "clip_projector")
    }
    run = train_instruct(replace(settings, tasks=TOGETHER, alignment=aligned))
    record = json.loads((run / RUN_FILE).read_text("utf-8"))
    last = record["last"]
    assert record["tasks"] == list(TOGETHER)
    assert all(last[name] > 0 for name in ("motion", "pose", "pose_joints", "caption"))
    assert all(last[f"val_{name}"] > 0 for name in ("motion", "pose_mpjpe_mm", "caption"))
    assert (run / POSE_TOKENIZER_FOLDER / "config.json").is_file()
    state = _weights(run)
    for table in ("vision_projector.leave.weight", "clip_projector.leave.weight"):
        assert not torch.equal(state[table], tables[table])
    words = {name: torch.equal(state[name], tables[name]) for name in tables if ".words." in name}
    assert not words.pop("clip_projector.words.embeddings")
    assert words
    assert all(words.values())  # what reads them is stage 1's


def test_a_single_task_leaves_the_others_tables(settings: InstructSettings, aligned: Path) -> None:
    joint = train_instruct(replace(settings, tasks=TOGETHER, alignment=aligned))
    further = replace(settings, start_from=joint / ADAPTER_FOLDER, steps=1, gate_steps=1)
    before = _weights(joint)
    changed = {}
    for task in TOGETHER:
        run = train_instruct(replace(further, tasks=(task,), out=settings.out.parent / task))
        after = _weights(run)
        changed[task] = {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}
        assert {"base", "router"} <= changed[task]
    assert changed["motion"] == {"base", "router", "motion_embedding", "motion_head"}
    assert changed["pose"] == {"base", "router", "vision_projector", "pose_head"}
    assert changed["video"] == {"base", "router", "clip_projector"}


def test_micro_batches_give_the_whole_batch(settings: InstructSettings, aligned: Path) -> None:
    asked = replace(settings, tasks=TOGETHER, alignment=aligned, steps=2, gate_steps=1)
    whole = _weights(train_instruct(asked))
    cut = _weights(train_instruct(replace(asked, out=asked.out.parent / "cut", micro_batch=1)))
    for name, value in whole.items():
        torch.testing.assert_close(cut[name], value, atol=2e-5, rtol=1e-3)


def test_what_reads_landmarks_must_be_aligned_first(
    settings: InstructSettings, aligned: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="hmvlm-train align"):
        train_instruct(replace(settings, tasks=("pose",)))
    with pytest.raises(InvalidInput, match="no task 'dance'"):
        replace(settings, tasks=("dance",))
    with pytest.raises(AssetError, match="not a finished run"):
        train_instruct(replace(settings, tasks=("pose",), alignment=tmp_path))
    with pytest.raises(InvalidInput, match="photographs"):
        train_alignment(
            AlignmentSettings(tmp_path, tmp_path, tmp_path, vision=VisionConfig("patches"))
        )
    wider = json.loads((aligned / VISION_FILE).read_text("utf-8")) | {"width": 32}
    (aligned / VISION_FILE).write_text(json.dumps(wider))
    with pytest.raises(AssetError, match="other shapes"):
        train_instruct(replace(settings, tasks=("pose",), alignment=aligned))


def test_a_part_is_aligned_on_its_own(
    settings: InstructSettings, aligned: Path, tmp_path: Path
) -> None:
    run = train_instruct(replace(settings, tasks=TOGETHER, alignment=aligned))
    asked = AlignmentSettings(
        data=settings.data,
        pose_tokenizer=tmp_path / "poses",
        out=tmp_path / "again",
        parts=("words",),
        vision=VISION,
        steps=2,
        clip_batch=4,
    )
    with pytest.raises(InvalidInput, match="--start-from"):
        train_alignment(asked)
    with pytest.raises(InvalidInput, match="choose of poses, lifter, clips, words"):
        train_alignment(replace(asked, parts=("word",)))
    before = _weights(run)
    tables = load_file(
        train_alignment(replace(asked, start_from=run / ADAPTER_FOLDER)) / TABLES_FILE
    )
    changed = {name for name in tables if not torch.equal(tables[name], before[name])}
    assert "clip_projector.words.answer.weight" in changed
    assert all(name.startswith("clip_projector.words.") for name in changed)


def test_a_lifter_of_another_size_takes_the_old_ones_place(
    settings: InstructSettings, aligned: Path, tmp_path: Path
) -> None:
    run = train_instruct(replace(settings, tasks=("pose",), alignment=aligned))
    before = _weights(run)
    wider = replace(VISION, lift_width=24, lift_blocks=3)
    asked = AlignmentSettings(
        data=settings.data,
        pose_tokenizer=tmp_path / "poses",
        out=tmp_path / "wider",
        parts=("lifter",),
        start_from=run / ADAPTER_FOLDER,
        vision=wider,
        steps=2,
        batch=4,
    )
    tables = load_file(train_alignment(asked) / TABLES_FILE)
    assert tables["landmark_lifter.blocks.2.weight"].shape == (24, 24)
    kept = [name for name in before if name.startswith(("vision_projector.", "pose_head."))]
    assert all(torch.equal(tables[name], before[name]) for name in kept)
    taken = train_instruct(
        replace(
            settings,
            tasks=("pose",),
            start_from=run / ADAPTER_FOLDER,
            alignment=asked.out,
            out=tmp_path / "taken",
        )
    )
    lifter = [name for name in tables if name.startswith("landmark_lifter.")]
    assert all(torch.equal(_weights(taken)[name], tables[name]) for name in lifter)


def test_all_shares_of_a_clip_batch_add_up(settings: InstructSettings, aligned: Path) -> None:
    from training.clip_samples import ClipSource
    from training.instruct_tasks import VideoTask

    model = build_toy(replace(tiny_config(), vision=CLIP_VISION))
    source = ClipSource(JointData(settings.data, "train"), 0)  # pyright: ignore[reportArgumentType]
    task = VideoTask(model, source, None, size=5)
    with torch.no_grad():
        whole, _ = task.loss(0, Share())
        parts = [task.loss(0, Share(i, 3))[0] for i in range(3)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)
    assert task.validate() == {}
    report, told = evaluate(model.eval(), source, 3)
    assert report["clips"] == len(told) == 3
