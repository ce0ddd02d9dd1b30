# SPDX-License-Identifier: Apache-2.0
"""Stage 1 of clips: the projector alone, against a small head of its own, as for pictures.

The head tells the family of the action, its side and the words of a description. It is thrown away;
what it reaches on clips never trained on bounds what the language model can say of them.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backend.model.clip_projector import ClipProjector
from backend.vision.clip_features import CLIP_FRAMES
from training.data.caption_content import FAMILIES, SIDES

from .checkpoint import TrainingState
from .clip_samples import NO_SIDE, ClipBatch, ClipLabels, ClipSource, all_clips
from .loops import LoopSettings, train

CLIP_ALIGNMENT_FOLDER = "clip_alignment"


class SpelledWords(nn.Module):
    """(B, F * M, D) rows of the projector -> (B, V) scores of words by their own embeddings.

    So the rows come to lie where the frozen language model already reads these words, and it has
    less to learn in stage 2. embeddings: (V, D).
    """

    embeddings: Tensor

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.register_buffer("embeddings", F.normalize(embeddings.float(), dim=1))
        self.scale = nn.Parameter(torch.tensor(3.0))
        self.bias = nn.Parameter(torch.full((len(embeddings),), -4.0))

    def forward(self, rows: Tensor) -> Tensor:
        near = self.scale.exp() * F.normalize(rows, dim=-1) @ self.embeddings.T
        return near.logsumexp(dim=1) + self.bias


class ClipHead(nn.Module):
    """(B, F * M, D) rows of the projector -> families (B, C), sides (B, 4), words (B, V)."""

    def __init__(self, rows: int, dim: int, words: int, width: int = 256) -> None:
        super().__init__()
        self.sizes = (len(FAMILIES), len(SIDES) + 1, words)
        self.norm = nn.LayerNorm(dim)
        self.narrow = nn.Linear(dim, 64)
        self.mix = nn.Linear(CLIP_FRAMES * rows * 64, width)
        self.out = nn.Linear(width, sum(self.sizes))

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        hidden = F.gelu(self.narrow(self.norm(rows))).flatten(1)
        return self.out(F.gelu(self.mix(hidden))).split(self.sizes, dim=1)


def align(
    projector: ClipProjector,
    source: ClipSource,
    held_out: ClipSource | None,
    out: Path,
    *,
    spell: Callable[[list[str]], tuple[list[int], Tensor]],
    dim: int,
    steps: int | None,
    minutes: float | None,
    batch: int = 128,
    rate: float = 2e-3,
    resume: bool = True,
) -> TrainingState:
    """Train the projector in place; log and state go to `out/clip_alignment`.

    held_out: clips of another split; how often the head tells their family and side is logged.
    spell: which of some words the language model has a token for, and the embeddings of these.
    """
    labels = ClipLabels(source)
    head = ClipHead(projector.rows, dim, len(labels.vocabulary))
    spelled, embeddings = spell(labels.vocabulary)
    reader = SpelledWords(embeddings)
    model = nn.ModuleDict({"projector": projector, "head": head, "reader": reader})
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.05)

    def batch_loss(step: int) -> dict[str, Tensor]:
        drawn = source.batch(step, batch)
        rows = projector.frame_rows(drawn.seen)
        families, sides, words = head(rows)
        said = labels.words(source, drawn.clips)
        terms = {
            "content": F.cross_entropy(families, labels.families(source, drawn.clips)),
            "side": F.cross_entropy(sides, labels.sides(source, drawn.clips), ignore_index=NO_SIDE),
            "words": F.binary_cross_entropy_with_logits(words, said),
        }
        loss = terms["content"] + terms["side"] + 5.0 * terms["words"]
        if spelled:  # a tokenizer may have no whole word
            near = F.binary_cross_entropy_with_logits(reader(rows), said[:, spelled])
            loss, terms["spelled"] = loss + 5.0 * near, near
        return {"loss": loss, **{name: value.detach() for name, value in terms.items()}}

    fixed = all_clips(held_out) if held_out is not None and len(held_out.usable) else None

    def validate() -> dict[str, float]:
        assert held_out is not None
        assert fixed is not None
        return head_scores(projector, head, labels, held_out, fixed)

    loop = LoopSettings(
        out / CLIP_ALIGNMENT_FOLDER,
        steps=steps,
        minutes=minutes,
        learning_rate=rate,
        log_every=20,
        validate_every=100,
        resume=resume,
    )
    return train(model, optimizer, loop, batch_loss, validate if fixed else None, "clip alignment")


@torch.no_grad()
def head_scores(
    projector: ClipProjector,
    head: ClipHead,
    labels: ClipLabels,
    source: ClipSource,
    batch: ClipBatch,
) -> dict[str, float]:
    """How often the head tells one of a clip's families, and its side where it has one."""
    families, sides, _ = head(projector.frame_rows(batch.seen))
    wanted = labels.families(source, batch.clips)
    right = wanted.gather(1, families.argmax(dim=1, keepdim=True))[:, 0] > 0
    side = labels.sides(source, batch.clips)
    sided = (side >= 0) & (side < len(SIDES))
    hit = (sides.argmax(dim=1) == side)[sided]
    return {
        "content_right": float(right.float().mean()),
        "side_right": float(hit.float().mean()) if len(hit) else 1.0,
    }
