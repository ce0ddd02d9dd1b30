# SPDX-License-Identifier: Apache-2.0
"""The gate: from the words of a request to the weights of the experts (HMVLM, section 3.1).

A frozen text encoder (prompt_encoders.py) reads instruction + prompt; a 2-layer perceptron turns
its embedding into alpha. alpha depends on the words alone, so it is computed once a request and
never per token.
"""

from torch import Tensor, nn

from .configuration import GateConfig


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
