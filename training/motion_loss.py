# SPDX-License-Identifier: Apache-2.0
"""L_fm on motion (HMVLM, section 3.1), in training and on clips that are never trained on."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from backend.model.hmvlm import Hmvlm
from backend.model.processing import IGNORE
from blender_addon.shared.skeleton import PART_NAMES
from training.data.prepared import PreparedDataset

from .instruct_data import Batch, InstructSampler, SampleSettings, tokenize_clips

CACHE_FOLDER = "cache"


def motion_loss(
    model: Hmvlm, batch: Batch, alpha: Tensor, smoothing: float = 0.0, of: Batch | None = None
) -> dict[str, Tensor]:
    """L_fm on a motion batch: mean cross-entropy of a motion token, and of each part's, in nats.

    of: the batch that `batch` is a share of. The means are then over its tokens, so that the terms
    of all shares add up to the whole batch's.
    """
    ids, labels = batch.ids.to(model.device), batch.labels.to(model.device)
    hidden = model.hidden(ids, alpha.to(model.device), use_cache=False)
    cells = ((batch if of is None else of).labels != IGNORE).sum(dim=(0, 1)).tolist()
    sums, terms = [], {}
    for part, (logits, targets) in enumerate(model.motion_scores(hidden, labels)):
        total = F.cross_entropy(logits.float(), targets, reduction="sum", label_smoothing=smoothing)
        sums.append(total)
        terms[_part_name(part)] = total.detach() / max(cells[part], 1)
    return {"motion": torch.stack(sums).sum() / max(sum(cells), 1), **terms}


def _part_name(part: int) -> str:
    return PART_NAMES[part] if part < len(PART_NAMES) else f"part{part}"


def validation_batches(folder: Path, model: Hmvlm) -> list[Batch]:
    """Fixed batches of the val split: plain captions with their length, nothing replaced."""
    data = PreparedDataset(folder, "val")
    if len(data) == 0:
        return []
    quiet = SampleSettings(
        with_seconds=1.0, with_last=0.0, no_caption=0.0, noise=0.0, composite_share=0.25
    )
    codes = tokenize_clips(data, model.motion_tokenizer, folder / CACHE_FOLDER)
    sampler = InstructSampler(data, codes, model.processor, quiet, batch=24, seed=1)
    return [sampler.batch(step) for step in range(8)]


@torch.no_grad()
def validation_loss(model: Hmvlm, batches: list[Batch]) -> dict[str, float]:
    """Nats a motion token on clips never trained on, in all and for each part."""
    sums: dict[str, float] = {}
    tokens = 0
    for batch in batches:
        alpha = model.gate([model.processor.gate_text(c) for c in batch.captions])
        count = int((batch.labels != IGNORE).sum())
        tokens += count
        for name, value in motion_loss(model, batch, alpha).items():
            sums[name] = sums.get(name, 0.0) + float(value) * count
    return {name: value / tokens for name, value in sums.items()}
