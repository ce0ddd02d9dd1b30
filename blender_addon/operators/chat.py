# SPDX-License-Identifier: GPL-3.0-or-later
"""A turn of the conversation: to the model, or to one of the add-on's own operators."""

from typing import ClassVar

import bpy

from ..bridge import chat_log, runtime
from ..bridge.answers import say
from ..bridge.targets import make_target
from ..core.asks import ChatAsk
from ..core.chat_orders import Order, UnknownOrderError, help_text, order_in
from ..core.requests import Target
from ..properties import settings, target_armature
from .job import JobOperator


class HMVLM_OT_send_message(JobOperator, bpy.types.Operator):
    """Send the message; a motion that is asked for is keyed on the armature (Esc cancels)"""

    bl_idname = "hmvlm.send_message"
    bl_label = "Send"
    bl_options: ClassVar[set[str]] = {"REGISTER"}
    doing = "answering"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send it, or run what it orders."""
        log, talk = context.window_manager.hmvlm_chat, chat_log.conversation()
        try:
            order = order_in(log.draft)
            messages = talk.ask(log.draft)
        except UnknownOrderError as error:
            return self.refuse(str(error))
        except ValueError as error:
            return self.refuse(str(error))
        log.draft = ""
        result = {"CANCELLED"}
        try:
            if order is not None:
                result = _obey(context, order)
            else:
                asked, target = settings(context), _target(context)
                ask = ChatAsk(messages, seed=asked.seed, target=target)
                result = self.begin(context, ask)
        except RuntimeError as error:  # how Blender passes on what an operator reports
            self.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
        finally:
            session = runtime.peek()
            if talk.pending and (session is None or session.request is None):
                chat_log.take_back()
        return result


def _target(context: bpy.types.Context) -> Target:
    """Where a motion goes that the answer makes."""
    armature, asked = target_armature(context), settings(context)
    return make_target(context.scene, armature, asked.start_frame, fit_range=asked.fit_range)


def _obey(context: bpy.types.Context, order: Order) -> set[str]:
    """Run the operator; its answer becomes the assistant's. RuntimeError when it refuses."""
    if order.operator == "help":
        say(help_text(), "help")
        return {"FINISHED"}
    if order.operator == "describe_clip":
        context.scene.hmvlm_clip.question = order.rest
    run = getattr(bpy.ops.hmvlm, order.operator)
    call = "EXEC_DEFAULT" if bpy.app.background else "INVOKE_DEFAULT"
    # the operator shows the job itself from here on, so this one is done
    return {"CANCELLED"} if run(call) == {"CANCELLED"} else {"FINISHED"}


class HMVLM_OT_clear_chat(bpy.types.Operator):
    """Forget the conversation and begin a new one"""

    bl_idname = "hmvlm.clear_chat"
    bl_label = "New Conversation"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With something to forget, and no turn under way."""
        talk = chat_log.conversation()
        return bool(talk.messages) and not talk.pending

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget it."""
        chat_log.conversation().clear()
        chat_log.show()
        return {"FINISHED"}


class HMVLM_OT_copy_turn(bpy.types.Operator):
    """Copy the chosen message to the clipboard"""

    bl_idname = "hmvlm.copy_turn"
    bl_label = "Copy Message"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a message to copy."""
        return len(context.window_manager.hmvlm_chat.turns) > 0

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Copy it."""
        log = context.window_manager.hmvlm_chat
        context.window_manager.clipboard = log.turns[min(log.active, len(log.turns) - 1)].name
        return {"FINISHED"}


CLASSES = (HMVLM_OT_send_message, HMVLM_OT_clear_chat, HMVLM_OT_copy_turn)
