# SPDX-License-Identifier: Apache-2.0
"""From what is seen of a person to rows of the language model (HMVLM, section 3.1; LLaVA).

Letters: B batch, M rows a picture, N patches, D features of the language model.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration import VisionConfig

LANDMARKS, LANDMARK_NUMBERS = 33, 6
_HIPS = [23, 24]


def landmark_features(image: Tensor, visibility: Tensor, world: Tensor) -> Tensor:
    """Landmarks in the person's square (B, 33, 2), visibility (B, 33), world landmarks (B, 33, 3)
    metres -> (B, 33, 6): x and y, visibility, and the world's about the middle of the hips."""
    centred = world - world[:, _HIPS].mean(dim=1, keepdim=True)
    return torch.cat([image, visibility[..., None], centred], dim=-1)


def make_projector(config: VisionConfig, dim: int) -> nn.Module:
    """The projector that a configuration asks for; dim: D of the language model."""
    if config.kind == "landmarks":
        return LandmarkProjector(config.rows, config.width, dim, config.narrow)
    return PatchProjector(config.tower_width, dim)


class LandmarkProjector(nn.Module):
    """(B, 33, 6) of `landmark_features` -> (B, M, D).

    Every number is given twice, once weighed by its point's visibility, so that the first layer
    can already pass over what was guessed. The rows come out of `narrow` numbers: a pose has no
    more to say, and a full layer to M x D would be most of the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, rows: int, width: int, dim: int, narrow: int = 64, blocks: int = 2) -> None:
        super().__init__()
        self.rows = rows
        shape = (LANDMARKS, LANDMARK_NUMBERS)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))
        self.enter = nn.Linear(2 * LANDMARKS * LANDMARK_NUMBERS, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.narrow = nn.Linear(width, narrow)
        self.leave = nn.Linear(narrow, rows * dim)
        self.norm = nn.LayerNorm(dim)

    @torch.no_grad()
    def fit_scale(self, seen: Tensor, text_std: float) -> None:
        """Normalise by the statistics of examples (B, 33, 6), and give rows out with the spread
        of the text embeddings."""
        self.mean.copy_(seen.mean(dim=0))
        # one deviation for each kind of number: a point that hardly moves is not blown up
        kinds = seen.std(dim=0).square().mean(dim=0).sqrt().clamp_min(1e-3)
        self.std.copy_(kinds.expand_as(self.std))
        self.norm.weight.fill_(text_std)

    def forward(self, seen: Tensor) -> Tensor:
        numbers = (seen.to(self.enter.weight.dtype) - self.mean) / self.std
        weighed = numbers * seen[..., 2:3].to(numbers.dtype)
        x = self.enter(torch.cat([numbers, weighed], dim=-1).flatten(1))
        for block in self.blocks:
            x = x + block(F.gelu(x))
        return self.norm(self.leave(self.narrow(F.gelu(x))).unflatten(1, (self.rows, -1)))


class PatchProjector(nn.Module):
    """Patch features of a vision tower (B, N, tower width) -> (B, N, D): LLaVA's two layers."""

    def __init__(self, tower_width: int, dim: int) -> None:
        super().__init__()
        self.enter = nn.Linear(tower_width, dim)
        self.leave = nn.Linear(dim, dim)

    def forward(self, seen: Tensor) -> Tensor:
        return self.leave(F.gelu(self.enter(seen.to(self.enter.weight.dtype))))
