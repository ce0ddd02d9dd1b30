# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train`: prepare data, train the tokenizer and the language model, evaluate, export."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from backend.errors import HmvlmError

COMMANDS = {
    "prepare": ("training.data.prepare", "motion files to a captioned data set"),
    "tokenizer": ("training.tokenizer", "train the motion tokenizer or its baselines"),
    "pose-tokenizer": ("training.pose_tokenizer", "train the pose tokenizer or its baselines"),
    "align": ("training.alignment", "stage 1: what reads landmarks, without the language model"),
    "instruct": ("training.instruct_command", "train the language model's experts and gate"),
    "compare-tasks": ("training.compare_tasks", "one task alone against all together"),
    "ablate-gate": ("training.ablate_gate", "the dialogue after training without L_gat"),
    "retrain": ("training.retrain", "everything from motion files to measured weights"),
    "export": ("training.export", "put trained weights where the backend finds them"),
}
EVALUATIONS = {
    "tokenizer": ("training.evaluate_tokenizer", "reconstruction error and codebook use"),
    "pose-tokenizer": ("training.evaluate_pose_tokenizer", "poses through codes and back, in mm"),
    "pose": ("training.evaluate_pose", "poses from landmarks before and after refine, in mm"),
    "describe": ("training.evaluate_describe", "captions of clips: action, side, BLEU, CIDEr"),
    "pose-renders": ("training.evaluate_pose_renders", "poses from rendered people, in mm"),
    "semantic": ("training.evaluate_semantic", "does the motion do what the prompt says"),
    "gate": ("training.evaluate_gate", "are general prompts left to the base model"),
    "dialogue": ("training.evaluate_dialogue", "are answers still the base model's"),
    "speed": ("training.evaluate_speed", "seconds a clip, and until its first frames"),
    "experts": ("training.evaluate_experts", "latency for more and more experts"),
    "layouts": ("training.evaluate_layouts", "flattened against parallel motion tokens"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status. A command's module is imported only when it is named.

    Each module has `add_arguments(parser)` and `run(args)`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="hmvlm-train", description=__doc__)
    chosen = _add_commands(
        parser, "command", COMMANDS | {"evaluate": ("", "measure a model")}, words
    )
    if chosen is not None and words[0] == "evaluate":
        chosen_evaluation = _add_commands(chosen, "evaluation", EVALUATIONS, words[1:])
        table, name, chosen = EVALUATIONS, (words[1:] or [""])[0], chosen_evaluation
    else:
        table, name = COMMANDS, (words or [""])[0]
    if chosen is None:
        parser.parse_args(words)  # prints help, or names the unknown command
        return 2
    module = importlib.import_module(table[name][0])
    module.add_arguments(chosen)
    args = parser.parse_args(words)
    try:
        module.run(args)
    except HmvlmError as error:
        print(f"hmvlm-train: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hmvlm-train: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _add_commands(
    parser: argparse.ArgumentParser,
    title: str,
    commands: dict[str, tuple[str, str]],
    words: Sequence[str],
) -> argparse.ArgumentParser | None:
    """Add a subparser for each command; returns the one that the first word names, if any."""
    group = parser.add_subparsers(dest=title, required=True, metavar=title.upper())
    made = {
        name: group.add_parser(name, help=text, description=text)
        for name, (_, text) in commands.items()
    }
    return made.get(words[0]) if words else None


if __name__ == "__main__":
    sys.exit(main())
