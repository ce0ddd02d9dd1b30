# SPDX-License-Identifier: Apache-2.0
"""Landmarks put right in depth by a network, and poses fitted to what it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from tiny_pose import tiny_pose_config, tiny_pose_model
from torch import Tensor

from backend.model.configuration import HmvlmConfig, VisionConfig
from backend.model.landmark_lifter import LandmarkLifter, mirrored, mirrored_landmarks
from backend.model.pose_head import PoseHead
from backend.model.vision_projector import landmark_features, make_projector
from backend.motion.joint_limits import clamp
from backend.motion.kinematics import axis_angle_to_matrix, forward_kinematics
from backend.motion.pose_tokenizer import without_heading
from backend.vision.lifted import Lifted
from backend.vision.pose_fitting import FittedPoses, fit_poses, lifted_settings, upright
from backend.vision.refine import refine
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.landmark_lifting import lifting_loss, lifting_scores, true_points
from training.metrics.pose import mpjpe


@pytest.fixture(scope="module")
def people() -> LandmarkBatch:
    bank = PoseBank.from_axis_angles(smooth_motion(4.0).poses[:, :22])
    return LandmarkSimulator(bank).batch(0, 0, 16)


def _features(people: LandmarkBatch) -> Tensor:
    return landmark_features(
        *(torch.from_numpy(x) for x in (people.image, people.visibility, people.world))
    )


def _untrained() -> LandmarkLifter:
    torch.manual_seed(0)
    lifter = LandmarkLifter(width=16).requires_grad_(False)
    lifter.leave.weight.normal_(std=0.05)
    return lifter


def _truth(people: LandmarkBatch, spread: float = 0.01) -> Lifted:
    rotations = torch.from_numpy(people.rotations).double()
    points = true_points(rotations)
    return Lifted(points, torch.full_like(points, spread), rotations[:, 0])


def _upright(people: LandmarkBatch) -> Tensor:
    rotations, camera = (torch.from_numpy(x).double() for x in (people.rotations, people.camera))
    return without_heading(upright(rotations, camera))


def _joint_error(rotations: Tensor, people: LandmarkBatch) -> float:
    both = (rotations, torch.from_numpy(people.rotations).double())
    a, b = (forward_kinematics(x, x.new_zeros(len(x), 3))[0][:, :22].numpy() for x in both)
    return float(mpjpe(a, b).mean())


def test_mirror_images_are_lifted_to_mirror_images(people: LandmarkBatch) -> None:
    lifter, seen = _untrained(), _features(people)
    torch.testing.assert_close(mirrored_landmarks(mirrored_landmarks(seen)), seen)
    lifter.fit_scale(seen)
    one, other = lifter.lift(seen), mirrored(lifter.lift(mirrored_landmarks(seen)))
    for name in ("points", "spread", "root"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), atol=1e-4, rtol=1e-4)
    assert one.points[:, [23, 24]].mean(dim=1).abs().max() < 1e-5
    turned = one.root @ one.root.transpose(-1, -2)
    torch.testing.assert_close(turned, torch.eye(3).expand(16, 3, 3), atol=1e-5, rtol=0)
    assert (one.spread > 0).all()


def test_the_place_in_the_square_says_nothing(people: LandmarkBatch) -> None:
    lifter, seen = _untrained(), _features(people)
    elsewhere = seen.clone()
    elsewhere[..., :2] = 0.5 * seen[..., :2] + 0.3
    torch.testing.assert_close(
        lifter.lift(seen).points, lifter.lift(elsewhere).points, atol=1e-5, rtol=1e-5
    )
    unseen = seen.clone()
    unseen[..., :3] = 0.0  # nobody there: finite all the same
    assert torch.isfinite(lifter.lift(unseen).points).all()


def test_the_loss_is_least_at_the_truth(people: LandmarkBatch) -> None:
    truth, rotations = _truth(people), torch.from_numpy(people.rotations).double()
    right = lifting_loss(truth, rotations)
    for wrong in (
        replace(truth, points=truth.points + 0.05),
        replace(truth, spread=truth.spread * 3),
        replace(truth, root=truth.root.roll(1, dims=0)),
    ):
        assert lifting_loss(wrong, rotations)["lifting"] > right["lifting"] + 0.05
    scores = lifting_scores(replace(truth, points=truth.points + 0.03), rotations)
    assert scores["lifted_mm"] == pytest.approx(30 * 3**0.5, rel=1e-3)
    assert scores["pelvis_degrees"] < 0.1


def test_it_learns_what_is_wrong_with_the_landmarks(people: LandmarkBatch) -> None:
    torch.manual_seed(0)
    lifter, seen = LandmarkLifter(width=64), _features(people)
    rotations = torch.from_numpy(people.rotations)
    lifter.fit_scale(seen)
    optimizer = torch.optim.Adam(lifter.parameters(), lr=3e-3)
    first = lifting_scores(lifter(seen), rotations)
    for _ in range(80):
        optimizer.zero_grad()
        lifting_loss(lifter(seen), rotations)["lifting"].backward()
        optimizer.step()
    with torch.no_grad():
        made = lifter(seen)
    last = lifting_scores(made, rotations)
    assert last["lifted_mm"] < 0.4 * first["lifted_mm"]
    assert last["pelvis_degrees"] < 0.4 * first["pelvis_degrees"]
    off = (made.points - true_points(rotations)).abs().mean()
    assert float(made.spread.mean() / off) == pytest.approx(1.0, abs=0.6)


def test_the_pelvis_read_from_the_landmarks_turns_the_pose(people: LandmarkBatch) -> None:
    """World landmarks of others and mixed-up depth do no harm where lifted ones are right."""
    given = [torch.from_numpy(x) for x in (people.image_true, people.visibility, people.world)]
    poses = _upright(people)
    noise = torch.randn(16, 1, 22, 3, generator=torch.Generator().manual_seed(0)).double()
    bad = clamp(poses[:, None] @ axis_angle_to_matrix(0.4 * noise))
    fitted = fit_poses(torch.cat([bad, poses[:, None]], dim=1), *given, lifted=_truth(people))
    assert (fitted.sample == 1).all()
    assert _joint_error(fitted.turned.rotations, people) < 0.01
    assert _joint_error(fitted.final.rotations, people) < 0.02
    before = fitted.camera @ fitted.upright()[:, 0]
    torch.testing.assert_close(before, fitted.final.rotations[:, 0], atol=1e-5, rtol=0)
    held: FittedPoses = fit_poses(bad, *given, lifted=_truth(people))
    assert _joint_error(held.final.rotations, people) < 0.5 * _joint_error(
        held.turned.rotations, people
    )


def test_lifted_landmarks_pull_as_far_as_they_are_sure(people: LandmarkBatch) -> None:
    true = torch.from_numpy(people.rotations).double()
    start = clamp(true @ axis_angle_to_matrix(torch.full((16, 22, 3), 0.1).double()))
    image, seen = (torch.from_numpy(x).double() for x in (people.image, people.visibility))
    points = true_points(true)
    errors = [
        _joint_error(
            refine(
                start, image, seen, points, lifted_settings(), torch.full_like(points, spread)
            ).rotations,
            people,
        )
        for spread in (0.005, 0.4)
    ]
    assert errors[0] < 0.6 * errors[1]
    with pytest.raises(ValueError, match="spread"):
        refine(start, image, seen, points, spread=points[:, :5])


def test_what_reads_pictures_is_small() -> None:
    config = HmvlmConfig(hidden_size=576, vision=VisionConfig())
    assert config.vision is not None
    modules = (make_projector(config.vision, 576), PoseHead(config), LandmarkLifter())
    sizes = [sum(p.numel() for p in m.parameters()) for m in modules]
    assert sizes[2] < 300_000
    assert sum(sizes) < 3_000_000


def test_models_that_read_patches_lift_nothing() -> None:
    tower = VisionConfig("patches", tower="open_clip:hmvlm-tiny/x", tower_width=16)
    model = tiny_pose_model(tower)
    assert model.lift(torch.zeros(1, 4, 16)) is None
    assert not any("lifter" in name for name in model.adapter_state())
    seen = torch.from_numpy(np.zeros((1, 33, 6), dtype=np.float32))
    assert tiny_pose_model().lift(seen) is not None
    assert tiny_pose_config().vision is not None
