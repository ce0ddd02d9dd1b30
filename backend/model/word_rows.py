# SPDX-License-Identifier: Apache-2.0
"""What a clip shows, spelled for the language model: one row for each slot of a fixed form.

A slot is a question with few answers: which action, which side, which way. Letters: B batch,
F frames, W numbers a frame, S slots, V words of a slot, D features of the language model.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..vision.clip_features import CLIP_FRAMES
from .clip_reader import ClipReader

_NARROW = 128


class WordRows(ClipReader):
    """(B, F, W) of `clip_features` -> (B, S, D): of each slot the words' embeddings, by how likely
    each word is.

    slots: the words of each. It reads the clip by itself: stage 1 knows the right word of every
    slot, and the loss of whole sentences in stage 2, which tells less, does not reach it; only the
    embeddings are trained there.
    """

    def __init__(self, slots: tuple[tuple[str, ...], ...], width: int, dim: int) -> None:
        super().__init__(width)
        self.sizes = [len(words) for words in slots]
        self.narrow = nn.Linear(width, _NARROW)
        self.mix = nn.Linear(CLIP_FRAMES * _NARROW, width)
        self.answer = nn.Linear(width, sum(self.sizes))
        self.embeddings = nn.Parameter(torch.zeros(sum(self.sizes), dim))

    def scores(self, seen: Tensor) -> list[Tensor]:
        """S times (B, V): logits of the words of each slot."""
        frames = F.gelu(self.narrow(self.read(seen))).flatten(1)
        return list(self.answer(F.gelu(self.mix(frames))).split(self.sizes, dim=1))

    def forward(self, seen: Tensor) -> Tensor:
        with torch.no_grad():
            shares = [scores.softmax(dim=1) for scores in self.scores(seen)]
        tables = self.embeddings.split(self.sizes)
        return torch.stack([s @ t for s, t in zip(shares, tables, strict=True)], dim=1)
