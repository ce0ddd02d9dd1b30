# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators that ask the backend for something else than motions have in common."""

import bpy

from ..bridge import runtime
from ..bridge.targets import make_target
from ..core.client import ClientError
from ..core.requests import Ask, Target
from ..properties import target_armature
from .watching import WatchJob

_LOOK_S = 0.1


class JobOperator(WatchJob):
    """A mixin for operators whose execute ends in `begin`, for a job of any task."""

    doing = "working"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One job at a time."""
        session = runtime.peek()
        if session is not None and session.request is not None:
            cls.poll_message_set("The backend is at work: wait for it, or cancel it")  # type: ignore[attr-defined]
            return False
        return True

    def refuse(self, message: str) -> set[str]:
        """Say why nothing is done."""
        self.report({"ERROR"}, message)  # type: ignore[attr-defined]
        return {"CANCELLED"}

    def begin(self, context: bpy.types.Context, request: Ask) -> set[str]:
        """Send the request; with a window, stay until it ends."""
        session = runtime.current()
        try:
            session.ask(request)
        except ClientError as error:
            session.problem = str(error)
        runtime.wake()
        if session.request is None:
            return self.refuse(session.problem)
        if bpy.app.background:
            return {"FINISHED"}
        manager = context.window_manager
        self._timer = manager.event_timer_add(_LOOK_S, window=context.window)
        manager.modal_handler_add(self)  # type: ignore[arg-type]
        context.workspace.status_text_set(f"HMVLM: {self.doing} (Esc cancels)")
        return {"RUNNING_MODAL"}


class ArmatureJobOperator(JobOperator):
    """One whose answer goes onto an armature."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One job at a time, with an armature to take it."""
        if not super().poll(context):
            return False
        if target_armature(context) is None:
            cls.poll_message_set("Select an armature, or add one")  # type: ignore[attr-defined]
            return False
        return True


def target_now(context: bpy.types.Context) -> Target:
    """The armature of the panel, if there is one, at the playhead."""
    scene = context.scene
    return make_target(scene, target_armature(context), scene.frame_current, fit_range=False)
