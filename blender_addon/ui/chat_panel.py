# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation: its turns as a list, the chosen one in full. It reads state, changes none."""

from typing import Any

import bpy

from ..bridge import chat_log, runtime
from ..core.session import Session
from ..properties import target_armature
from .wrapped import draw_job, draw_kept, draw_problem, draw_text

_SHOWN_LINES = 30
_ASKED_LINES = 6
_ROWS = 6


class HMVLM_UL_turns(bpy.types.UIList):
    """A message a row, as far as it fits."""

    bl_idname = "HMVLM_UL_turns"

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        item: Any,
        _icon: int,
        _active_data: Any,
        _active_property: str,
    ) -> None:
        """Draw one row."""
        mine = item.role == "user"
        icon = "USER" if mine else "ARMATURE_DATA" if item.made_motion else "OUTLINER_OB_SPEAKER"
        layout.label(text=item.name.replace("\n", " "), icon=icon)


class HMVLM_PT_chat(bpy.types.Panel):
    """Words in, words or keyframes out."""

    bl_idname = "HMVLM_PT_chat"
    bl_label = "Chat"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender reads a plain set)

    def draw(self, context: bpy.types.Context) -> None:
        """The turns, the one under way, the message that is written."""
        session, layout = runtime.peek(), self.layout
        log: Any = context.window_manager.hmvlm_chat
        if log.turns:
            layout.template_list(
                HMVLM_UL_turns.bl_idname, "", log, "turns", log, "active", rows=_ROWS
            )
        pending = chat_log.conversation().pending
        running = session is not None and session.request is not None
        tasks = (session.request.task,) if pending and running else ()  # a turn may begin any task
        asking = draw_job(layout, session, tasks)
        if pending:
            _draw_pending(layout, context, session, pending)
        elif log.turns:
            _draw_turn(layout, context, log)
        else:
            hint = "Ask something, describe a motion, or say: describe this animation"
            draw_text(layout, context, hint, "INFO")

        if not asking:
            row = layout.row(align=True)
            row.prop(log, "draft", text="", placeholder="Message, or /help")
            row.operator("hmvlm.send_message", text="", icon="PLAY")
            armature = target_armature(context)
            if armature is not None:
                layout.label(text=f"Motions go onto '{armature.name}'", icon="ARMATURE_DATA")
        wrong = session is not None and session.problem  # a turn may have begun any task
        draw_problem(layout, context, session, None if wrong else ("chat",))
        draw_kept(layout, session)


def _draw_pending(
    layout: bpy.types.UILayout, context: bpy.types.Context, session: Session | None, pending: str
) -> None:
    box = layout.box()
    draw_text(box, context, pending, "USER", _ASKED_LINES)
    text = session.job.text if session is not None and session.job is not None else ""
    if text.strip():
        draw_text(box, context, text, "OUTLINER_OB_SPEAKER", _SHOWN_LINES)


def _draw_turn(layout: bpy.types.UILayout, context: bpy.types.Context, log: Any) -> None:
    turn = log.turns[min(log.active, len(log.turns) - 1)]
    box = layout.box()
    icon = "USER" if turn.role == "user" else "OUTLINER_OB_SPEAKER"
    draw_text(box, context, turn.name, icon, _SHOWN_LINES)
    row = layout.row(align=True)
    row.operator("hmvlm.copy_turn", text="Copy", icon="COPYDOWN")
    row.operator("hmvlm.clear_chat", text="New", icon="FILE_NEW")


CLASSES = (HMVLM_UL_turns, HMVLM_PT_chat)
