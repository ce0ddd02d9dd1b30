# SPDX-License-Identifier: GPL-3.0-or-later
"""Many prompts out of a table: one line a clip. No bpy here.

    prompt,seconds,seed
    a person walks forward,4,1
    "a person sits down, then stands up",,

The first line may name the columns, in any order; without names they are prompt, seconds, seed.
Empty seconds let the model choose; an empty seed takes the next one.
"""

import csv
import math
from dataclasses import dataclass

from .order import MAX_CHARS, MAX_SECONDS

MAX_ROWS = 200
MIN_SECONDS = 1.0
_COLUMNS = ("prompt", "seconds", "seed")


class BatchError(ValueError):
    """A table that is of no use; the message names the line and what to write there."""


@dataclass(frozen=True)
class Row:
    """seconds: None lets the model choose. seed: None where the table says nothing."""

    prompt: str
    seconds: float | None
    seed: int | None


def read_batch(text: str) -> list[Row]:
    """The clips in a table; commas, semicolons or tabs. Raises BatchError."""
    lines = text.lstrip("\ufeff").splitlines()
    mark = _separator(next((line for line in lines if line.strip()), ""))
    try:
        reader = csv.reader(lines, delimiter=mark, skipinitialspace=True, strict=True)
        table = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise BatchError(f"The table cannot be read: {error}. Check its quotes.") from error
    table = [(number, cells) for number, cells in table if any(cells)]
    columns = list(_COLUMNS)
    if table and "prompt" in [cell.lower() for cell in table[0][1]]:
        columns = [cell.lower() for cell in table.pop(0)[1]]
    if not table:
        raise BatchError("The table has no prompts: write one in each line.")
    if len(table) > MAX_ROWS:
        raise BatchError(f"The table has {len(table)} lines; at most {MAX_ROWS} are made at once.")
    return [_row(number, columns, cells) for number, cells in table]


def _separator(line: str) -> str:
    """Semicolons or tabs where the first line parts its columns with them, commas else."""
    names = line.lower()
    for mark in ("\t", ";"):
        if mark in names and ("," not in names or names.startswith("prompt" + mark)):
            return mark
    return ","


def _row(number: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) > len(columns):
        raise BatchError(
            f"Line {number} has {len(cells)} columns for {len(columns)} names: put a prompt that "
            "holds a comma in quotes."
        )
    values = dict(zip(columns, cells, strict=False))
    prompt = values.get("prompt", "")
    if not prompt:
        raise BatchError(f"Line {number} has no prompt.")
    if len(prompt) > MAX_CHARS:
        raise BatchError(f"The prompt in line {number} has more than {MAX_CHARS} characters.")
    return Row(prompt, _seconds(number, values), _seed(number, values))


def _seconds(number: int, values: dict[str, str]) -> float | None:
    text = values.get("seconds", "")
    if not text:
        return None
    try:
        seconds = float(text.replace(",", "."))
    except ValueError:
        seconds = math.nan
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise BatchError(
            f"Line {number}: seconds must be a number from {MIN_SECONDS:g} to {MAX_SECONDS:g}, "
            f"or empty; it says '{text}'."
        )
    return seconds


def _seed(number: int, values: dict[str, str]) -> int | None:
    text = values.get("seed", "")
    if not text:
        return None
    if not text.isdecimal() or int(text) >= 2**31:
        raise BatchError(f"Line {number}: the seed must be a whole number; it says '{text}'.")
    return int(text)
