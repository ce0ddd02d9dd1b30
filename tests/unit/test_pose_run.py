# SPDX-License-Identifier: Apache-2.0
"""What poses are taught and measured by: the truth, the loss of codes, the evaluation."""

from dataclasses import replace

import pytest
import torch
from made_up_motion import smooth_motion
from tiny_hmvlm import tiny_hmvlm
from tiny_pose import tiny_pose_model, tiny_pose_tokenizer

from backend.errors import AssetError, InvalidInput
from backend.motion.pose_tokenizer import pose_joints
from training.data.landmark_simulation import LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.evaluate_pose import evaluate
from training.pose_samples import as_batch, code_scores, pose_code_loss, true_poses


@pytest.fixture(scope="module")
def simulator() -> LandmarkSimulator:
    return LandmarkSimulator(PoseBank.from_axis_angles(smooth_motion(4.0).poses[:, :22]))


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


def test_perfect_codes_are_near_the_truth(
    simulator: LandmarkSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluation itself: a model that says the truth is only as wrong as its landmarks."""
    people = simulator.batch(2, 0, 4)
    model = tiny_pose_model()
    poses = true_poses(people)
    monkeypatch.setattr(
        "training.evaluate_pose.offer_poses",
        lambda *_: (torch.zeros(4, 1, 5, dtype=torch.long), poses[:, None]),
    )
    monkeypatch.setattr(model, "lift", lambda seen: None)  # this model's lifter has learned nothing
    report = evaluate(model, people, samples=1)
    assert report.decoded.joints_pa_mpjpe is not None
    assert report.decoded.joints_pa_mpjpe < 5.0
    assert report.facing_degrees < 25.0
    assert report.wrong_way == 0.0


def test_nobody_cannot_be_evaluated(simulator: LandmarkSimulator) -> None:
    nobody = simulator.batch(0, 0, 1)
    empty = replace(nobody, **{k: v[:0] for k, v in vars(nobody).items()})
    with pytest.raises(InvalidInput, match="nobody"):
        evaluate(tiny_pose_model(), empty)
    with pytest.raises(AssetError, match="hmvlm-train align"):
        evaluate(tiny_hmvlm(), nobody)
