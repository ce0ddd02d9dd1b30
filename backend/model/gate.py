# SPDX-License-Identifier: Apache-2.0
"""The gate: from the words of a request to the weights of the experts (HMVLM, section 3.1).

A frozen sentence encoder reads instruction + prompt; a 2-layer perceptron turns its embedding into
alpha. alpha depends on the words alone, so it is computed once a request and never per token.
"""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from .configuration import GateConfig


class PromptEncoder:
    """A frozen sentence encoder: the mean of its last hidden states, of length 1."""

    def __init__(self, model: nn.Module, tokenizer: Any, max_tokens: int = 128) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load a sentence encoder of the MiniLM kind from a folder."""
        from transformers import AutoModel, AutoTokenizer

        model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        return cls(model, AutoTokenizer.from_pretrained(folder, local_files_only=True))

    @torch.no_grad()
    def encode(self, texts: list[str], batch_size: int = 64) -> Tensor:
        """B texts -> (B, D) embeddings."""
        # neighbours in length share a batch, so that little of it is padding
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows: dict[int, Tensor] = {}
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = self.tokenizer(
                [texts[i] for i in chosen],
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(next(self.model.parameters()).device)
            states = self.model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].to(states.dtype)
            means = (states * mask).sum(1) / mask.sum(1).clamp_min(1.0)
            for i, row in zip(chosen, nn.functional.normalize(means, dim=-1), strict=True):
                rows[i] = row
        return torch.stack([rows[i] for i in range(len(texts))])


class Router(nn.Module):
    """(B, D) embeddings -> (B, E) alphas, their sum 1."""

    def __init__(self, config: GateConfig, num_experts: int) -> None:
        super().__init__()
        self.scale = config.embed_dim**0.5  # unit-length embeddings to unit variance
        self.hidden = nn.Linear(config.embed_dim, config.hidden_dim)
        self.out = nn.Linear(config.hidden_dim, num_experts)

    def log_alpha(self, embeddings: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.hidden(embeddings.to(self.out.weight.dtype) * self.scale))
        return self.out(hidden).float().log_softmax(dim=-1)

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.log_alpha(embeddings).exp()


def gate_loss(log_alpha: Tensor, eta: Tensor) -> Tensor:
    """L_gat = -eta log alpha_0, eta (B,) is 1 for prompts unrelated to motion and 0 for others."""
    return -(eta * log_alpha[:, 0]).sum() / eta.sum().clamp_min(1.0)
