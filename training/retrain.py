# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train retrain`: from motion files to measured, exported weights, in one command.

Each stage is one of the other commands, printed before it runs. A stage that is done is noted in
retrain.json and not run again, and a stage that was stopped goes on by itself.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.errors import AssetError, HmvlmError, InvalidInput

from .export import CARD

RECORD = "retrain.json"
_BASELINES = ("whole_body_512", "whole_body_2560")


@dataclass(frozen=True)
class Recipe:
    """A training from nothing, sized for two CPU cores.

    The shipped tokenizers were made with these settings. The shipped language model was not: it
    went on from earlier weights (its card has the commands), which this does not repeat.

    minutes: for the language model, in place of its steps. threads: None lets PyTorch choose.
    """

    config: str = "embedded"
    tokenizer_steps: int = 8000
    decoder_steps: int = 800
    steps: int = 1620
    minutes: float | None = None
    precision: str = "bf16"
    jobs: int = 2
    threads: int | None = None
    seeds: int = 3
    dialogue_tokens: int = 16
    speed_runs: int = 5


@dataclass(frozen=True)
class Stage:
    """One command, and the file that it leaves when it is done."""

    name: str
    words: tuple[str, ...]
    makes: Path


def stages(source: Path, out: Path, recipe: Recipe) -> list[Stage]:
    """The commands of `hmvlm-train`, first to last. Weights are measured as they are exported."""
    data, tokenizer, run = out / "prepared", out / "tokenizer", out / "instruct"
    weights, reports = out / "weights", out / "reports"
    threads = ("--threads", str(recipe.threads)) if recipe.threads else ()
    budget = ("--minutes", f"{recipe.minutes:g}") if recipe.minutes else ("--steps", recipe.steps)
    export = (
        *("export", "--run", run, "--tokenizer", tokenizer / "body_part", "--out", weights),
        *("--baselines", *(tokenizer / kind for kind in _BASELINES)),
    )
    measured = {
        "gate": ("--source", source, "--data", data, "--weights", weights),
        "semantic": ("--checkpoint", weights, "--seeds", recipe.seeds),
        "tokenizer": ("--data", data, "--run", tokenizer),
        "dialogue": (
            *("--source", source, "--weights", weights),
            *("--tokens", recipe.dialogue_tokens),
        ),
        "speed": ("--checkpoint", weights, "--runs", recipe.speed_runs, *threads),
    }
    files = {name: reports / f"{name}.json" for name in measured}
    planned: list[tuple[str, tuple, Path]] = [
        (
            "prepare",
            ("prepare", "--source", source, "--out", data, "--jobs", recipe.jobs),
            data / "manifest.json",
        ),
        (
            "tokenizer",
            (
                *("tokenizer", "--data", data, "--out", tokenizer, "--kind", "all"),
                *("--steps", recipe.tokenizer_steps, "--decoder-steps", recipe.decoder_steps),
                *("--precision", recipe.precision, *threads),
            ),
            tokenizer / _BASELINES[-1] / "training.json",
        ),
        (
            "instruct",
            (
                *("instruct", "--config", recipe.config, "--data", data, "--source", source),
                *("--tokenizer", tokenizer / "body_part", "--out", run),
                *("--precision", recipe.precision, *budget, *threads),
            ),
            run / "training.json",
        ),
        ("export", export, weights / CARD),
        *(
            (f"evaluate {name}", ("evaluate", name, *words, "--out", files[name]), files[name])
            for name, words in measured.items()
        ),
        ("export with figures", (*export, "--reports", *files.values()), weights / CARD),
    ]
    return [Stage(name, tuple(str(word) for word in words), made) for name, words, made in planned]


def retrain(
    source: Path, out: Path, recipe: Recipe, command: Callable[[tuple[str, ...]], int]
) -> Path:
    """Run the stages that are not done yet; returns the folder with the weights.

    command runs the words of a `hmvlm-train` command and returns its exit status. Raises
    InvalidInput when the folder was begun with another source or recipe, HmvlmError when a stage
    fails.
    """
    if not source.is_dir():
        raise InvalidInput(f"{source} is no folder: give the one with motion/ and prompts/.")
    out.mkdir(parents=True, exist_ok=True)
    (out / "reports").mkdir(exist_ok=True)
    asked = {"source": str(source.resolve()), "recipe": asdict(recipe)}
    record = _read_record(out) or {**asked, "done": []}
    if {key: record[key] for key in asked} != asked:
        raise InvalidInput(
            f"{out} was begun with another source or other options: repeat those, or choose an "
            f"empty folder. They are in {out / RECORD}."
        )
    plan = stages(source, out, recipe)
    for number, stage in enumerate(plan, 1):
        title = f"[{number}/{len(plan)}] {stage.name}"
        if stage.name in record["done"] and stage.makes.is_file():
            print(f"{title}: done before")
            continue
        print(f"{title}: hmvlm-train {' '.join(stage.words)}", flush=True)
        if command(stage.words) != 0 or not stage.makes.is_file():
            raise HmvlmError(
                f"Stage '{stage.name}' failed. See above; the same command goes on from here."
            )
        record["done"] = [*(name for name in record["done"] if name != stage.name), stage.name]
        (out / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return out / "weights"


def _read_record(out: Path) -> dict | None:
    path = out / RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text("utf-8"))
        return {key: record[key] for key in ("source", "recipe", "done")}
    except (ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{path} is no record of `retrain`: delete it to go on.") from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    usual = Recipe()
    parser.add_argument("--source", type=Path, required=True, help="motion/, captions/, prompts/")
    parser.add_argument(
        "--out", type=Path, required=True, help="run folder; RUN/weights at the end"
    )
    parser.add_argument(
        "--config", default=usual.config, help=f"of `instruct` (default {usual.config})"
    )
    parser.add_argument(
        "--minutes", type=float, help=f"for the language model (default: {usual.steps} steps)"
    )
    parser.add_argument("--steps", type=int, default=usual.steps, help="for the language model")
    parser.add_argument(
        "--tokenizer-steps",
        type=int,
        default=usual.tokenizer_steps,
        help=f"for each tokenizer (default {usual.tokenizer_steps})",
    )
    parser.add_argument("--decoder-steps", type=int, default=usual.decoder_steps)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default=usual.precision)
    parser.add_argument("--jobs", type=int, default=usual.jobs, help="processes that prepare")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")


def run(args: argparse.Namespace) -> None:
    from . import cli  # which imports this module by name

    recipe = Recipe(
        config=args.config,
        tokenizer_steps=args.tokenizer_steps,
        decoder_steps=args.decoder_steps,
        steps=args.steps,
        minutes=args.minutes,
        precision=args.precision,
        jobs=args.jobs,
        threads=args.threads,
    )
    print(f"weights: {retrain(args.source, args.out, recipe, cli.main)}")
