# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators that ask for motions have in common: send, then stay until the job ends."""

import bpy

from ..bridge import runtime
from ..bridge.orders import send
from ..core.client import ClientError
from ..core.order import Order
from ..core.requests import Target
from ..properties import target_armature

_LOOK_S = 0.1


class WatchJob:
    """Shows the job in the status bar until it ends; Esc cancels it. For operators without UNDO:
    the keys come later and make a step of their own."""

    _timer: bpy.types.Timer | None = None

    @classmethod
    def may_ask(cls, context: bpy.types.Context) -> bool:
        """Whether a motion can be asked for now; says why not."""
        session = runtime.peek()
        if session is not None and session.request is not None:
            cls.poll_message_set("A motion is being made")  # type: ignore[attr-defined]
            return False
        if target_armature(context) is None:
            cls.poll_message_set("Select an armature, or add one")  # type: ignore[attr-defined]
            return False
        return True

    def ask(
        self,
        context: bpy.types.Context,
        orders: list[Order],
        target: Target,
        *,
        stay: bool = True,
    ) -> set[str]:
        """Send the orders; with a window, stay until they are done.

        stay: not for what the file browser executes, which must not go on after it.
        """
        session = runtime.current()
        try:
            send(session, orders, target)
        except ClientError as error:
            session.problem = str(error)
        runtime.wake()
        if session.request is None:
            self.report({"ERROR"}, session.problem)  # type: ignore[attr-defined]
            return {"CANCELLED"}
        if bpy.app.background or not stay:
            return {"FINISHED"}
        self._timer = context.window_manager.event_timer_add(_LOOK_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set("HMVLM: making a motion (Esc cancels)")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Let every event through; Esc cancels the job."""
        session = runtime.peek()
        if session is None:
            self.cancel(context)
            return {"CANCELLED"}
        if session.request is None:
            self.cancel(context)
            if session.problem:
                self.report({"ERROR"}, session.problem)  # type: ignore[attr-defined]
                return {"CANCELLED"}
            self.report({"INFO"}, session.note)  # type: ignore[attr-defined]
            return {"FINISHED"}
        if event.type == "ESC" and event.value == "PRESS":
            session.cancel()
            return {"RUNNING_MODAL"}
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Also called by Blender when it ends the operator, as on loading a file."""
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        if context.workspace is not None:
            context.workspace.status_text_set(None)
