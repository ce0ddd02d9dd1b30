# SPDX-License-Identifier: Apache-2.0
"""A whole run of `hmvlm-train pose` on a model the size of a toy, and its evaluation."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from safetensors.torch import load_file
from tiny_hmvlm import tiny_hmvlm
from tiny_pose import build_tiny, tiny_pose_config, tiny_pose_model, tiny_pose_tokenizer
from training.pose_instruct import PoseSettings, train_pose

from backend.errors import AssetError, InvalidInput
from backend.model.configuration import VisionConfig
from backend.model.loading import ADAPTER_FOLDER, POSE_TOKENIZER_FOLDER
from backend.model.moe_lora import ADAPTER_WEIGHTS
from backend.motion.pose_tokenizer import pose_joints
from training.data.landmark_simulation import LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.evaluate_pose import evaluate, load_run
from training.instruct import RUN_FILE
from training.pose_samples import as_batch, code_scores, pose_code_loss, true_poses


class MadeUpData:
    """Stands in for PreparedDataset: one clip of motion made up."""

    def __init__(self, folder: Path, split: str) -> None:
        self.hash = "made-up"
        self.clips = [SimpleNamespace(mirrored=False)]

    def __len__(self) -> int:
        return len(self.clips)

    def motion(self, index: int):
        motion = smooth_motion(4.0)
        return SimpleNamespace(poses=motion.poses[:, :22])


@pytest.fixture(scope="module")
def simulator() -> LandmarkSimulator:
    return LandmarkSimulator(PoseBank.from_axis_angles(smooth_motion(4.0).poses[:, :22]))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PoseSettings:
    monkeypatch.setattr("training.pose_instruct.PreparedDataset", MadeUpData)
    monkeypatch.setattr("training.pose_instruct._VALIDATION", 8)
    monkeypatch.setattr("training.pose_instruct._STATISTICS", 32)
    for module in ("pose_instruct", "evaluate_pose"):
        monkeypatch.setattr(f"training.{module}.build_hmvlm", build_tiny)
    monkeypatch.setattr("training.pose_instruct._fresh_config", lambda *_: tiny_pose_config())
    tiny_pose_tokenizer().save_pretrained(tmp_path / "tokenizer")
    return PoseSettings(
        data=tmp_path / "data",
        pose_tokenizer=tmp_path / "tokenizer",
        out=tmp_path / "run",
        steps=3,
        alignment_steps=3,
        batch=4,
        alignment_batch=8,
    )


def test_the_truth_is_upright_and_without_heading(simulator: LandmarkSimulator) -> None:
    people = simulator.batch(0, 0, 8)
    poses = true_poses(people)
    torch.testing.assert_close(poses[:, 1:], torch.from_numpy(people.rotations[:, 1:]))
    across = poses[:, 0, :, 0]  # the pelvis's left
    level = across[(across[:, 1].abs() < 0.5)]
    assert (level[:, 2].abs() < 1e-4).all()
    assert (level[:, 0] > 0).all()


def test_right_codes_cost_little_and_wrong_ones_more(simulator: LandmarkSimulator) -> None:
    tokenizer = tiny_pose_tokenizer()
    batch = as_batch(simulator.batch(0, 0, 6), tokenizer)

    def cost(codes: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = 20.0 * torch.nn.functional.one_hot(codes, 16).float()
        return pose_code_loss(list(logits.unbind(dim=1)), batch, tokenizer, joints=5.0)

    right, wrong = cost(batch.codes), cost((batch.codes + 1) % 16)
    assert right["pose"] < 0.01 < wrong["pose"]
    decoded = pose_joints(tokenizer.decode(batch.codes))
    error = (decoded - pose_joints(batch.poses)).norm(dim=-1).mean()
    torch.testing.assert_close(right["joints"], error, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(right["loss"], right["pose"] + 5.0 * right["joints"])
    assert code_scores(batch.codes, batch, tokenizer)["right"] == 1.0


def test_a_run_trains_and_is_evaluated(
    settings: PoseSettings, simulator: LandmarkSimulator
) -> None:
    run = train_pose(settings)
    record = json.loads((run / RUN_FILE).read_text("utf-8"))
    assert (record["task"], record["steps_done"], record["alignment_steps"]) == ("pose", 3, 3)
    assert record["last"]["val_mpjpe_mm"] > 0
    aligned = json.loads((run / "alignment" / "log.json").read_text("utf-8"))[-1]
    assert 0 < aligned["val_lifted_mm"] < 1000
    model = load_run(run)
    report = evaluate(model, simulator.batch(1, 0, 3), samples=2)
    assert report.people == 3
    assert report.raw.joints_mpjpe is None
    assert report.raw.landmarks_mpjpe > 5
    assert report.refined.landmarks_mpjpe < report.decoded.landmarks_mpjpe
    assert report.decoded.joints_mpjpe is not None
    assert np.isfinite([report.upright_degrees, report.facing_degrees]).all()


def test_the_motion_side_of_an_adapter_stays(settings: PoseSettings, tmp_path: Path) -> None:
    before = tmp_path / "motion" / ADAPTER_FOLDER
    tiny_hmvlm().save_adapter(before)
    run = train_pose(replace(settings, start_from=before))
    old, new = (load_file(f / ADAPTER_WEIGHTS) for f in (before, run / ADAPTER_FOLDER))
    kept = [n for n in old if n.startswith(("motion_", "router."))]
    assert kept
    assert all(torch.equal(old[n], new[n]) for n in kept)
    moved = [n for n in old if n.endswith("lora_B") and not torch.equal(old[n], new[n])]
    assert moved
    frozen = train_pose(
        replace(settings, start_from=before, lora_rate=0.0, out=tmp_path / "frozen")
    )
    still = load_file(frozen / ADAPTER_FOLDER / ADAPTER_WEIGHTS)
    assert all(torch.equal(old[n], still[n]) for n in old)
    further = train_pose(
        replace(settings, start_from=run / ADAPTER_FOLDER, out=tmp_path / "more", table_rate=0.0)
    )
    assert (further / POSE_TOKENIZER_FOLDER / "config.json").is_file()


def test_perfect_codes_are_near_the_truth(
    simulator: LandmarkSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluation itself: a model that says the truth is only as wrong as its landmarks."""
    people = simulator.batch(2, 0, 4)
    model = tiny_pose_model()
    poses = true_poses(people)
    monkeypatch.setattr(
        "training.evaluate_pose.draw_poses",
        lambda *_: torch.zeros(4, 1, 5, dtype=torch.long),
    )
    monkeypatch.setattr(model.pose_tokenizer, "decode", lambda codes: poses)
    monkeypatch.setattr(model, "lift", lambda seen: None)  # this model's lifter has learned nothing
    report = evaluate(model, people, samples=1)
    assert report.decoded.joints_pa_mpjpe is not None
    assert report.decoded.joints_pa_mpjpe < 5.0
    assert report.facing_degrees < 25.0
    assert report.wrong_way == 0.0


def test_patches_cannot_be_trained_and_nobody_cannot_be_evaluated(
    settings: PoseSettings, simulator: LandmarkSimulator
) -> None:
    with pytest.raises(InvalidInput, match="photographs"):
        train_pose(replace(settings, vision=VisionConfig("patches")))
    nobody = simulator.batch(0, 0, 1)
    empty = replace(nobody, **{k: v[:0] for k, v in vars(nobody).items()})
    with pytest.raises(InvalidInput, match="nobody"):
        evaluate(tiny_pose_model(), empty)
    with pytest.raises(AssetError, match="hmvlm-train pose"):
        evaluate(tiny_hmvlm(), nobody)
