# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of several lines in a panel, which Blender's labels cannot wrap, and the row of a job."""

import textwrap
from collections.abc import Container

import bpy

from ..core.session import Session

_PIXELS_A_LETTER = 7.0
_MAX_LINES = 12


def letters_across(context: bpy.types.Context) -> int:
    """How many letters fit into a line of the region, at least 20."""
    width = context.region.width / context.preferences.system.ui_scale
    return max(20, int(width / _PIXELS_A_LETTER))


def draw_text(
    layout: bpy.types.UILayout,
    text: str,
    width: int,
    icon: str = "NONE",
    max_lines: int = _MAX_LINES,
) -> None:
    """Labels, one a line; of more than `max_lines` the middle is left out.

    icon: before the first line, the others are indented alike; "NONE" for none.
    """
    column = layout.column(align=True)
    column.scale_y = 0.8
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, width)]
    if len(lines) > max_lines:  # of a log, what went wrong stands at the end
        lines = [*lines[:3], "...", *lines[4 - max_lines :]]
    for i, line in enumerate(lines):
        column.label(text=line, icon=icon if i == 0 or icon == "NONE" else "BLANK1")


def draw_job(layout: bpy.types.UILayout, session: Session | None, tasks: Container[str]) -> bool:
    """Progress and a button to cancel, while a job of one of these tasks runs; whether one does."""
    if session is None or session.request is None or session.request.task not in tasks:
        return False
    row = layout.row(align=True)
    row.scale_y = 1.5
    text = f"{session.status[:1].upper()}{session.status[1:]} {session.fraction:.0%}"
    row.progress(factor=session.fraction, type="BAR", text=text)
    row.operator("hmvlm.cancel", text="", icon="X")
    return True


def draw_problem(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    session: Session | None,
    tasks: Container[str] | None = None,
) -> None:
    """What went wrong last, or how the last job ended; of these tasks, of any when None."""
    if session is None or (tasks is not None and session.task not in tasks):
        return
    if session.problem:
        draw_text(layout.box(), session.problem, letters_across(context), "ERROR")
    elif session.note:
        draw_text(layout, session.note, letters_across(context), "CHECKMARK")


def draw_kept(layout: bpy.types.UILayout, session: Session | None) -> None:
    """The button for a motion that waits for an armature."""
    if session is not None and session.kept is not None:
        layout.operator("hmvlm.apply_kept", text="Apply Kept Motion", icon="ACTION")
