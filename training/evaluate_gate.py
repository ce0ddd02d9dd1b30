# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate gate`: are general prompts left to the base model, and motion ones not."""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.model.hmvlm import Hmvlm
from backend.model.loading import load_hmvlm
from backend.model.processing import (
    DESCRIBE_INSTRUCTION,
    DESCRIBE_PROMPT,
    POSE_INSTRUCTION,
    POSE_PROMPT,
)
from training.data.clip_questions import QUESTIONS
from training.data.prepared import PreparedDataset

from .card_tables import gate_table
from .gating import collect_texts

GENERAL_LIMIT, MOTION_LIMIT = 0.99, 0.9
_WORST = 10


def evaluate_gate(model: Hmvlm, source: Path, captions: list[str]) -> dict:
    """Shares of held-out prompts, without any instruction, on the right side; and the mean alpha of
    each task's requests.

    mt_bench: its first questions, mt_bench_follow_up: its second turns; neither is ever trained on.
    held_out_general: prompts of the other sources on the test side. motion: captions of test clips,
    sentences by people and terse orders on the test side. tasks: see task_shares.
    """
    turns = read_mt_bench(source)
    texts = collect_texts(source, sorted(set(captions)), test=True)
    general = {
        "mt_bench": [t[0] for t in turns],
        "mt_bench_follow_up": [t[1] for t in turns if len(t) > 1],
        "held_out_general": texts.general,
    }
    report: dict = {}
    for name, prompts in general.items():
        if prompts:
            first = model.gate(prompts)[:, 0]
            report[name] = _side(prompts, first, first >= GENERAL_LIMIT, GENERAL_LIMIT)
    alpha = model.gate(texts.motion)
    report["motion"] = _side(texts.motion, alpha[:, 0], alpha[:, 0] < MOTION_LIMIT, MOTION_LIMIT)
    report["tasks"] = task_shares(model, captions, [turn for asked in turns for turn in asked])
    return report


def task_shares(model: Hmvlm, captions: list[str], turns: list[str]) -> dict[str, dict]:
    """For each task the mean and the deviation of all alphas (the paper's table 3).

    The gate reads what it reads in a request: captions of motions after their instruction, a turn
    of a dialogue as it is, the one prompt of a picture, and for a clip the prompt of a description
    and the questions about it. What the model cannot do is left out.
    """
    words, vision = model.processor, model.config.vision
    asked = {"text_to_motion": [words.gate_text(text) for text in sorted(set(captions))]}
    if vision is not None:
        asked["pose"] = [words.gate_text(POSE_PROMPT, POSE_INSTRUCTION)]
    if vision is not None and vision.clip_rows > 0:
        about = (DESCRIBE_PROMPT, *QUESTIONS)
        asked["video"] = [words.gate_text(text, DESCRIBE_INSTRUCTION) for text in about]
    asked["dialogue"] = turns
    return {name: _spread(model.gate(texts)) for name, texts in asked.items() if texts}


def _spread(alpha: Tensor) -> dict:
    mean, std = alpha.mean(dim=0), alpha.std(dim=0, correction=0)
    return {
        "prompts": len(alpha),
        "mean_alpha": [round(float(a), 4) for a in mean],
        "std_alpha": [round(float(a), 4) for a in std],
    }


def read_mt_bench(source: Path) -> list[list[str]]:
    """The turns of MT-Bench's questions."""
    path = source / "prompts" / "mt-bench.jsonl"
    if not path.is_file():
        raise InvalidInput(f"{path} is missing: give the folder that holds prompts/ as --source.")
    return [json.loads(line)["turns"] for line in path.read_text("utf-8").splitlines()]


def _side(prompts: list[str], alpha_0: Tensor, right: Tensor, limit: float) -> dict:
    wrong = (~right).nonzero().flatten().tolist()
    wrong.sort(key=lambda i: -abs(float(alpha_0[i]) - limit))
    return {
        "prompts": len(prompts),
        "limit": limit,
        "share": round(float(right.float().mean()), 4),
        "wrong": [[round(float(alpha_0[i]), 4), prompts[i][:100]] for i in wrong[:_WORST]],
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="folder with prompts/")
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--weights", type=Path, help="exported weights (default: the shipped ones)")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    clips = PreparedDataset(args.data, "test").clips
    with torch.inference_mode():
        report = evaluate_gate(
            load_hmvlm(args.weights), args.source, [c for clip in clips for c in clip.captions]
        )
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(report))
        return
    for name, entry in report.items():
        if name == "tasks":
            continue
        side = "<" if name == "motion" else ">="
        print(
            f"{name}: alpha_0 {side} {entry['limit']} on {100 * entry['share']:.2f} % of "
            f"{entry['prompts']} prompts"
        )
        for alpha_0, prompt in entry["wrong"]:
            print(f"    {alpha_0:.4f}  {prompt!r}")
    print("\n".join(["", *gate_table(report)]))
