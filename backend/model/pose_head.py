# SPDX-License-Identifier: Apache-2.0
"""The rows of the vocabulary that say a pose: five codes, one a body part (HMVLM, section 3.2).

Letters: B batch, P parts, D features, K codes a part, S numbers a code vector.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration import HmvlmConfig, VisionConfig


class PoseHead(nn.Module):
    """Scores of the P x K pose codes from one hidden state, the parts in a chain.

    As in MotionHead, each part is scored after the parts before it are chosen; the rows of the
    chosen codes are projected and added to the state. A pose has no end to predict.
    """

    def __init__(self, config: HmvlmConfig) -> None:
        super().__init__()
        seeing = config.vision or VisionConfig()
        dim, inner = config.hidden_size, seeing.head_dim
        self.parts, self.codes = config.parts, config.codebook_size
        self.rows = nn.Parameter(torch.randn(self.parts * self.codes, dim) * 0.02)
        self.chosen = nn.Linear(dim, dim, bias=False)
        self.up = nn.Parameter(torch.randn(self.parts, inner, dim) / dim**0.5)
        self.down = nn.Parameter(torch.zeros(self.parts, dim, inner))

    @torch.no_grad()
    def start_from_codebook(self, vectors: Tensor, seed: int = 0) -> None:
        """Start from the pose tokenizer's codebook (P, K, S): codes that mean alike score alike."""
        if vectors.shape[:2] != (self.parts, self.codes):
            raise ValueError(f"codebook is {vectors.shape[:2]}, not {(self.parts, self.codes)}")
        generator = torch.Generator().manual_seed(seed)
        vectors = vectors.float() - vectors.float().mean(dim=1, keepdim=True)
        dim = self.rows.shape[1]
        projection = torch.randn(self.parts, vectors.shape[2], dim, generator=generator)
        rows = torch.einsum("pks,psd->pkd", vectors, projection.to(vectors.device))
        self.rows.copy_((rows / rows.std().clamp_min(1e-6) * 0.02).flatten(0, 1))

    def part_logits(self, state: Tensor, chosen: Tensor, part: int) -> Tensor:
        """state (B, D), chosen (B, D) sum of the rows of the parts before -> (B, K)."""
        state = state + self.chosen(chosen)
        state = state + F.linear(F.gelu(F.linear(state, self.up[part])), self.down[part])
        return F.linear(state, self.rows[part * self.codes : (part + 1) * self.codes])

    def code_rows(self, codes: Tensor, part: int) -> Tensor:
        """(B,) codes of a part -> (B, D) what they add to `chosen`, scaled to a state's size."""
        return F.embedding(codes + part * self.codes, self.rows) / 0.02

    def scores(self, states: Tensor, codes: Tensor) -> list[Tensor]:
        """states (B, D), true codes (B, P) -> per part (B, K), each given the true parts before."""
        chosen, out = torch.zeros_like(states), []
        for part in range(self.parts):
            out.append(self.part_logits(states, chosen, part))
            chosen = chosen + self.code_rows(codes[:, part], part)
        return out
