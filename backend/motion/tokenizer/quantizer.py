# SPDX-License-Identifier: Apache-2.0
"""One codebook a body part, learned by moving averages, with dead codes brought back to life."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PartQuantizer(nn.Module):
    """Nearest-code lookup in P codebooks of K vectors of S numbers.

    Latents and codes lie on a sphere of radius sqrt(S): with lengths out of the way, no code can
    fall behind because the encoder's outputs grew (as in ViT-VQGAN). In training the codes follow
    the mean of the latents they win (van den Oord et al. 2017, appendix A.1), and a code that
    wins almost nothing is moved onto a latent of the batch.
    """

    codebook: Tensor
    wins: Tensor
    sums: Tensor
    started: Tensor

    def __init__(self, parts: int, codes: int, dim: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("codebook", _on_sphere(torch.randn(parts, codes, dim)))
        self.register_buffer("wins", torch.ones(parts, codes))
        self.register_buffer("sums", torch.zeros(parts, codes, dim))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def lookup(self, latents: Tensor) -> Tensor:
        """(B, L, P, S) -> (B, L, P) long: index of the nearest code of each part."""
        batch, steps, parts, dim = latents.shape
        flat = latents.permute(2, 0, 1, 3).reshape(parts, -1, dim)
        # all codes have the same length: the nearest is the one with the largest product
        nearest = torch.bmm(flat, self.codebook.mT).argmax(dim=-1)
        return nearest.view(parts, batch, steps).permute(1, 2, 0)

    def vectors(self, codes: Tensor) -> Tensor:
        """(B, L, P) long -> (B, L, P, S)."""
        return torch.stack(
            [F.embedding(codes[..., p], self.codebook[p]) for p in range(codes.shape[-1])], dim=2
        )

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, P, S) -> (quantised with a straight-through gradient, codes, commitment loss)."""
        latents = _on_sphere(latents)
        if self.training and not self.started:
            self._start(latents.detach())
        codes = self.lookup(latents.detach())
        quantised = self.vectors(codes)
        if self.training:
            self._learn(latents.detach(), codes)
        commitment = F.mse_loss(latents, quantised)
        return latents + (quantised - latents).detach(), codes, commitment

    def skip(self, latents: Tensor) -> Tensor:
        """(B, L, P, S) -> the same on the sphere, not quantised: for the first training steps."""
        return _on_sphere(latents)

    def _start(self, latents: Tensor) -> None:
        flat = latents.flatten(0, 1)
        for p in range(self.codebook.shape[0]):
            self.codebook[p] = self._samples(flat[:, p], self.codebook.shape[1])
        share = len(flat) / self.codebook.shape[1]
        self.wins.fill_(share)
        self.sums.copy_(self.codebook * share)
        self.started.fill_(True)

    def _samples(self, latents: Tensor, count: int) -> Tensor:
        rows = torch.randint(len(latents), (count,), device=latents.device)
        jitter = torch.randn_like(latents[rows]) * 0.01  # equal latents must not make equal codes
        return _on_sphere(latents[rows] + jitter)

    def _learn(self, latents: Tensor, codes: Tensor) -> None:
        parts, size, _ = self.codebook.shape
        flat, index = latents.flatten(0, 1), codes.flatten(0, 1)
        for p in range(parts):
            count = torch.bincount(index[:, p], minlength=size).to(flat.dtype)
            total = torch.zeros_like(self.codebook[p]).index_add_(0, index[:, p], flat[:, p])
            self.wins[p].mul_(self.decay).add_(count, alpha=1 - self.decay)
            self.sums[p].mul_(self.decay).add_(total, alpha=1 - self.decay)
            # a code is dead when it wins a twentieth of its fair share
            dead = self.wins[p] < 0.05 * len(flat) / size
            if dead.any():
                fresh = self._samples(flat[:, p], int(dead.sum()))
                share = len(flat) / size
                self.wins[p, dead] = share
                self.sums[p, dead] = fresh * share
            self.codebook[p] = _on_sphere(self.sums[p])


def _on_sphere(vectors: Tensor) -> Tensor:
    """(..., S) -> the same directions with length sqrt(S), so that an entry is about 1."""
    return F.normalize(vectors, dim=-1) * vectors.shape[-1] ** 0.5
