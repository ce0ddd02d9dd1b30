# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip and the action in words. It reads state and changes none."""

from typing import Any

import bpy

from ..bridge import runtime
from ..bridge.answers import DESCRIPTION
from ..core.session import Session
from ..properties import target_armature
from .wrapped import draw_job, draw_kept, draw_problem, draw_text

_TASKS = ("describe", "describe_motion", "track")


class HMVLM_PT_clip(bpy.types.Panel):
    """A clip or an action in, words or keyframes out."""

    bl_idname = "HMVLM_PT_clip"
    bl_label = "Clip"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender reads a plain set)

    def draw(self, context: bpy.types.Context) -> None:
        """The clip and what is asked about it; below it the action."""
        session, layout = runtime.peek(), self.layout
        asked: Any = context.scene.hmvlm_clip
        row = layout.row(align=True)
        row.prop(asked, "path", text="", placeholder="Video file")
        row.operator("hmvlm.active_clip", text="", icon="SEQUENCE")
        if not asked.path:
            layout.label(text="Or drop a video on this sidebar", icon="INFO")
        row = layout.row(align=True)
        row.prop(asked, "start")
        row.prop(asked, "seconds")
        layout.prop(asked, "question", text="", icon="QUESTION", placeholder="Ask (or leave empty)")
        if not draw_job(layout, session, _TASKS):
            row = layout.row(align=True)
            row.scale_y = 1.5
            text = "Ask" if asked.question.strip() else "Describe"
            row.operator("hmvlm.describe_clip", text=text, icon="TEXT")
            row.operator("hmvlm.track_clip", icon="TRACKING")
            layout.prop(asked, "in_place")
        _draw_answer(layout, context, session)
        layout.separator()
        _draw_action(layout, context)
        draw_problem(layout, context, session, _TASKS)
        draw_kept(layout, session)


def _draw_answer(
    layout: bpy.types.UILayout, context: bpy.types.Context, session: Session | None
) -> None:
    """What the clip shows, also while the words still come."""
    if session is None:
        return
    running = session.request is not None and session.request.task == "describe"
    answer = session.latest.get("describe")
    text = session.job.text if running and session.job is not None else ""
    if not running and answer is not None:
        text = answer.text
    if not text.strip():
        return
    box = layout.box()
    draw_text(box, context, text, "TEXT")
    if not running:
        box.operator("hmvlm.copy_answer", icon="COPYDOWN").task = "describe"


def _draw_action(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    armature = target_armature(context)
    animation = armature.animation_data if armature is not None else None
    action = animation.action if animation is not None else None
    name = f"Action: {action.name}" if action is not None else "No action on the armature"
    layout.label(text=name, icon="ACTION")
    layout.operator("hmvlm.describe_action", icon="TEXT")
    described = str(action.get(DESCRIPTION, "")) if action is not None else ""
    if described:
        box = layout.box()
        draw_text(box, context, described, "TEXT")


CLASSES = (HMVLM_PT_clip,)
