# SPDX-License-Identifier: Apache-2.0
"""Reconstruction metrics on cases whose answer is known."""

import pytest
import torch

from backend.motion.tokenizer import MotionTokenizer, tokenizer_config
from training.metrics.reconstruction import ReconstructionMeter, foot_skating, joint_errors


def test_a_shifted_body_has_no_root_aligned_error() -> None:
    positions = torch.randn(10, 22, 3)
    root, world = joint_errors(positions + torch.tensor([0.3, 0.0, 0.4]), positions)
    assert torch.allclose(root, torch.zeros(10), atol=1e-6)
    assert torch.allclose(world, torch.full((10,), 0.5), atol=1e-6)


def test_one_joint_off_counts_by_its_share() -> None:
    positions = torch.zeros(4, 22, 3)
    made = positions.clone()
    made[:, 20, 1] = 0.22
    root, world = joint_errors(made, positions)
    assert torch.allclose(root, torch.full((4,), 0.01))
    assert torch.allclose(world, torch.full((4,), 0.01))


def test_skating_is_the_speed_of_planted_feet_on_the_ground() -> None:
    positions = torch.zeros(5, 22, 3)
    positions[:, 7, 0] = torch.arange(5) * 0.01  # left ankle slides 1 cm a frame
    positions[:, 7, 1] = torch.arange(5) * 1.0  # rising is not sliding
    contacts = torch.zeros(5, 4)
    contacts[:, 0] = 1.0
    total, count = foot_skating(positions, contacts)
    assert count == 4
    assert total / count == pytest.approx(0.2)
    assert foot_skating(positions, torch.zeros(5, 4)) == (0.0, 0)


def test_meter_adds_up_clips() -> None:
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(tokenizer_config("body_part")).eval()
    meter = ReconstructionMeter(tokenizer)
    clip = torch.randn(22, 272)
    meter.add(clip)
    meter.add(clip[:3])  # shorter than one time step
    scores = meter.scores()
    assert (scores.clips, scores.frames) == (1, 20)
    rows = clip[None, :20]
    made = tokenizer.decode(tokenizer.encode(rows))
    assert scores.mse == pytest.approx(float((made - rows).square().mean()), rel=1e-4)
    codes = tokenizer.encode(rows)[0]
    expected = min(len(codes[:, p].unique()) for p in range(5)) / 512
    assert scores.codebook_use == pytest.approx(expected)


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(ValueError, match="no clip"):
        ReconstructionMeter(MotionTokenizer(tokenizer_config("body_part"))).scores()
