# SPDX-License-Identifier: Apache-2.0
"""How likely a model finds given answers, beside its untouched base model."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from backend.errors import InvalidInput
from backend.model.hmvlm import Hmvlm

REFERENCES = "mt-bench-reference-gpt-4.jsonl"
Dialogue = list[tuple[str, str]]


def read_references(source: Path) -> list[Dialogue]:
    """MT-Bench's questions that have a reference answer, each turn with its answer.

    Raises InvalidInput when the questions or the answers are not in SOURCE/prompts.
    """
    folder = source / "prompts"
    try:
        rows = [
            [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]
            for name in ("mt-bench.jsonl", REFERENCES)
        ]
        turns = {row["question_id"]: row["turns"] for row in rows[0]}
        answers = {row["question_id"]: row["choices"][0]["turns"] for row in rows[1]}
    except OSError as error:
        raise InvalidInput(f"{error.filename} is missing: perplexity needs it.") from error
    return [list(zip(turns[key], answers[key], strict=True)) for key in answers]


@torch.inference_mode()
def perplexities(model: Hmvlm, base: Any, dialogues: list[Dialogue]) -> dict[str, float]:
    """ "model" and "base": exp of the mean nats of a token of the answers, over "tokens" of them.

    Each turn follows the answers before it. The gate reads each question, as it does in a chat:
    where it leaves it to the base model, so does this.
    """
    sums = {"model": 0.0, "base": 0.0}
    tokens = 0
    words = model.processor
    for dialogue in tqdm(dialogues, desc="perplexity", unit="question"):
        messages: list[dict[str, str]] = []
        for question, answer in dialogue:
            messages.append({"role": "user", "content": question})
            asked = words.text_rows(words.chat_text(messages))
            said = words.text_rows(answer + words.tokenizer.eos_token)
            shares = model.gate([question])
            weights = None if bool(model.skips_experts(shares)[0]) else shares.to(model.device)
            rows = torch.cat([torch.from_numpy(asked), torch.from_numpy(said)])[None, :-1]
            at = torch.arange(len(asked) - 1, rows.shape[1])
            targets = torch.from_numpy(said[:, 0])
            runs: dict[str, Callable[[], Tensor]] = {
                "model": lambda r=rows, w=weights, k=at: model.text_logits(
                    r.to(model.device), w, keep=k.to(model.device), use_cache=False
                ),
                "base": lambda r=rows, k=at: (
                    base(r[..., 0], logits_to_keep=k, use_cache=False).logits
                ),
            }
            for name, run in runs.items():
                nats = F.cross_entropy(run()[0].float().cpu(), targets, reduction="sum")
                sums[name] += float(nats)
            tokens += len(said)
            messages.append({"role": "assistant", "content": answer})
    if not tokens:
        raise InvalidInput("There are no reference answers to measure.")
    return {**{k: math.exp(v / tokens) for k, v in sums.items()}, "tokens": float(tokens)}
