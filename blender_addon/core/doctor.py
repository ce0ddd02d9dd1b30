# SPDX-License-Identifier: GPL-3.0-or-later
"""What `hmvlm doctor` printed, in one line. No bpy here."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """text: for the panel; well: whether the backend can work."""

    text: str
    well: bool


def diagnose(lines: Sequence[str], code: int) -> Diagnosis:
    """Of the whole report and the program's exit code."""
    failed = [_name(line) for line in lines if line.startswith("FAIL  ")]
    checked = failed + [line for line in lines if line.startswith(("ok    ", "note  "))]
    if failed:
        return Diagnosis(f"Something is wrong: {', '.join(failed)}", False)
    if code != 0 or not checked:
        last = next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
        return Diagnosis(f"The doctor could not do its work: {last}", False)
    return Diagnosis(f"All is well: {len(checked)} checks", True)


def _name(line: str) -> str:
    return line.removeprefix("FAIL  ").partition(":")[0]
