# SPDX-License-Identifier: Apache-2.0
"""What reads the numbers of a clip's frames, frame by frame and together.

Letters: B batch, F frames, W numbers a frame.
"""

import torch
from torch import Tensor, nn

from ..vision.clip_features import CLIP_FRAMES, CLIP_WIDTH, LANDMARK_WIDTH
from .vision_projector import LANDMARK_NUMBERS, LANDMARKS


class MixerBlock(nn.Module):
    """(B, F, width) -> the same: over the frames, then over the numbers (as in MLP-Mixer)."""

    def __init__(self, width: int, inner: int = 32) -> None:
        super().__init__()
        self.over_frames = nn.Sequential(
            nn.Linear(CLIP_FRAMES, inner), nn.GELU(), nn.Linear(inner, CLIP_FRAMES)
        )
        self.over_numbers = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.over_frames(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.over_numbers(self.norms[1](x))


class ClipReader(nn.Module):
    """(B, F, W) of `clip_features` -> (B, F, width), by `read`.

    The landmarks' numbers are taken twice, once weighed by visibility, as LandmarkProjector does.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int, blocks: int = 2) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(CLIP_WIDTH))
        self.register_buffer("std", torch.ones(CLIP_WIDTH))
        self.enter = nn.Linear(CLIP_WIDTH + LANDMARK_WIDTH, width)
        self.place = nn.Parameter(torch.randn(CLIP_FRAMES, width) * 0.02)
        self.blocks = nn.ModuleList(MixerBlock(width) for _ in range(blocks))

    @torch.no_grad()
    def fit_numbers(self, seen: Tensor) -> None:
        """Normalise by the statistics of examples (B, F, W)."""
        flat = seen.flatten(0, 1)
        self.mean.copy_(flat.mean(dim=0))
        self.std.copy_(flat.std(dim=0).clamp_min(1e-2))

    def read(self, seen: Tensor) -> Tensor:
        numbers = (seen.to(self.enter.weight.dtype) - self.mean) / self.std
        shape = (LANDMARKS, LANDMARK_NUMBERS)
        visibility = seen[..., :LANDMARK_WIDTH].unflatten(-1, shape)[..., 2:3].to(numbers.dtype)
        weighed = numbers[..., :LANDMARK_WIDTH].unflatten(-1, shape) * visibility
        x = self.enter(torch.cat([numbers, weighed.flatten(-2)], dim=-1)) + self.place
        for block in self.blocks:
            x = block(x)
        return x
