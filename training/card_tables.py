# SPDX-License-Identifier: Apache-2.0
"""Tables of reports, as lines of Markdown: printed by the commands and quoted by the model card."""

from collections.abc import Sequence

GATE, TASKS, ABLATION = "gate", "compare_tasks", "ablate_gate"
"""Names of the reports that have a table of their own, as `export --reports` gets them."""
_TASK_NAMES = {
    "text_to_motion": "text to motion",
    "pose": "pose from a picture",
    "video": "video, and questions about it",
    "dialogue": "general dialogue (MT-Bench)",
}
_MEASURES = {
    "samples": ("samples seen", "{:,.0f}"),
    "val_motion": ("validation, nats a motion token", "{:.3f}"),
    "val_pose_right": ("validation, pose codes right", "{:.1%}"),
    "val_pose_mpjpe_mm": ("validation, joints of the codes' pose in mm", "{:.1f}"),
    "val_caption": ("validation, nats a word token", "{:.3f}"),
    "content": ("test, action named", "{:.1%}"),
    "side": ("test, side named", "{:.1%}"),
}


def gate_table(report: dict) -> list[str]:
    """Mean and deviation of each expert's share for the prompts of each task.

    Empty for a report without them, as older ones are.
    """
    tasks = report.get("tasks", {})
    if not tasks:
        return []
    experts = max(len(entry["mean_alpha"]) for entry in tasks.values())
    rows = [
        [
            _TASK_NAMES[name],
            f"{entry['prompts']:,}",
            *(
                f"{mean:.3f} ± {std:.3f}"
                for mean, std in zip(entry["mean_alpha"], entry["std_alpha"], strict=True)
            ),
        ]
        for name, entry in tasks.items()
    ]
    return table(["task", "prompts", *(f"alpha_{i}" for i in range(experts))], rows)


def tasks_table(report: dict) -> list[str]:
    """Each task's figures, trained alone and together with the others."""
    rows = [
        [
            f"{task}: {_MEASURES[name][0]}",
            *(_MEASURES[name][1].format(entry[kind]) for kind in ("single", "joint")),
        ]
        for task, measures in report["tasks"].items()
        for name, entry in measures.items()
        if name in _MEASURES
    ]
    head = ["measure", "this task alone", "all tasks together"]
    note = f"The same start and {budget(report)} for each run; a step of the joint one"
    note += " holds what a step of each single run does."
    return [note, "", *table(head, rows)]


def budget(report: dict) -> str:
    """What each run of a comparison was given, in words."""
    given = report["budget"]
    steps, minutes = given.get("steps"), given.get("minutes")
    parts = [f"{steps:,} steps"] if steps else []
    return " or ".join(parts + ([f"{minutes:g} minutes"] if minutes else []))


def ablation_table(report: dict) -> list[str]:
    """The dialogue with and without L_gat, beside the base model's own."""
    kinds = ("with_l_gat", "without_l_gat")
    runs = [report[kind] for kind in kinds]
    rows = [
        [f"turns with alpha_0 >= 0.99, of {runs[0]['turns']}", "-"]
        + [f"{run['left_to_base_model']:.1%}" for run in runs],
        ["turns that the chat answers with a motion", "-"]
        + [f"{run['made_motions'] / run['turns']:.1%}" for run in runs],
        [f"answers in words like the base model's, {runs[0]['tokens']} tokens", "100.0%"]
        + [f"{run['identical_of_all'] / run['turns']:.1%}" for run in runs],
        ["perplexity of reference answers", f"{runs[0]['perplexity']['base']:.4f}"]
        + [f"{run['perplexity']['model']:.4f}" for run in runs],
        ["validation, nats a motion token", "-"]
        + [f"{run['val_motion']:.3f}" if "val_motion" in run else "-" for run in runs],
    ]
    return table(["measure", "base model", "with L_gat", "without L_gat"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose columns also line up where it is read as plain text."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    first = [cell.ljust(width) for cell, width in zip(head, widths, strict=True)]
    rule = ["-" * width for width in widths]
    return [f"| {' | '.join(row)} |" for row in (first, rule, *lines)]
