# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate dialogue`: is the answer to a general question still the base model's."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from backend.model.decoding import generate_text
from backend.model.hmvlm import Hmvlm
from backend.model.loading import load_base, load_hmvlm
from backend.tasks.chat import route
from backend.tasks.requests import ChatMessage

from .dialogue_perplexity import perplexities, read_references
from .evaluate_gate import GENERAL_LIMIT, read_mt_bench


@dataclass(frozen=True)
class TurnResult:
    """One turn of one question. compared: alpha_0 was at the limit, so the answers must agree.

    motion: the chat would make a motion of it instead of an answer in words.
    """

    question: int
    turn: int
    alpha_0: float
    compared: bool
    identical: bool
    motion: bool
    answer: str
    base_answer: str


@torch.inference_mode()
def base_answers(
    base: Any, tokenizer: Any, questions: list[list[str]], tokens: int
) -> list[list[list[int]]]:
    """The base model's greedy ids for every turn of every question, each after its own answers."""
    out = []
    for turns in tqdm(questions, desc="base model", unit="question"):
        messages: list[dict[str, str]] = []
        out.append([])
        for question in turns:
            messages.append({"role": "user", "content": question})
            ids = base_answer(base, tokenizer, messages, tokens)
            out[-1].append(ids)
            text = tokenizer.decode(ids, skip_special_tokens=True)
            messages.append({"role": "assistant", "content": text})
    return out


@torch.inference_mode()
def base_answer(base: Any, tokenizer: Any, messages: list[dict[str, str]], tokens: int) -> list:
    """Greedy ids of the untouched base model, through transformers' own `generate`."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    out = base.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=tokens,
        pad_token_id=tokenizer.eos_token_id,
    )[0, ids.shape[1] :].tolist()
    return out[:-1] if out and out[-1] == tokenizer.eos_token_id else out


def evaluate_dialogue(
    model: Hmvlm,
    tokenizer: Any,
    questions: list[list[str]],
    expected: list[list[list[int]]],
    tokens: int,
) -> list[TurnResult]:
    """The model's answers in words to every turn, the gate reading it, beside the base model's.

    expected: those, as `base_answers` gives them; a second turn follows the first of them.
    """
    results: list[TurnResult] = []
    for number, turns in enumerate(tqdm(questions, desc="dialogue", unit="question")):
        messages: list[dict[str, str]] = []
        for turn, (question, wanted) in enumerate(zip(turns, expected[number], strict=True)):
            messages.append({"role": "user", "content": question})
            said, ids, alpha = generate_text(model, messages, max_new_tokens=tokens)
            order, _ = route(model, [ChatMessage(m["role"], m["content"]) for m in messages])
            text = tokenizer.decode(wanted, skip_special_tokens=True)
            results.append(
                TurnResult(
                    question=number,
                    turn=turn,
                    alpha_0=float(alpha[0]),
                    compared=float(alpha[0]) >= GENERAL_LIMIT,
                    identical=ids == wanted,
                    motion=order is not None,
                    answer=said,
                    base_answer=text,
                )
            )
            messages.append({"role": "assistant", "content": text})
    return results


def summarise(results: list[TurnResult], tokens: int) -> dict:
    """Shares, and the turns on which the answers differ although they must not.

    identical_of_all: answers that are the base model's, whatever the gate says of the question.
    made_motions: turns that the chat would answer with a motion.
    """
    compared = [r for r in results if r.compared]
    differing = [r for r in compared if not r.identical]
    return {
        "turns": len(results),
        "tokens": tokens,
        "left_to_base_model": round(len(compared) / max(len(results), 1), 4),
        "compared": len(compared),
        "identical": len(compared) - len(differing),
        "identical_of_all": sum(r.identical for r in results),
        "made_motions": sum(r.motion for r in results),
        "differing": [[r.question, r.turn, r.answer[:80], r.base_answer[:80]] for r in differing],
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="folder with prompts/")
    parser.add_argument("--weights", type=Path, help="exported weights (default: the shipped ones)")
    parser.add_argument("--tokens", type=int, default=32, help="length of an answer (default 32)")
    parser.add_argument("--limit", type=int, help="only the first questions (default: all 80)")
    parser.add_argument(
        "--perplexity",
        action="store_true",
        help="also of MT-Bench's reference answers, beside the base model's",
    )
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    questions = read_mt_bench(args.source)[: args.limit]
    model = load_hmvlm(args.weights)
    base, tokenizer, _ = load_base(model.config.base_model)
    expected = base_answers(base, tokenizer, questions, args.tokens)
    results = evaluate_dialogue(model, tokenizer, questions, expected, args.tokens)
    report = summarise(results, args.tokens)
    if args.perplexity:
        references = read_references(args.source)[: args.limit]
        report["perplexity"] = perplexities(model, base, references)
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(report))
        return
    print(
        f"{report['compared']} of {report['turns']} turns have alpha_0 >= {GENERAL_LIMIT}; "
        f"{report['identical']} of them are answered token for token like the base model "
        f"({args.tokens} tokens), and {report['identical_of_all']} of all; "
        f"{report['made_motions']} would be answered with a motion"
    )
    if args.perplexity:
        found = report["perplexity"]
        print(
            f"perplexity of {found['tokens']:.0f} tokens of reference answers: "
            f"{found['model']:.4f}, the base model's {found['base']:.4f}"
        )
    for question, turn, said, expected in report["differing"]:
        print(f"    question {question}, turn {turn}: {said!r} instead of {expected!r}")
