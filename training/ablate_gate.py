# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train ablate-gate`: what L_gat does for the dialogue, by training without it.

Two runs from nothing, of the same budget, seed and batches. Without L_gat nothing tells general
prompts from the others (see gating.gate_terms): only the balance of the experts is trained beside
L_fm. Each model is then asked as the running one is: its own gate mixes the experts, and words
alone can be drawn.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from backend.errors import InvalidInput
from backend.model.configuration import HmvlmConfig
from backend.model.hmvlm import Hmvlm
from backend.model.loading import ADAPTER_FOLDER, build_hmvlm, load_base

from . import instruct_command
from .card_tables import ABLATION as REPORT
from .card_tables import ablation_table
from .compared_runs import budget_of, train_each
from .dialogue_perplexity import perplexities, read_references
from .evaluate_dialogue import base_answers, evaluate_dialogue, summarise
from .evaluate_gate import read_mt_bench
from .instruct_settings import InstructSettings

WITH, WITHOUT = "with_l_gat", "without_l_gat"
_EXAMPLES, _SHOWN = 5, 80
_Item = TypeVar("_Item")


def ablate_gate(settings: InstructSettings, turns: int | None, tokens: int) -> dict:
    """Train both runs and measure their dialogue.

    turns: about how many of MT-Bench's, and of those with a reference answer, spread evenly over
    its questions; all when None. tokens: length of an answer. Returns the budget, and for each run
    what `evaluate dialogue --perplexity` says and its validation. Raises InvalidInput for settings
    without L_gat, or that begin with weights.
    """
    if settings.start_from is not None:
        raise InvalidInput(
            "The ablation begins with nothing: weights that were trained with L_gat keep what it "
            "taught them. Leave --start-from out."
        )
    if not settings.bordered:
        raise InvalidInput("There is no L_gat to leave out: --gate-eta must be above 0.")
    budget, out = budget_of(settings), settings.out
    questions, references = read_mt_bench(settings.source), read_references(settings.source)
    if turns is not None:
        count = -(-turns // 2)
        questions, references = _spread(questions, count), _spread(references, count)
    runs = {
        WITH: replace(settings, out=out / WITH),
        WITHOUT: replace(settings, out=out / WITHOUT, gate=replace(settings.gate, eta=0.0)),
    }
    records = train_each(out, runs)
    base, words, _ = load_base(settings.base_model)
    expected = base_answers(base, words, questions, tokens)
    report: dict[str, Any] = {
        "budget": budget,
        "tasks": list(settings.tasks),
        "seed": settings.seed,
    }
    for name in runs:
        model = load_speaking(out / name)
        answered = evaluate_dialogue(model, words, questions, expected, tokens)
        last = records[name]["last"]
        report[name] = {
            "steps": records[name]["steps_done"],
            **summarise(answered, tokens),
            "examples": [
                [r.question, r.turn, r.answer[:_SHOWN], r.base_answer[:_SHOWN]]
                for r in answered
                if not r.identical
            ][:_EXAMPLES],
            "mean_alpha_0": round(sum(r.alpha_0 for r in answered) / len(answered), 4),
            "perplexity": perplexities(model, base, references),
            **{key: value for key, value in last.items() if key == "val_motion"},
        }
    return report


def load_speaking(run: Path) -> Hmvlm:
    """The model of a run folder, without what makes motion of its codes."""
    model = build_hmvlm(HmvlmConfig.load(run / ADAPTER_FOLDER))
    model.load_adapter(run / ADAPTER_FOLDER)
    return model.eval().requires_grad_(False)


def _spread(items: list[_Item], count: int) -> list[_Item]:
    """`count` of the items, evenly spread."""
    if count >= len(items):
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of `instruct`, for both runs. --out is the folder of the runs."""
    instruct_command.add_arguments(parser)
    parser.add_argument(
        "--turns", type=int, help="of MT-Bench's, spread evenly over it (default: all 160)"
    )
    parser.add_argument("--tokens", type=int, default=16, help="length of an answer (default 16)")


def run(args: argparse.Namespace) -> None:
    if args.tokens < 1 or (args.turns is not None and args.turns < 1):
        raise InvalidInput("--turns and --tokens must be 1 or more.")
    settings = instruct_command.read_arguments(args)
    if settings.threads:
        torch.set_num_threads(settings.threads)  # also where both runs are done before
    report = ablate_gate(settings, args.turns, args.tokens)
    path = args.out / f"{REPORT}.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("\n".join(ablation_table(report)))
    for number, turn, said, expected in report[WITHOUT]["examples"]:
        print(f"    question {number}, turn {turn}: {said!r} instead of {expected!r}")
    print(f"\n{path}")
