# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train compare-tasks`: one model for all tasks against one model for each.

Every run begins with the same weights, seed and rates. With a budget in steps the joint run sees,
step by step, the very samples that the single runs see, and has as many updates as each of them:
what differs is that they share the experts and the gate. With a budget in minutes all take equally
long, and the joint run sees fewer samples of each task.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from backend.errors import InvalidInput

from . import instruct_command
from .card_tables import TASKS as REPORT
from .card_tables import tasks_table
from .clip_samples import ClipSettings, ClipSource
from .compared_runs import budget_of, train_each
from .data.prepared import PreparedDataset
from .evaluate_describe import evaluate, load_watching
from .instruct_settings import TASKS, InstructSettings

JOINT = "joint"
_SIZES = {"motion": "batch", "pose": "pose_batch", "video": "clip_batch"}
_VALIDATION = {
    "motion": ("val_motion",),
    "pose": ("val_pose_right", "val_pose_mpjpe_mm"),
    "video": ("val_caption",),
}
_TEST = ("content", "side")


def compare_tasks(settings: InstructSettings, clips: int) -> dict:
    """Train a run for each of the settings' tasks and a joint one, and measure all of them.

    clips: of the test split, to describe with the two models that do. Returns budget, and for each
    task by the name of a measure the figures of its "single" run and of the "joint" one. Raises
    InvalidInput for fewer than two tasks, no budget, or a folder with other runs.
    """
    if len(settings.tasks) < 2:
        raise InvalidInput("There is nothing to compare: --tasks must name two tasks or more.")
    budget = budget_of(settings)
    out = settings.out
    runs = {
        name: replace(settings, tasks=tasks, out=out / name)
        for name, tasks in (*((t, (t,)) for t in settings.tasks), (JOINT, settings.tasks))
    }
    records = train_each(out, runs)
    report: dict = {
        "budget": budget,
        "from_weights": settings.start_from is not None,
        "seed": settings.seed,
        "tasks": {},
    }
    for task in settings.tasks:
        single, joint = (
            _figures(records[name], task) | _described(settings, out / name, task, clips)
            for name in (task, JOINT)
        )
        report["tasks"][task] = {
            name: {"single": single[name], "joint": joint[name]} for name in single if name in joint
        }
    return report


def _figures(record: dict, task: str) -> dict[str, float]:
    """What a run's own record says of one task."""
    last = record["last"]
    return {
        "steps": record["steps_done"],
        "minutes": round(record["seconds"] / 60, 2),
        "samples": record["steps_done"] * record[_SIZES[task]],
        **{name: last[name] for name in _VALIDATION[task] if name in last},
    }


def _described(settings: InstructSettings, run: Path, task: str, clips: int) -> dict[str, float]:
    """How right the captions of test clips are, for the task that writes them."""
    data = PreparedDataset(settings.data, "test")
    if task != "video" or clips == 0 or len(data) == 0:
        return {}
    source = ClipSource(data, 1, ClipSettings(questions=0.0))
    scores, _ = evaluate(load_watching(run), source, clips)
    return {name: scores[name] for name in (*_TEST, "clips", "sided_clips")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of `instruct`, for every run alike. --tasks names what is compared, --out the folder of
    the runs."""
    instruct_command.add_arguments(parser)
    parser.add_argument(
        "--clips", type=int, default=200, help="test clips to describe (default 200; 0: none)"
    )


def run(args: argparse.Namespace) -> None:
    if args.clips < 0:
        raise InvalidInput("--clips must be 0 or more.")
    args.tasks = args.tasks or TASKS
    settings = instruct_command.read_arguments(args)
    if settings.threads:
        torch.set_num_threads(settings.threads)  # also where every run is done before
    report = compare_tasks(settings, args.clips)
    path = args.out / f"{REPORT}.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("\n".join(tasks_table(report)))
    print(f"\n{path}")
