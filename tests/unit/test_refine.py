# SPDX-License-Identifier: Apache-2.0
"""The refine step: its derivatives, and that it brings wrong poses to the landmarks."""

import time

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from torch import Tensor

from backend.motion.joint_limits import clamp, limit_violation
from backend.motion.kinematics import axis_angle_to_matrix, forward_kinematics
from backend.vision.landmark_body import NUM_SIZES, differentiate_landmarks, pose_landmarks
from backend.vision.refine import RefineSettings, refine
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.metrics.pose import mpjpe, pa_mpjpe


@pytest.fixture(scope="module")
def batch() -> LandmarkBatch:
    bank = PoseBank.from_axis_angles(smooth_motion(4.0).poses[:, :22])
    return LandmarkSimulator(bank).batch(0, 0, 24)


def _double(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float64))


def _disturbed(rotations: Tensor, degrees: float) -> Tensor:
    """Every joint turned by `degrees` about an axis at random, and held to the limits."""
    noise = torch.randn(*rotations.shape[:2], 3, generator=torch.Generator().manual_seed(0))
    noise = noise.double() / noise.double().norm(dim=-1, keepdim=True) * np.radians(degrees)
    return clamp(rotations @ axis_angle_to_matrix(noise))


def _joints(rotations: Tensor) -> np.ndarray:
    return forward_kinematics(rotations, rotations.new_zeros(len(rotations), 3))[0].numpy()


def test_derivatives_are_those_of_the_body(batch: LandmarkBatch) -> None:
    rotations = _double(batch.rotations[:2])
    sizes = torch.linspace(-0.1, 0.1, 2 * NUM_SIZES, dtype=torch.float64).view(2, NUM_SIZES)

    def points(turn: Tensor, more: Tensor) -> Tensor:
        return pose_landmarks(rotations @ axis_angle_to_matrix(turn), sizes + more)

    posed = differentiate_landmarks(rotations, sizes)
    for joint, axis in ((0, 1), (3, 0), (16, 2), (18, 1), (4, 0), (12, 2)):
        turn = torch.zeros(2, 22, 3, dtype=torch.float64)
        turn[:, joint, axis] = 1e-6
        there, back = points(turn, sizes * 0), points(-turn, sizes * 0)
        slope = (there - back) / 2e-6
        assert torch.allclose(slope, posed.by_turn[..., joint, axis], atol=1e-7)
    for size in range(NUM_SIZES):
        more = torch.zeros_like(sizes)
        more[:, size] = 1e-6
        slope = (points(turn * 0, more) - points(turn * 0, -more)) / 2e-6
        assert torch.allclose(slope, posed.by_size[..., size], atol=1e-7)


def test_clean_landmarks_put_a_disturbed_pose_right(batch: LandmarkBatch) -> None:
    """The lifting baseline: 20 degrees wrong at every joint, landmarks without noise."""
    true = _double(batch.rotations)
    start = _disturbed(true, 20.0)
    seen = torch.ones(len(true), 33, dtype=torch.float64)
    made = refine(start, _double(batch.image_true), seen, _double(batch.landmarks))
    before, after = (pa_mpjpe(_joints(r), _joints(true)) for r in (start, made.rotations))
    print(f"PA-MPJPE {1000 * before.mean():.0f} -> {1000 * after.mean():.0f} mm")
    assert after.mean() < 0.6 * before.mean()
    assert (
        mpjpe(_joints(made.rotations), _joints(true)).mean()
        < 0.6 * mpjpe(_joints(start), _joints(true)).mean()
    )
    assert (made.after < 0.2 * made.before).float().mean() > 0.9
    assert limit_violation(made.rotations).abs().max() < 1e-5


def test_noisy_landmarks_help_and_depth_is_only_a_hint(batch: LandmarkBatch) -> None:
    true = _double(batch.rotations)
    start = _disturbed(true, 15.0)
    made = refine(start, _double(batch.image), _double(batch.visibility), _double(batch.world))
    errors = [pa_mpjpe(_joints(r), _joints(true)).mean() for r in (start, made.rotations)]
    assert errors[1] < 0.85 * errors[0]
    assert (made.after <= made.before).all()
    assert limit_violation(made.rotations).abs().max() < 1e-5


def test_never_worse_even_for_nonsense() -> None:
    rng = torch.Generator().manual_seed(0)
    rotations = axis_angle_to_matrix(torch.randn(6, 22, 3, generator=rng))
    image = torch.randn(6, 33, 2, generator=rng)
    image[0] = 0.0  # all landmarks in one place
    made = refine(rotations, image, torch.rand(6, 33, generator=rng).round())
    assert made.rotations.dtype == torch.float32
    assert torch.isfinite(made.rotations).all()
    assert (made.after <= made.before).all()
    assert limit_violation(made.rotations).abs().max() < 1e-4
    unseen = refine(rotations[:1], image[:1], torch.zeros(1, 33))
    assert (unseen.after <= unseen.before).all()


def test_what_already_fits_stays(batch: LandmarkBatch) -> None:
    true = clamp(_double(batch.rotations[:4]))
    points = pose_landmarks(true, true.new_zeros(4, NUM_SIZES))
    image = points[..., :2] / (1 + 0.25 * points[..., 2:])
    seen = torch.ones(4, 33, dtype=torch.float64)
    made = refine(true, image, seen, points)
    assert 1000 * mpjpe(_joints(made.rotations), _joints(true)).max() < 1.0
    assert torch.allclose(made.scale, torch.ones(4, dtype=torch.float64), atol=1e-2)
    hips = points[:, [23, 24]].mean(dim=1, keepdim=True)
    assert torch.allclose(made.landmarks(), points - hips, atol=2e-3)


def test_one_pose_takes_less_than_a_second(batch: LandmarkBatch) -> None:
    start = _disturbed(_double(batch.rotations[:1]), 20.0)
    given = [_double(x[:1]) for x in (batch.image, batch.visibility, batch.world)]
    refine(start, *given, settings=RefineSettings(steps=1))
    begin = time.process_time()
    refine(start, *given)
    assert time.process_time() - begin < 1.0


@pytest.mark.parametrize("bad", ["shape", "nan"])
def test_wrong_input_is_refused(batch: LandmarkBatch, bad: str) -> None:
    image = _double(batch.image[:2])
    image = image[:, :30] if bad == "shape" else image * torch.nan
    with pytest.raises(ValueError, match="image"):
        refine(_double(batch.rotations[:2]), image, _double(batch.visibility[:2]))
