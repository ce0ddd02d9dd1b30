# SPDX-License-Identifier: Apache-2.0
"""What teaches the landmark lifter: where simulated people's landmarks are, and how they face."""

import torch
from torch import Tensor

from backend.vision.landmark_body import NUM_SIZES, pose_landmarks
from backend.vision.lifted import Lifted
from backend.vision.skeleton33 import BODY_LANDMARKS, LEFT_HIP, RIGHT_HIP

_POINTS, _SPREAD, _ROOT = 5.0, 0.1, 0.5


def true_points(rotations: Tensor) -> Tensor:
    """(B, 22, 3, 3) local rotations, the root's in camera axes -> (B, 33, 3) metres, landmarks of
    the mean body about the middle of the hips: how tall a person is, a picture does not say."""
    points = pose_landmarks(rotations, rotations.new_zeros(len(rotations), NUM_SIZES))
    return points - points[:, [LEFT_HIP, RIGHT_HIP]].mean(dim=1, keepdim=True)


def lifting_loss(made: Lifted, rotations: Tensor) -> dict[str, Tensor]:
    """Loss of B lifted people against their rotations (B, 22, 3, 3), the root's in camera axes.

    `lifting`: the distance of the landmarks, those of the body twice; the spread's likelihood under
    a Laplace distribution, which leaves the landmarks alone; the distance of the root's matrix.
    `lifted`: metres, mean distance of the landmarks.
    """
    off = made.points - true_points(rotations)
    distance = off.norm(dim=-1)
    points = distance.mean() + distance[:, list(BODY_LANDMARKS)].mean()
    spread = (made.spread.log() + off.detach().abs() / made.spread).mean()
    root = (made.root - rotations[:, 0]).square().sum(dim=(1, 2)).add(1e-6).sqrt().mean()
    return {
        "lifting": _POINTS * points + _SPREAD * spread + _ROOT * root,
        "lifted": distance.detach().mean(),
    }


@torch.no_grad()
def lifting_scores(made: Lifted, rotations: Tensor) -> dict[str, float]:
    """Mean distance of the body's landmarks, mm, and mean angle of the pelvis, degrees."""
    off = (made.points - true_points(rotations))[:, list(BODY_LANDMARKS)]
    cosine = ((made.root * rotations[:, 0]).sum(dim=(1, 2)) - 1) / 2
    return {
        "lifted_mm": 1000 * float(off.norm(dim=-1).mean()),
        "pelvis_degrees": float(torch.rad2deg(cosine.clamp(-1, 1).acos()).mean()),
    }
