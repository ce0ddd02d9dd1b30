# SPDX-License-Identifier: Apache-2.0
"""The rows of the vocabulary that the language model did not have: motion in, motion out.

The base model's own embedding and text head stay untouched; these tables stand beside them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration import HmvlmConfig
from .processing import CONTROL_TOKENS


class MotionEmbedding(nn.Module):
    """Input rows of the motion codes and the control tokens."""

    def __init__(self, config: HmvlmConfig) -> None:
        super().__init__()
        self.parts, self.codes = config.parts, config.codebook_size
        self.motion = nn.Parameter(torch.randn(self.parts * self.codes, config.hidden_size) * 0.02)
        self.control = nn.Parameter(torch.randn(len(CONTROL_TOKENS), config.hidden_size) * 0.02)

    @torch.no_grad()
    def start_from_codebook(self, vectors: Tensor, text_std: float, seed: int = 0) -> None:
        """Start from the tokenizer's codebook (P, K, S): codes that mean alike start alike.

        A fixed random projection takes S to D, a row per part tells the parts apart, and the sum
        over the parts of one step is scaled to the spread of the text embeddings.
        """
        generator = torch.Generator().manual_seed(seed)
        parts, codes, size = vectors.shape
        if (parts, codes) != (self.parts, self.codes):
            raise ValueError(
                f"codebook is {parts}x{codes}, the model's is {self.parts}x{self.codes}"
            )
        dim = self.motion.shape[1]
        vectors = vectors.float() - vectors.float().mean(dim=1, keepdim=True)
        vectors = vectors / vectors.std().clamp_min(1e-6)
        projection = torch.randn(parts, size, dim, generator=generator) / size**0.5
        rows = torch.einsum("pks,psd->pkd", vectors, projection)
        rows = rows + 0.5 * torch.randn(parts, 1, dim, generator=generator)
        rows = rows / rows.std() * text_std / parts**0.5
        self.motion.copy_(rows.reshape(parts * codes, dim))
        self.control.copy_(torch.randn(self.control.shape, generator=generator) * text_std)


class MotionHead(nn.Module):
    """Scores of the P x K motion codes from the last hidden state, the parts of a step in a chain.

    Part p of a step is scored after parts 0..p-1 of the same step are chosen: their embeddings are
    projected and added to the hidden state, so that the arms agree with the torso although one
    step of the language model predicts them all. The end of the motion is row K of part 0.
    """

    def __init__(self, config: HmvlmConfig) -> None:
        super().__init__()
        dim, inner = config.hidden_size, config.part_head_dim
        self.parts, self.codes = config.parts, config.codebook_size
        self.rows = nn.Parameter(torch.randn(self.parts * self.codes, dim) * 0.02)
        self.end = nn.Parameter(torch.zeros(1, dim))
        self.chosen = nn.Linear(dim, dim, bias=False)
        self.up = nn.Parameter(torch.randn(self.parts, inner, dim) / dim**0.5)
        self.down = nn.Parameter(torch.zeros(self.parts, dim, inner))

    def part_logits(self, hidden: Tensor, chosen: Tensor, part: int) -> Tensor:
        """hidden (M, D), chosen (M, D) sum of the embeddings of the parts already chosen in this
        step -> (M, K), or (M, K + 1) for part 0, whose last row is the end."""
        state = hidden + self.chosen(chosen)
        state = state + F.linear(F.gelu(F.linear(state, self.up[part])), self.down[part])
        rows = self.rows[part * self.codes : (part + 1) * self.codes]
        if part == 0:
            rows = torch.cat([rows, self.end])
        return F.linear(state, rows)
