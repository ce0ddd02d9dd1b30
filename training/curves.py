# SPDX-License-Identifier: Apache-2.0
"""What a run shows of itself: log.csv, log.json, curves.png and TensorBoard's event files."""

import csv
import json
from pathlib import Path
from typing import Any

from .checkpoint import TrainingState

EVENTS_FOLDER = "events"
_NO_CURVES = ("step", "seconds", "rate")


class EventWriter:
    """The log's entries as TensorBoard scalars, in OUT/events.

    first_step: the step at which this session begins; what an earlier session wrote beyond it, and
    lost when it was stopped, is no longer shown. The file is opened with the first entry.
    """

    def __init__(self, out: Path, first_step: int) -> None:
        self._folder, self._first_step = out / EVENTS_FOLDER, first_step
        self._writer: Any = None

    def add(self, entry: dict[str, float]) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=self._first_step + 1)
        step = int(entry["step"])
        for name, value in entry.items():
            if name != "step":
                group = "validation" if name.startswith("val_") else "training"
                self._writer.add_scalar(f"{group}/{name.removeprefix('val_')}", value, step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def write_log(out: Path, state: TrainingState) -> None:
    """log.json: a list of entries; log.csv: the same, a row an entry, empty where not measured."""
    (out / "log.json").write_text(json.dumps(state.log, indent=1) + "\n", encoding="utf-8")
    names = list(dict.fromkeys(k for entry in state.log for k in entry))
    with open(out / "log.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(state.log)


def plot_curves(out: Path, state: TrainingState, title: str) -> None:
    """curves.png: every logged term over the steps, log scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [
        k for k in dict.fromkeys(k for entry in state.log for k in entry) if k not in _NO_CURVES
    ]
    figure, axes = pyplot.subplots(figsize=(9, 5))
    for key in names:
        points = [(e["step"], e[key]) for e in state.log if e.get(key, 0) > 0]
        if points:
            style = "o--" if key.startswith("val_") else "-"
            axes.plot(*zip(*points, strict=True), style, label=key)
    axes.set(xlabel="step", yscale="log", title=title)
    axes.legend(fontsize="small", ncols=2)
    figure.tight_layout()
    figure.savefig(out / "curves.png", dpi=110)
    pyplot.close(figure)
