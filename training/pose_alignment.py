# SPDX-License-Identifier: Apache-2.0
"""Stage 1 of poses from pictures: the projector alone, against a small head of its own.

As LLaVA aligns its projector before the language model is touched; here the language model is not
even run, so a step costs little more than the simulation of its people.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from backend.model.vision_projector import LandmarkProjector
from backend.motion.pose_tokenizer import PoseTokenizer

from .checkpoint import TrainingState
from .loops import LoopSettings, train
from .pose_samples import PoseBatch, PoseSource, code_scores, pose_code_loss

ALIGNMENT_FOLDER = "alignment"


class AlignmentHead(nn.Module):
    """(B, M, D) rows of the projector -> (B, P, K) scores; only there to teach the projector."""

    def __init__(self, rows: int, dim: int, parts: int, codes: int, width: int = 256) -> None:
        super().__init__()
        self.parts = parts
        self.norm = nn.LayerNorm(dim)
        self.mix = nn.Linear(rows * dim, width)
        self.out = nn.Linear(width, parts * codes)

    def forward(self, rows: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.mix(self.norm(rows).flatten(1)))
        return self.out(hidden).unflatten(1, (self.parts, -1))


def align(
    projector: LandmarkProjector,
    tokenizer: PoseTokenizer,
    source: PoseSource,
    held_out: PoseBatch | None,
    out: Path,
    *,
    dim: int,
    steps: int | None,
    minutes: float | None,
    batch: int = 256,
    rate: float = 1e-3,
    joints: float = 5.0,
    resume: bool = True,
) -> TrainingState:
    """Train the projector in place; log and state go to `out/alignment`."""
    parts, codes, _ = tokenizer.codebook_vectors().shape
    head = AlignmentHead(projector.rows, dim, parts, codes)
    model = nn.ModuleDict({"projector": projector, "head": head})
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)

    def batch_loss(step: int) -> dict[str, Tensor]:
        drawn = source.batch(step, batch)
        logits = head(projector(drawn.seen))
        return pose_code_loss(list(logits.unbind(dim=1)), drawn, tokenizer, joints)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        assert held_out is not None
        codes = head(projector(held_out.seen)).argmax(dim=-1)
        return code_scores(codes, held_out, tokenizer)

    loop = LoopSettings(
        out / ALIGNMENT_FOLDER,
        steps=steps,
        minutes=minutes,
        learning_rate=rate,
        log_every=20,
        validate_every=200,
        resume=resume,
    )
    return train(model, optimizer, loop, batch_loss, validate if held_out else None, "alignment")
