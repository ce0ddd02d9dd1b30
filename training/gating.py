# SPDX-License-Identifier: Apache-2.0
"""Teaching the gate: which prompts are about motion, from the words alone.

Prompts come with and without their instruction, of both kinds, so that neither the presence nor
the absence of an instruction gives the answer away. Embeddings are computed once and kept.
"""

import hashlib
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from backend.model.gate import Router, gate_loss
from backend.model.processing import (
    DESCRIBE_INSTRUCTION,
    DESCRIBE_PROMPT,
    MOTION_INSTRUCTION,
    POSE_INSTRUCTION,
    POSE_PROMPT,
    QUESTION_INSTRUCTION,
    SYSTEM_PROMPT,
)
from backend.model.prompt_encoders import PromptEncoder
from training.data.clip_questions import QUESTIONS
from training.data.dialogue import (
    animator_prompts,
    held_out,
    read_dialogues,
    tricky_general_prompts,
)
from training.data.general_prompts import topical_prompts

_GENERAL_INSTRUCTIONS = (SYSTEM_PROMPT + ".", QUESTION_INSTRUCTION)


@dataclass(frozen=True)
class GateWeights:
    """Weights of the gate's terms.

    eta: L_gat of the paper, on prompts unrelated to motion. motion: -log(1 - alpha_0) on motion
    prompts, small, so that the language-model loss alone decides among the experts but cannot drift
    into the zero expert. balance: keeps every expert in use over a batch of motion prompts.
    """

    eta: float = 1.0
    motion: float = 0.2
    balance: float = 0.02


@dataclass(frozen=True)
class GateTexts:
    """Prompts of both kinds, on one side of the split."""

    motion: list[str]
    general: list[str]


def collect_texts(source: Path, captions: list[str], *, test: bool, seed: int = 0) -> GateTexts:
    """Gate prompts of one side of the split. captions: of that side's clips."""
    rng = random.Random(seed)
    made = tricky_general_prompts() + topical_prompts(3500, rng)
    asked = [d.prompt for d in read_dialogues(source) if held_out(d.prompt) == test]
    general = asked + closing_questions(asked) + [t for t in made if held_out(t) == test]
    people = [text for text in human_sentences(source) if held_out(text) == test]
    terse = [text for text in animator_prompts(3500, rng) if held_out(text) == test]
    motion = list(dict.fromkeys([*captions, *people, *terse]))
    return GateTexts(motion, list(dict.fromkeys(general)))


def closing_questions(prompts: list[str]) -> list[str]:
    """The last sentence of each longer prompt that ends in a question: follow-ups are as short."""
    out = []
    for prompt in prompts:
        sentences = re.split(r"(?<=[.!?])\s+", prompt.strip())
        if len(sentences) > 1 and sentences[-1].endswith("?") and len(sentences[-1]) > 12:
            out.append(sentences[-1])
    return list(dict.fromkeys(out))


def human_sentences(source: Path) -> list[str]:
    """Sentences that people wrote about motions (KIT, CMU), where the source folder has them."""
    kit, cmu = source / "captions" / "kit-ml.json", source / "captions" / "cmu-index.md"
    out: list[str] = []
    if kit.is_file():
        out += [text for clip in json.loads(kit.read_text("utf-8")) for text in clip["captions"]]
    if cmu.is_file():
        lines = re.findall(r"^\d+_\d+\s+(\S.*)$", cmu.read_text("utf-8"), flags=re.MULTILINE)
        out += [line.strip() for line in lines if line.strip().lower() != "unknown"]
    return out


def with_instructions(texts: GateTexts, rng: random.Random) -> GateTexts:
    """Both forms of every prompt: bare, and after an instruction; those of a pose request, and of
    requests to describe a clip or to answer a question about one."""
    motion = texts.motion + [f"{MOTION_INSTRUCTION} {text}" for text in texts.motion]
    motion.append(f"{POSE_INSTRUCTION} {POSE_PROMPT}")
    motion += [f"{DESCRIBE_INSTRUCTION} {text}" for text in (DESCRIBE_PROMPT, *QUESTIONS)]
    general = texts.general + [f"{rng.choice(_GENERAL_INSTRUCTIONS)} {t}" for t in texts.general]
    return GateTexts(motion, general)


class EmbeddingStore:
    """Embeddings of texts that were asked for before, kept in one file.

    It is written now and then while many are encoded, so that a stopped run loses little.
    """

    def __init__(self, encoder: PromptEncoder, path: Path) -> None:
        self.encoder, self.path = encoder, path
        self.rows: dict[int, Tensor] = {}
        if path.is_file():
            saved = load_file(path)
            self.rows = dict(zip(saved["keys"].tolist(), saved["embeddings"], strict=True))

    def embed(self, texts: list[str]) -> Tensor:
        """M texts -> (M, D); the new ones are encoded and the file is written again."""
        keys = [_key(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self.rows}
        order = sorted(new, key=lambda key: len(new[key]))
        for start in tqdm(range(0, len(order), 256), desc="embedding prompts", disable=not new):
            chosen = order[start : start + 256]
            rows = self.encoder.encode([new[key] for key in chosen])
            self.rows.update(zip(chosen, rows, strict=True))
            if start % 4096 == 0 or start + 256 >= len(order):
                self._save()
        return torch.stack([self.rows[key] for key in keys])

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "keys": torch.tensor(list(self.rows)),
            "embeddings": torch.stack(list(self.rows.values())),
        }
        part = self.path.with_suffix(".part")
        save_file(kept, part)
        part.replace(self.path)


def _key(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def gate_terms(
    log_motion: Tensor, log_general: Tensor, weights: GateWeights, *, zero_expert: bool = True
) -> dict[str, Tensor]:
    """The gate's losses. log_motion, log_general: (M, E) log alphas of prompts of each kind.

    Without a zero expert only the balance is left: nothing tells the two kinds apart.
    """
    if not zero_expert:
        balance = _imbalance(log_motion)
        return {"gate": weights.balance * balance, "balance": balance}
    l_gat = gate_loss(log_general, log_general.new_ones(len(log_general)))
    # log(1 - alpha_0) as the log of the others' sum: exact where alpha_0 is near 1
    low = -torch.logsumexp(log_motion[:, 1:], dim=1).mean()
    balance = _imbalance(log_motion[:, 1:])
    total = weights.eta * l_gat + weights.motion * low + weights.balance * balance
    return {"gate": total, "l_gat": l_gat, "motion_low": low, "balance": balance}


def _imbalance(log_shares: Tensor) -> Tensor:
    """(M, E) -> 0 where the experts have even shares on average; log E where one has all."""
    mean = log_shares.softmax(dim=1).mean(dim=0)
    return (mean * (mean * len(mean)).log()).sum()


def train_router(
    router: Router,
    motion: Tensor,
    general: Tensor,
    *,
    steps: int,
    weights: GateWeights,
    batch: int = 512,
    seed: int = 0,
) -> dict[str, float]:
    """Fit the router to embeddings (M, D) of both kinds, half a batch of each; seconds of work."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(router.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    terms: dict[str, Tensor] = {}
    for _ in range(steps):
        rows = [
            part[torch.randint(len(part), (batch // 2,), generator=generator)]
            for part in (motion, general)
        ]
        # noise as wide as the step between paraphrases: the border must not hug the samples
        rows = [row + 0.02 * torch.randn(row.shape, generator=generator) for row in rows]
        terms = gate_terms(router.log_alpha(rows[0]), router.log_alpha(rows[1]), weights)
        optimizer.zero_grad(set_to_none=True)
        terms["gate"].backward()
        optimizer.step()
        schedule.step()
    return {name: float(value.detach()) for name, value in terms.items()}


def polish_router(
    router: Router, motion: Tensor, general: Tensor, *, steps: int, batch: int = 512, seed: int = 0
) -> dict[str, float]:
    """Sharpen the border between the zero expert and the others after the model is trained.

    The language-model loss has by then shaped the shares of experts 1.. for each prompt; they are
    held where they are (a divergence from the router as it was), so the motion stays the same.
    """
    with torch.no_grad():
        wanted = router.log_alpha(motion)[:, 1:].log_softmax(dim=1)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(router.parameters(), lr=5e-4, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    weights = GateWeights(eta=4.0, motion=1.0, balance=0.0)
    terms: dict[str, Tensor] = {}
    for _ in range(steps):
        picks = torch.randint(len(motion), (batch // 2,), generator=generator)
        own = motion[picks]
        other = general[torch.randint(len(general), (batch // 2,), generator=generator)]
        own, other = (
            row + 0.02 * torch.randn(row.shape, generator=generator) for row in (own, other)
        )
        log_own = router.log_alpha(own)
        terms = gate_terms(log_own, router.log_alpha(other), weights)
        shares = log_own[:, 1:].log_softmax(dim=1)
        terms["kept"] = (wanted[picks].exp() * (wanted[picks] - shares)).sum(dim=1).mean()
        loss = terms["gate"] + 4.0 * terms["kept"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return {name: float(value.detach()) for name, value in terms.items()}
