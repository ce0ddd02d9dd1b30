# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train retrain`: from motion files to measured, exported weights, in one command.

Each stage is one of the other commands, printed before it runs. A stage that is done is noted in
retrain.json and not run again, and a stage that was stopped goes on by itself.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.errors import AssetError, HmvlmError, InvalidInput
from backend.model.loading import ADAPTER_FOLDER

from .aligned import VISION_FILE
from .export import CARD
from .instruct_settings import RUN_FILE, TASKS
from .precision import CHOICES
from .run_record import plain

RECORD = "retrain.json"
_BASELINES = ("whole_body_512", "whole_body_2560")


@dataclass(frozen=True)
class Recipe:
    """A training of all tasks from nothing, sized for two CPU cores.

    The shipped tokenizers were made with these settings. The shipped language model and what
    reads landmarks were not: they went on from earlier weights (the card has the commands), which
    this does not repeat.

    pose_tokenizer_minutes; align_minutes: for each part of stage 1. The language model learns
    motion for `steps`, then all tasks together for `joint_steps`, each step of which holds
    joint_batch motions, people and clips and composite_share of its motions are of two actions;
    then what reads a pose is trained further for pose_steps of pose_batch people, the experts
    staying as they are. 0 of the last two leaves that out. minutes: for each of these three in
    place of its steps. people, clips: of the test split, to measure on; all clips when None.
    threads: None lets PyTorch choose.
    """

    config: str = "embedded"
    tokenizer_steps: int = 8000
    decoder_steps: int = 800
    pose_tokenizer_minutes: float = 22.0
    align_minutes: float = 14.0
    steps: int = 1620
    joint_steps: int = 432
    joint_batch: tuple[int, int, int] = (6, 48, 16)
    joint_rates: tuple[float, float] = (1e-3, 2e-3)
    composite_share: float = 0.4
    pose_steps: int = 306
    pose_batch: int = 64
    minutes: float | None = None
    precision: str = "auto"
    jobs: int = 2
    threads: int | None = None
    seeds: int = 3
    dialogue_tokens: int = 16
    speed_runs: int = 5
    people: int = 500
    clips: int | None = None


@dataclass(frozen=True)
class Stage:
    """One command, and the file that it leaves when it is done."""

    name: str
    words: tuple[str, ...]
    makes: Path


def stages(source: Path, out: Path, recipe: Recipe) -> list[Stage]:
    """The commands of `hmvlm-train`, first to last. Weights are measured as they are exported."""
    data, tokenizer, poses = out / "prepared", out / "tokenizer", out / "pose_tokenizer"
    weights, threads = out / "weights", _threads(recipe)
    trained = _language_model(source, out, recipe)
    export = (
        *("export", "--run", trained[-1].makes.parent, "--tokenizer", tokenizer / "body_part"),
        *("--out", weights, "--baselines", *(tokenizer / kind for kind in _BASELINES)),
    )
    measured = _evaluations(source, out, recipe)
    return [
        _stage(
            "prepare",
            ("prepare", "--source", source, "--out", data, "--jobs", recipe.jobs),
            data / "manifest.json",
        ),
        _stage(
            "tokenizer",
            (
                *("tokenizer", "--data", data, "--out", tokenizer, "--kind", "all"),
                *("--steps", recipe.tokenizer_steps, "--decoder-steps", recipe.decoder_steps),
                *("--precision", recipe.precision, *threads),
            ),
            tokenizer / _BASELINES[-1] / RUN_FILE,
        ),
        _stage(
            "pose tokenizer",
            (
                *("pose-tokenizer", "--data", data, "--out", poses),
                *("--minutes", f"{recipe.pose_tokenizer_minutes:g}", *threads),
            ),
            poses / "body_part" / RUN_FILE,
        ),
        _stage(
            "align",
            (
                *("align", "--data", data, "--pose-tokenizer", poses / "body_part"),
                *("--out", out / "align", "--minutes", f"{recipe.align_minutes:g}", *threads),
            ),
            out / "align" / VISION_FILE,
        ),
        *trained,
        _stage("export", export, weights / CARD),
        *measured,
        _stage(
            "export with figures",
            (*export, "--reports", *(stage.makes for stage in measured)),
            weights / CARD,
        ),
    ]


def _language_model(source: Path, out: Path, recipe: Recipe) -> list[Stage]:
    """Motion alone, all tasks together, then what reads poses: each begins with the one before."""
    common = (
        *("instruct", "--config", recipe.config, "--data", out / "prepared", "--source", source),
        *("--tokenizer", out / "tokenizer" / "body_part", "--precision", recipe.precision),
        *_threads(recipe),
    )

    def budget(steps: int) -> tuple:
        return ("--minutes", f"{recipe.minutes:g}") if recipe.minutes else ("--steps", steps)

    run = out / "instruct"
    planned = [
        _stage("instruct", (*common, "--out", run, *budget(recipe.steps)), run / RUN_FILE),
    ]
    motions, people, clips = recipe.joint_batch
    experts, tables = recipe.joint_rates
    if recipe.joint_steps:
        before, run = run, out / "instruct-joint"
        words = (
            *(*common, "--out", run, "--start-from", before / ADAPTER_FOLDER),
            *("--tasks", ",".join(TASKS), "--alignment", out / "align"),
            *("--batch", motions, "--pose-batch", people, "--clip-batch", clips),
            *("--composite-share", recipe.composite_share),
            *("--lora-rate", experts, "--table-rate", tables, *budget(recipe.joint_steps)),
        )
        planned.append(_stage("instruct all tasks", words, run / RUN_FILE))
    if recipe.joint_steps and recipe.pose_steps:
        before, run = run, out / "instruct-poses"
        # without --alignment: the tables go on as the joint run left them
        words = (
            *(*common, "--out", run, "--start-from", before / ADAPTER_FOLDER, "--tasks", "pose"),
            *("--lora-rate", 0, "--router-rate", 0, "--pose-batch", recipe.pose_batch),
            *budget(recipe.pose_steps),
        )
        planned.append(_stage("instruct poses", words, run / RUN_FILE))
    return planned


def _evaluations(source: Path, out: Path, recipe: Recipe) -> list[Stage]:
    data, weights = out / "prepared", out / "weights"
    clips = ("--clips", recipe.clips) if recipe.clips is not None else ()
    measured: dict[str, tuple] = {
        "gate": ("--source", source, "--data", data, "--weights", weights),
        "semantic": ("--checkpoint", weights, "--seeds", recipe.seeds),
        "tokenizer": ("--data", data, "--run", out / "tokenizer"),
        "pose-tokenizer": ("--data", data, "--run", out / "pose_tokenizer"),
        "dialogue": (
            *("--source", source, "--weights", weights),
            *("--tokens", recipe.dialogue_tokens, "--perplexity"),
        ),
        "speed": ("--checkpoint", weights, "--runs", recipe.speed_runs, *_threads(recipe)),
    }
    if recipe.joint_steps:
        measured["pose"] = ("--data", data, "--run", weights, "--people", recipe.people)
        measured["describe"] = ("--data", data, "--checkpoint", weights, *clips)
    out_files = {name: out / "reports" / f"{name.replace('-', '_')}.json" for name in measured}
    return [
        _stage(
            f"evaluate {name}",
            ("evaluate", name, *words, "--out", out_files[name]),
            out_files[name],
        )
        for name, words in measured.items()
    ]


def _threads(recipe: Recipe) -> tuple:
    return ("--threads", recipe.threads) if recipe.threads else ()


def _stage(name: str, words: tuple, makes: Path) -> Stage:
    return Stage(name, tuple(str(word) for word in words), makes)


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
    asked = {"source": str(source.resolve()), "recipe": plain(recipe)}
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
    for name, kind, what in (
        ("tokenizer_steps", int, "steps of each motion tokenizer"),
        ("decoder_steps", int, "steps of its decoder alone, after these"),
        ("pose_tokenizer_minutes", float, "minutes of the pose tokenizer"),
        ("align_minutes", float, "minutes of each part of stage 1"),
        ("steps", int, "steps of the language model on motion alone"),
        ("joint_steps", int, "steps on all tasks together; 0 for motion alone"),
        ("pose_steps", int, "steps of what reads poses alone, at the end; 0 for none"),
    ):
        value = getattr(usual, name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=value, help=f"{what} (default {value:g})")
    parser.add_argument(
        "--minutes", type=float, help="for each run of the language model, in place of its steps"
    )
    parser.add_argument(
        "--precision", choices=CHOICES, default=usual.precision, help="auto: the faster one here"
    )
    parser.add_argument("--jobs", type=int, default=usual.jobs, help="processes that prepare")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")


def run(args: argparse.Namespace) -> None:
    from . import cli  # which imports this module by name

    recipe = Recipe(
        config=args.config,
        tokenizer_steps=args.tokenizer_steps,
        decoder_steps=args.decoder_steps,
        pose_tokenizer_minutes=args.pose_tokenizer_minutes,
        align_minutes=args.align_minutes,
        steps=args.steps,
        joint_steps=args.joint_steps,
        pose_steps=args.pose_steps,
        minutes=args.minutes,
        precision=args.precision,
        jobs=args.jobs,
        threads=args.threads,
    )
    print(f"weights: {retrain(args.source, args.out, recipe, cli.main)}")
