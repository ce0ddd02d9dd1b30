# SPDX-License-Identifier: Apache-2.0
"""Runs of `instruct` that are compared with one another: one folder each, each trained once."""

import json
from pathlib import Path

from backend.errors import AssetError, InvalidInput

from .instruct import train_instruct
from .instruct_settings import RUN_FILE, InstructSettings
from .run_record import plain

PLAN_FILE = "runs.json"
_MAY_CHANGE = ("out", "threads", "resume")


def train_each(out: Path, runs: dict[str, InstructSettings]) -> dict[str, dict]:
    """Train every run that is not finished, into OUT/NAME; returns the records they left.

    A run that was stopped goes on. Raises InvalidInput when the folder was begun with other
    settings: runs of two kinds cannot be compared.
    """
    out.mkdir(parents=True, exist_ok=True)
    plan = {
        name: {k: v for k, v in plain(settings).items() if k not in _MAY_CHANGE}
        for name, settings in runs.items()
    }
    again = all(settings.resume for settings in runs.values())
    if again and (before := _read_plan(out)) not in (None, plan):
        raise InvalidInput(
            f"{out} was begun with other options: repeat those, give --fresh to start over, or "
            f"choose an empty folder. They are in {out / PLAN_FILE}. ({_difference(before, plan)})"
        )
    for name in runs if not again else ():
        (out / name / RUN_FILE).unlink(missing_ok=True)
    (out / PLAN_FILE).write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")
    records = {}
    for number, (name, settings) in enumerate(runs.items(), 1):
        title = f"[{number}/{len(runs)}] {name}"
        if (out / name / RUN_FILE).is_file():
            print(f"{title}: done before", flush=True)
        else:
            print(f"{title}: {', '.join(settings.tasks)}", flush=True)
            train_instruct(settings)
        records[name] = json.loads((out / name / RUN_FILE).read_text("utf-8"))
    return records


def budget_of(settings: InstructSettings) -> dict[str, float | None]:
    """What every run of a comparison is given. Raises InvalidInput for nothing."""
    if not settings.steps and not settings.minutes:
        raise InvalidInput("Give each run a budget: --steps, which is the fair one, or --minutes.")
    return {"steps": settings.steps, "minutes": settings.minutes}


def _read_plan(out: Path) -> dict | None:
    path = out / PLAN_FILE
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise AssetError(f"{path} is no list of runs: delete it to go on.") from error


def _difference(before: dict | None, plan: dict) -> str:
    """The first setting that differs, as it was and as it is asked for."""
    for name, asked in plan.items():
        old = (before or {}).get(name)
        if old is None:
            return f"There was no run '{name}'"
        for key, value in asked.items():
            if old.get(key) != value:
                return f"{name}: {key} was {old.get(key)!r}, not {value!r}"
    return "there were more runs"
