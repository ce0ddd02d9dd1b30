# SPDX-License-Identifier: Apache-2.0
"""Stage 1 of the words that are spelled for a clip: which word each slot should say.

As a picture's tags are given to a language model beside its patches: what is sure is said in words
that it knows already, so that stage 2 has less to learn. Letters: B batch, S slots, V words.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.model.word_rows import WordRows
from training.data.clip_words import slot_shares

from .checkpoint import TrainingState
from .clip_samples import ClipBatch, ClipSource, all_clips
from .loops import LoopSettings, train

WORD_ALIGNMENT_FOLDER = "word_alignment"
_NAMES = ("action", "second_action", "side", "second_side", "link", "travel", "gait")
_SMOOTHING = 0.02


def align(
    words: WordRows,
    source: ClipSource,
    held_out: ClipSource | None,
    out: Path,
    *,
    steps: int | None,
    minutes: float | None,
    batch: int = 128,
    rate: float = 2e-3,
    resume: bool = True,
) -> TrainingState:
    """Train the words in place; log and state go to `out/word_alignment`.

    held_out: clips of another split; how often each slot says a right word is logged.
    """
    trained = [p for name, p in words.named_parameters() if name != "embeddings"]
    optimizer = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.99), weight_decay=0.05)
    known = _Known(source)

    def batch_loss(step: int) -> dict[str, Tensor]:
        drawn = source.batch(step, batch)
        terms = slot_losses(words.scores(drawn.seen), known.shares(drawn.clips))
        loss = torch.stack(list(terms.values())).sum()
        return {"loss": loss, **{name: value.detach() for name, value in terms.items()}}

    fixed = all_clips(held_out) if held_out is not None and len(held_out.usable) else None

    def validate() -> dict[str, float]:
        assert held_out is not None
        assert fixed is not None
        return slots_right(words, _Known(held_out), fixed)

    loop = LoopSettings(
        out / WORD_ALIGNMENT_FOLDER,
        steps=steps,
        minutes=minutes,
        learning_rate=rate,
        log_every=20,
        validate_every=200,
        resume=resume,
    )
    return train(words, optimizer, loop, batch_loss, validate if fixed else None, "word alignment")


class _Known:
    """Which word each slot should say of each clip of a source."""

    def __init__(self, source: ClipSource) -> None:
        self._of = {i: slot_shares(source.data.clips[i]) for i in source.usable.tolist()}

    def shares(self, clips: np.ndarray) -> list[Tensor]:
        """S times (B, V), 0 in rows of clips that do not tell."""
        rows = [self._of[i] for i in clips.tolist()]
        return [torch.from_numpy(np.stack(slot)) for slot in zip(*rows, strict=True)]


def slot_losses(scores: list[Tensor], shares: list[Tensor]) -> dict[str, Tensor]:
    """Cross-entropy of each slot, over the clips that tell its word.

    Where several words may be said, any of them is as good: their chances add up.
    """
    out = {}
    for name, logits, wanted in zip(_NAMES, scores, shares, strict=True):
        told = wanted.sum(dim=1) > 0
        logs = logits.log_softmax(dim=1)
        right = logs.masked_fill(wanted == 0, -torch.inf)[told].logsumexp(dim=1)
        even = logs[told].mean(dim=1)
        loss = -((1 - _SMOOTHING) * right + _SMOOTHING * even).sum()
        out[name] = loss / told.sum().clamp_min(1)
    return out


@torch.no_grad()
def slots_right(words: WordRows, known: _Known, batch: ClipBatch) -> dict[str, float]:
    """NAME_right of each slot: how many of the clips that tell its word are given a right one."""
    out = {}
    scores = words.scores(batch.seen)
    for name, logits, wanted in zip(_NAMES, scores, known.shares(batch.clips), strict=True):
        told = wanted.sum(dim=1) > 0
        hit = wanted.gather(1, logits.argmax(dim=1, keepdim=True))[told, 0] > 0
        out[f"{name}_right"] = float(hit.float().mean()) if len(hit) else 1.0
    return out
