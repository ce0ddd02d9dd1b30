# SPDX-License-Identifier: Apache-2.0
"""Heading and camera found from landmarks, and the whole way from drawn poses to a fitted one."""

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from torch import Tensor

from backend.motion.joint_limits import clamp, limit_violation
from backend.motion.kinematics import axis_angle_to_matrix, axis_rotation
from backend.motion.pose_tokenizer import without_heading
from backend.vision.orientation import (
    OrientationSettings,
    camera_turns,
    turn_to_landmarks,
    without_azimuth,
)
from backend.vision.pose_fitting import FittedPoses, above_ground, fit_poses, upright
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.data.simulated_cameras import camera_turns as simulated_turns


@pytest.fixture(scope="module")
def batch() -> LandmarkBatch:
    bank = PoseBank.from_axis_angles(smooth_motion(4.0).poses[:, :22])
    return LandmarkSimulator(bank).batch(0, 0, 12)


def _double(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float64))


def _upright(batch: LandmarkBatch) -> Tensor:
    """The true poses as the pose tokens say them."""
    return without_heading(upright(_double(batch.rotations), _double(batch.camera)))


@pytest.fixture(scope="module")
def fitted(batch: LandmarkBatch) -> FittedPoses:
    given = [_double(x) for x in (batch.image_true, batch.visibility, batch.landmarks)]
    return fit_poses(_upright(batch)[:, None], *given)


def _degrees(a: Tensor, b: Tensor) -> Tensor:
    return torch.rad2deg((((a * b).sum(dim=(-2, -1)) - 1) / 2).clamp(-1, 1).acos())


def test_cameras_are_those_of_the_simulation() -> None:
    azimuth, elevation = torch.tensor([0.3, -2.0]).double(), torch.tensor([0.2, 0.9]).double()
    wanted = simulated_turns(azimuth.numpy(), elevation.numpy(), np.zeros(2))
    made = camera_turns(azimuth, elevation)
    torch.testing.assert_close(made, torch.from_numpy(wanted))
    walked = camera_turns(torch.zeros(2).double(), elevation)
    torch.testing.assert_close(without_azimuth(made), walked)


def test_clean_landmarks_give_the_orientation(batch: LandmarkBatch) -> None:
    true = _double(batch.rotations)
    seen = torch.ones(len(true), 33, dtype=torch.float64)
    made, cameras = turn_to_landmarks(
        _upright(batch), _double(batch.image_true), seen, _double(batch.landmarks)
    )
    starts = OrientationSettings().starts
    best = made.after.view(-1, starts).argmin(dim=1) + torch.arange(len(true)) * starts
    assert _degrees(made.rotations[best, 0], true[:, 0]).max() < 5.0
    up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    found, wanted = cameras[best] @ up, _double(batch.camera) @ up
    assert torch.rad2deg((found * wanted).sum(dim=-1).clamp(-1, 1).acos()).max() < 5.0


def test_the_best_of_several_poses_is_taken_and_refined(batch: LandmarkBatch) -> None:
    given = [_double(x[:3]) for x in (batch.image_true, batch.visibility, batch.landmarks)]
    good = _upright(batch)[:3]
    noise = torch.randn(3, 2, 22, 3, generator=torch.Generator().manual_seed(0)).double()
    bad = clamp(good[:, None] @ axis_angle_to_matrix(0.6 * noise))
    poses = torch.cat([bad[:, :1], good[:, None], bad[:, 1:]], dim=1)
    fitted = fit_poses(poses, *given)
    held = fit_poses(poses, *given, refined=False)
    alone = fit_poses(good[:, None], *given)
    torch.testing.assert_close(fitted.turned.rotations, alone.turned.rotations)
    assert held.sample.tolist() == [1, 1, 1]
    assert (fitted.final.after <= fitted.turned.after + 1e-9).all()
    assert limit_violation(fitted.final.rotations).abs().max() < 1e-5
    torch.testing.assert_close(held.final.rotations, fitted.turned.rotations)


def test_the_person_stands_in_the_world_as_before_the_camera(
    batch: LandmarkBatch, fitted: FittedPoses
) -> None:
    camera = without_azimuth(_double(batch.camera))
    wanted = upright(_double(batch.rotations), camera)
    assert _degrees(fitted.upright()[:, 0], wanted[:, 0]).mean() < 6.0
    before_the_camera = fitted.camera @ fitted.upright()[:, 0]
    torch.testing.assert_close(before_the_camera, fitted.final.rotations[:, 0], atol=1e-5, rtol=0)
    assert torch.isfinite(fitted.final.joints_in_image()).all()


def test_joints_lie_on_the_landmarks_in_the_picture(
    batch: LandmarkBatch, fitted: FittedPoses
) -> None:
    knees = fitted.final.joints_in_image()[:, [4, 5]]
    landmarks = _double(batch.image_true)[:, [25, 26]]
    assert (knees - landmarks).norm(dim=-1).mean() < 0.02


def test_feet_are_put_on_the_ground() -> None:
    standing = torch.eye(3, dtype=torch.float64).expand(2, 22, 3, 3).clone()
    standing[1, 0] = axis_rotation(torch.tensor(torch.pi / 2).double(), "X")  # lying
    trans = above_ground(standing)
    assert 0.8 < trans[0, 1] < 1.3
    assert trans[1, 1] < 0.6
