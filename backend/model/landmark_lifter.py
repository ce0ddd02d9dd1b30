# SPDX-License-Identifier: Apache-2.0
"""Landmarks put right in depth, and the way the pelvis faces the camera, learned beside the codes.

The five codes say a pose without its heading, and as coarsely as codes do. What the landmarks say
of the person's place before the camera is lost on that way; so a small network reads it straight
from them. It is trained on the simulation, whose errors are known: what it gives is the middle of
what may lie behind such landmarks, and how far it may be off (after Martinez et al. 2017, "A simple
yet effective baseline for 3d human pose estimation").

Letters: B batch, W width.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..motion.kinematics import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    rotation_6d_to_matrix,
    slerp,
)
from ..vision.lifted import Lifted
from ..vision.skeleton33 import LEFT_HIP, MIRROR_LANDMARKS, NUM_LANDMARKS, RIGHT_HIP
from .vision_projector import LANDMARK_NUMBERS

_POINT, _ROTATION = 3, 6
_FLIP = (-1.0, 1.0, 1.0)
_FIRST_SPREAD = 0.05
_SPREAD = (0.003, 0.5)  # metres; the simulation has nothing beyond


class LandmarkLifter(nn.Module):
    """(B, 33, 6) of `landmark_features` -> landmarks and pelvis in camera axes.

    The image landmarks are told about their own middle and in their own size: where a person
    stands in the square says nothing of the pose. World landmarks are corrected, not made anew.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int = 256, blocks: int = 2) -> None:
        super().__init__()
        shape = (NUM_LANDMARKS, LANDMARK_NUMBERS)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))
        self.enter = nn.Linear(2 * NUM_LANDMARKS * LANDMARK_NUMBERS, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.leave = nn.Linear(width, 2 * NUM_LANDMARKS * _POINT + _ROTATION)
        # starts with the landmarks as they came, and a person who faces the camera
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.leave.bias[: NUM_LANDMARKS * _POINT] = 0.0
            self.leave.bias[NUM_LANDMARKS * _POINT : -_ROTATION] = math.log(_FIRST_SPREAD)
            self.leave.bias[-_ROTATION:] = torch.tensor([1.0, 0.0, 0.0, 0.0, -1.0, 0.0])

    @torch.no_grad()
    def fit_scale(self, seen: Tensor) -> None:
        """Normalise by the statistics of examples (B, 33, 6)."""
        own = _about_the_person(seen)
        self.mean.copy_(own.mean(dim=0))
        # one deviation for each kind of number: a point that hardly moves is not blown up
        self.std.copy_(
            own.std(dim=0).square().mean(dim=0).sqrt().clamp_min(1e-3).expand(own.shape[1:])
        )

    def forward(self, seen: Tensor) -> Lifted:
        """(B, 33, 6) -> B people, by one look at them."""
        own = _about_the_person(seen.to(self.enter.weight.dtype))
        numbers = (own - self.mean) / self.std
        x = self.enter(torch.cat([numbers, numbers * own[..., 2:3]], dim=-1).flatten(1))
        for block in self.blocks:
            x = x + block(F.gelu(x))
        made = self.leave(F.gelu(x)).float()
        numbers = made[:, :-_ROTATION].unflatten(1, (2, NUM_LANDMARKS, _POINT))
        points = own[..., 3:].float() + numbers[:, 0]
        points = points - points[:, [LEFT_HIP, RIGHT_HIP]].mean(dim=1, keepdim=True)
        root = rotation_6d_to_matrix(made[:, -_ROTATION:])
        return Lifted(points, numbers[:, 1].exp(), root)

    def lift(self, seen: Tensor) -> Lifted:
        """(B, 33, 6) -> B people: the mean of a look at them and one at their mirror image, which
        errs in other ways."""
        one = self(seen)
        other = mirrored(self(mirrored_landmarks(seen)))
        return Lifted(
            (one.points + other.points) / 2,
            ((one.spread + other.spread) / 2).clamp(*_SPREAD),
            _halfway(one.root, other.root),
        )


def mirrored_landmarks(seen: Tensor) -> Tensor:
    """(B, 33, 6) of `landmark_features` -> those of the mirror image."""
    flip = seen.new_tensor([*_FLIP, *_FLIP])  # image x, y, visibility; world x, y, z
    return seen[:, list(MIRROR_LANDMARKS)] * flip


def mirrored(people: Lifted) -> Lifted:
    """The mirror images of B people."""
    flip = people.points.new_tensor(_FLIP)
    order = list(MIRROR_LANDMARKS)
    root = people.root * flip[:, None] * flip
    return Lifted(people.points[:, order] * flip, people.spread[:, order], root)


def _halfway(a: Tensor, b: Tensor) -> Tensor:
    """(B, 3, 3) rotations twice -> (B, 3, 3)."""
    one, other = matrix_to_quaternion(a), matrix_to_quaternion(b)
    return quaternion_to_matrix(slerp(one, other, one.new_tensor(0.5)))


def _about_the_person(seen: Tensor) -> Tensor:
    """(B, 33, 6) -> the same, image landmarks about their middle and with a deviation of half,
    both weighed by visibility."""
    trust = seen[..., 2:3].clamp_min(0.05).square()
    trust = trust / trust.sum(dim=1, keepdim=True)
    off = seen[..., :2] - (trust * seen[..., :2]).sum(dim=1, keepdim=True)
    size = (trust * off.square()).sum(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-4)
    return torch.cat([0.5 * off / size, seen[..., 2:]], dim=-1)
