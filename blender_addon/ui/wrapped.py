# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of several lines in a panel, which Blender's labels cannot wrap, and the row of a job."""

from collections.abc import Container

import blf
import bpy

from ..core.session import Session
from ..core.wrapping import shortened, wrap

_BESIDE = 92.0  # pixels beside the text: the tabs, the panel's and a box's margins, the icon
_MIN_WIDTH = 80.0
_MAX_LINES = 12


def draw_text(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    text: str,
    icon: str = "BLANK1",
    max_lines: int = _MAX_LINES,
) -> None:
    """Labels, one a line that fits the region; of more than `max_lines` the middle is left out.

    icon: before the first line; the others are indented alike.
    """
    scale = context.preferences.system.ui_scale
    blf.size(0, context.preferences.ui_styles[0].widget.points * scale)
    width = max(_MIN_WIDTH, context.region.width / scale - _BESIDE) * scale
    column = layout.column(align=True)
    column.scale_y = 0.8
    lines = wrap(text, width, lambda part: blf.dimensions(0, part)[0])
    for i, line in enumerate(shortened(lines, max_lines)):
        column.label(text=line, icon=icon if i == 0 else "BLANK1")


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
        draw_text(layout.box(), context, session.problem, "ERROR")
    elif session.note:
        draw_text(layout, context, session.note, "CHECKMARK")


def draw_kept(layout: bpy.types.UILayout, session: Session | None) -> None:
    """The button for a motion that waits for an armature."""
    if session is not None and session.kept is not None:
        layout.operator("hmvlm.apply_kept", text="Apply Kept Motion", icon="ACTION")
