# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a clip of the history again, or take its prompt back into the panel."""

from typing import Any, ClassVar

import bpy

from ..bridge.errors import BridgeError
from ..bridge.orders import panel_target, variants
from ..core.history import HistoryError, order_from_text
from ..core.order import Order
from ..generate_properties import chosen_clip, generate_settings
from ..properties import MAX_SEED, settings, target_armature
from .judge_clip import ClipOperator
from .watching import WatchJob


def _order(clip: Any) -> Order:
    try:
        return order_from_text(clip.order)
    except HistoryError as error:
        raise BridgeError(str(error)) from error


class HMVLM_OT_rerun(WatchJob, bpy.types.Operator):
    """Make this clip again, with the same prompt, seed, begin and end (Esc cancels)"""

    bl_idname = "hmvlm.rerun"
    bl_label = "Make Clip Again"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    new_seed: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="New Seed",
        description="With the next seed, for another motion of the same prompt",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One motion at a time, of a clip in the list."""
        if chosen_clip(context) is None:
            cls.poll_message_set("No clip was made yet: press Generate")
            return False
        return cls.may_ask(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for it, for the armature that is the target now."""
        armature, clip = target_armature(context), chosen_clip(context)
        if armature is None or clip is None:
            return {"CANCELLED"}
        try:
            order = _order(clip)
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if self.new_seed:
            order = Order(
                order.steps, (order.seed + 1) % MAX_SEED, order.finish, order.start, order.end
            )
        orders = variants(order, 1, preview=generate_settings(context).preview)
        return self.ask(context, orders, panel_target(context.scene, armature))


class HMVLM_OT_recall_prompt(ClipOperator, bpy.types.Operator):
    """Take this clip's prompt, length and seed back into the panel"""

    bl_idname = "hmvlm.recall_prompt"
    bl_label = "Recall Prompt"

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """Fill the panel in."""
        order, asked, made = _order(clip), settings(context), generate_settings(context)
        asked.random_seed = False
        asked.seed = min(order.seed, MAX_SEED)
        made.style = "NONE"  # its words are in the prompt
        if len(order.steps) == 1:
            step = order.steps[0]
            made.mode, made.text, asked.prompt = "ONE", None, step.prompt
            asked.choose_length = step.seconds is None
            asked.seconds = step.seconds or asked.seconds
            return
        made.mode, made.step = "SEQUENCE", 0
        made.steps.clear()
        for step in order.steps:
            row = made.steps.add()
            row.prompt, row.choose_length = step.prompt, step.seconds is None
            row.seconds = step.seconds or row.seconds


CLASSES = (HMVLM_OT_rerun, HMVLM_OT_recall_prompt)
