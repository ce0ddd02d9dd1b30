# SPDX-License-Identifier: Apache-2.0
"""L_fm on words about clips (HMVLM, section 3.1), and how right the words are.

Letters: B batch, N rows of a sequence, P parts, E experts.
"""

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from backend.model.describing import describe_clips
from backend.model.hmvlm import Hmvlm
from backend.model.processing import (
    DESCRIBE_INSTRUCTION,
    DESCRIBE_PROMPT,
    EMPTY,
    IGNORE,
    HmvlmProcessor,
)
from backend.tasks.requests import DEFAULT_DESCRIPTION_TOKENS
from training.data.caption_content import names_content, names_sides

from .clip_samples import ClipBatch, ClipSource
from .metrics.text import text_scores

_CHUNK = 32


def gate_texts(batch: ClipBatch, processor: HmvlmProcessor) -> list[str]:
    """B texts that the gate reads for the requests of a batch."""
    return [
        processor.gate_text(question or DESCRIBE_PROMPT, DESCRIBE_INSTRUCTION)
        for question in batch.questions
    ]


def caption_rows(
    batch: ClipBatch, processor: HmvlmProcessor, features: int
) -> tuple[Tensor, Tensor]:
    """ids (B, N, P) of requests with their answers, and labels (B, N): the text token that each row
    predicts, IGNORE where none. Right-padded; features: rows of the sequence a clip takes."""
    end = processor.tokenizer.eos_token
    pairs = []
    for question, answer, seconds in zip(
        batch.questions, batch.answers, batch.seconds.tolist(), strict=True
    ):
        asked = processor.describe_ids(features, seconds, question)
        pairs.append((asked, processor.text_rows(answer + end)))
    longest = max(len(a) + len(b) for a, b in pairs) - 1
    ids = np.full((len(pairs), longest, pairs[0][0].shape[1]), EMPTY, dtype=np.int64)
    labels = np.full((len(pairs), longest), IGNORE, dtype=np.int64)
    for row, (asked, said) in enumerate(pairs):
        ids[row, : len(asked) + len(said) - 1] = np.concatenate([asked, said[:-1]])
        labels[row, len(asked) - 1 : len(asked) + len(said) - 1] = said[:, 0]
    return torch.from_numpy(ids), torch.from_numpy(labels)


def caption_loss(
    model: Hmvlm, batch: ClipBatch, alpha: Tensor, smoothing: float = 0.0
) -> dict[str, Tensor]:
    """ "caption": mean cross-entropy of a text token of the answers, in nats. alpha: (B, E).

    Raises AssetError for a model that reads no clips.
    """
    features = model.watching()(batch.seen.to(model.device))
    ids, labels = caption_rows(batch, model.processor, features.shape[1])
    columns = (labels != IGNORE).any(dim=0).nonzero()[:, 0]
    targets = labels[:, columns].to(model.device)
    logits = model.text_logits(
        ids.to(model.device),
        alpha.to(model.device),
        keep=columns.to(model.device),
        features=features,
        use_cache=False,
    )
    wanted = targets != IGNORE
    loss = F.cross_entropy(logits[wanted].float(), targets[wanted], label_smoothing=smoothing)
    return {"caption": loss}


@torch.no_grad()
def describe_batch(model: Hmvlm, batch: ClipBatch) -> list[str]:
    """B greedy answers to the requests of a batch."""
    words = model.processor
    alphas = model.gate(gate_texts(batch, words))
    features = torch.cat(
        [model.watching()(part.to(model.device)) for part in batch.seen.split(_CHUNK)]
    )
    groups: dict[int, list[tuple[int, np.ndarray]]] = defaultdict(list)
    for index, (question, seconds) in enumerate(
        zip(batch.questions, batch.seconds.tolist(), strict=True)
    ):
        rows = words.describe_ids(features.shape[1], seconds, question)
        groups[len(rows)].append((index, rows))  # no padding: prompts of one length go together
    out = [""] * len(batch.questions)
    for group in groups.values():
        for start in range(0, len(group), _CHUNK):
            chosen = group[start : start + _CHUNK]
            at = [index for index, _ in chosen]
            ids = torch.from_numpy(np.stack([rows for _, rows in chosen]))
            said = describe_clips(
                model, ids, features[at], alphas[at], max_new_tokens=DEFAULT_DESCRIPTION_TOKENS
            )
            for index, tokens in zip(at, said, strict=True):
                out[index] = words.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    return out


def caption_scores(captions: list[str], source: ClipSource, clips: np.ndarray) -> dict[str, float]:
    """Scores of B captions of clips (B,) of a source, each from 0 to 1 but for "cider".

    "content": how many name every action of their clip (see caption_content; a composite has two);
    "side": how many of those whose clip is about the left or the right say that side and no other;
    "bleu4", "rouge_l", "cider" against the clips' descriptions. Raises InvalidInput for none.
    """
    at = clips.tolist()
    references = [source.descriptions[index] for index in at]
    scores = text_scores(captions, references)
    content = [names_content(c, source.shown[i]) for c, i in zip(captions, at, strict=True)]
    sides = [
        names_sides(c, source.sides[i])
        for c, i in zip(captions, at, strict=True)
        if source.sides[i] & {"left", "right"}
    ]
    return {
        "content": sum(content) / len(content),
        "side": sum(sides) / len(sides) if sides else 1.0,
        **scores,
        "clips": float(len(captions)),
        "sided_clips": float(len(sides)),
    }
