# SPDX-License-Identifier: Apache-2.0
"""From the frames of a clip to rows of the language model (HMVLM, section 3.1).

Letters: B batch, F frames, M rows a frame, S slots, N patches, W numbers a frame, D features of the
language model.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .clip_reader import ClipReader
from .configuration import VisionConfig
from .vision_projector import PatchProjector
from .word_rows import WordRows

_NARROW = 128


def make_clip_projector(config: VisionConfig, dim: int) -> nn.Module:
    """The clip projector that a configuration asks for; dim: D of the language model."""
    if config.kind == "landmarks":
        return ClipProjector(config.clip_rows, config.clip_width, dim, config.clip_words)
    return PatchClipProjector(config.clip_rows, config.tower_width, dim)


class ClipProjector(ClipReader):
    """(B, F, W) of `clip_features` -> (B, F * M + S, D): M rows a frame, then a row for each slot
    that says in a word what the whole clip shows (see WordRows); S is 0 without slots.
    """

    def __init__(
        self, rows: int, width: int, dim: int, slots: tuple[tuple[str, ...], ...] = ()
    ) -> None:
        super().__init__(width)
        self.rows = rows
        self.narrow = nn.Linear(width, _NARROW)
        self.leave = nn.Linear(_NARROW, rows * dim)
        self.norm = nn.LayerNorm(dim)
        self.words = WordRows(slots, width, dim) if slots else None

    @torch.no_grad()
    def fit_scale(self, seen: Tensor, text_std: float) -> None:
        """Normalise by the statistics of examples (B, F, W), and give rows out with the spread of
        the text embeddings."""
        self.fit_numbers(seen)
        self.norm.weight.fill_(text_std)

    def frame_rows(self, seen: Tensor) -> Tensor:
        """(B, F, W) -> (B, F * M, D)."""
        rows = self.leave(F.gelu(self.narrow(self.read(seen))))
        return self.norm(rows.unflatten(-1, (self.rows, -1))).flatten(1, 2)

    def forward(self, seen: Tensor) -> Tensor:
        rows = self.frame_rows(seen)
        return rows if self.words is None else torch.cat([rows, self.words(seen)], dim=1)


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
