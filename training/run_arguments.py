# SPDX-License-Identifier: Apache-2.0
"""The options that every training command has."""

import argparse
from typing import Any


def add_run_arguments(parser: argparse.ArgumentParser, each: str = "") -> None:
    """Budget, seed, threads and start over. each: what a budget in minutes is for, when several."""
    parser.add_argument("--steps", type=int, help="budget in steps: reproducible")
    parser.add_argument("--minutes", type=float, help=f"budget in minutes{each}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--fresh", action="store_true", help="start over, ignoring saved progress")


def run_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that `add_run_arguments` asked for, by the names they have in all settings."""
    return {
        "steps": args.steps,
        "minutes": args.minutes,
        "seed": args.seed,
        "threads": args.threads,
        "resume": not args.fresh,
    }
