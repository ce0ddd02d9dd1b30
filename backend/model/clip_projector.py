# SPDX-License-Identifier: Apache-2.0
"""From the frames of a clip to rows of the language model (HMVLM, section 3.1).

Letters: B batch, F frames, M rows a frame, N patches, W numbers a frame, D features of the language
model.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..vision.clip_features import CLIP_FRAMES, CLIP_WIDTH, LANDMARK_WIDTH
from .configuration import VisionConfig
from .vision_projector import LANDMARK_NUMBERS, LANDMARKS, PatchProjector

_NARROW = 128


def make_clip_projector(config: VisionConfig, dim: int) -> nn.Module:
    """The clip projector that a configuration asks for; dim: D of the language model."""
    if config.kind == "landmarks":
        return ClipProjector(config.clip_rows, config.clip_width, dim)
    return PatchClipProjector(config.clip_rows, config.tower_width, dim)


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


class ClipProjector(nn.Module):
    """(B, F, W) of `clip_features` -> (B, F * M, D).

    The landmarks' numbers are given twice, once weighed by visibility, as LandmarkProjector does.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, rows: int, width: int, dim: int, blocks: int = 2) -> None:
        super().__init__()
        self.rows = rows
        self.register_buffer("mean", torch.zeros(CLIP_WIDTH))
        self.register_buffer("std", torch.ones(CLIP_WIDTH))
        self.enter = nn.Linear(CLIP_WIDTH + LANDMARK_WIDTH, width)
        self.place = nn.Parameter(torch.randn(CLIP_FRAMES, width) * 0.02)
        self.blocks = nn.ModuleList(MixerBlock(width) for _ in range(blocks))
        self.narrow = nn.Linear(width, _NARROW)
        self.leave = nn.Linear(_NARROW, rows * dim)
        self.norm = nn.LayerNorm(dim)

    @torch.no_grad()
    def fit_scale(self, seen: Tensor, text_std: float) -> None:
        """Normalise by the statistics of examples (B, F, W), and give rows out with the spread of
        the text embeddings."""
        flat = seen.flatten(0, 1)
        self.mean.copy_(flat.mean(dim=0))
        self.std.copy_(flat.std(dim=0).clamp_min(1e-2))
        self.norm.weight.fill_(text_std)

    def forward(self, seen: Tensor) -> Tensor:
        numbers = (seen.to(self.enter.weight.dtype) - self.mean) / self.std
        shape = (LANDMARKS, LANDMARK_NUMBERS)
        visibility = seen[..., :LANDMARK_WIDTH].unflatten(-1, shape)[..., 2:3].to(numbers.dtype)
        weighed = numbers[..., :LANDMARK_WIDTH].unflatten(-1, shape) * visibility
        x = self.enter(torch.cat([numbers, weighed.flatten(-2)], dim=-1)) + self.place
        for block in self.blocks:
            x = block(x)
        rows = self.leave(F.gelu(self.narrow(x)))
        return self.norm(rows.unflatten(-1, (self.rows, -1))).flatten(1, 2)


class PatchClipProjector(nn.Module):
    """Patch features of each frame (B, F, N, tower width) -> (B, F * M, D): the mean of N / M
    neighbouring patches through LLaVA's two layers."""

    def __init__(self, rows: int, tower_width: int, dim: int) -> None:
        super().__init__()
        self.rows = rows
        self.projector = PatchProjector(tower_width, dim)

    def forward(self, seen: Tensor) -> Tensor:
        batch, frames = seen.shape[:2]
        pooled = F.adaptive_avg_pool1d(seen.flatten(0, 1).transpose(1, 2), self.rows)
        return self.projector(pooled.transpose(1, 2)).unflatten(0, (batch, frames)).flatten(1, 2)
