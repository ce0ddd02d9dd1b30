# SPDX-License-Identifier: Apache-2.0
"""General questions with answers: the share of L_fm that is plain text (HMVLM, section 3.1)."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from backend.model.hmvlm import Hmvlm
from backend.model.processing import EMPTY, IGNORE, HmvlmProcessor
from training.data.dialogue import read_dialogues

_MAX_TOKENS = 160


@dataclass(frozen=True)
class Answered:
    """ids (N, P): a chat with its answer; the first prompt_rows are the question."""

    prompt: str
    ids: np.ndarray
    prompt_rows: int


def read_answered(source: Path, processor: HmvlmProcessor) -> list[Answered]:
    """The dialogues of the source folder that have an answer and are short enough."""
    out = []
    for dialogue in read_dialogues(source):
        if dialogue.answer is None:
            continue
        question = processor.text_rows(
            processor.chat_text([{"role": "user", "content": dialogue.prompt}])
        )
        answer = processor.text_rows(dialogue.answer + processor.tokenizer.eos_token)
        if len(question) + len(answer) <= _MAX_TOKENS:
            out.append(Answered(dialogue.prompt, np.concatenate([question, answer]), len(question)))
    return out


def general_batch(model: Hmvlm, answered: list[Answered], step: int, size: int = 4) -> Tensor:
    """Mean cross-entropy of the answers' text tokens, the experts weighed by the gate."""
    assert model.encoder is not None
    chosen = random.Random(step).sample(answered, min(size, len(answered)))
    longest = max(len(item.ids) for item in chosen)
    ids = np.full((len(chosen), longest, chosen[0].ids.shape[1]), EMPTY, dtype=np.int64)
    labels = np.full((len(chosen), longest), IGNORE, dtype=np.int64)
    for row, item in enumerate(chosen):
        ids[row, : len(item.ids)] = item.ids
        labels[row, item.prompt_rows - 1 : len(item.ids) - 1] = item.ids[item.prompt_rows :, 0]
    targets = torch.from_numpy(labels).to(model.device)
    prompts = model.encoder.encode([item.prompt for item in chosen]).to(model.device)
    columns = (targets != IGNORE).any(dim=0).nonzero()[:, 0]
    rows = torch.from_numpy(ids).to(model.device)
    logits = model.text_logits(rows, model.router(prompts), keep=columns, use_cache=False)
    targets = targets[:, columns]
    wanted = targets != IGNORE
    return F.cross_entropy(logits[wanted].float(), targets[wanted])
