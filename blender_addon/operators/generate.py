# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the backend for a motion and show the job until it ends."""

import random
from typing import ClassVar

import bpy

from ..bridge import runtime
from ..bridge.errors import BridgeError
from ..bridge.rig_mapping import rig_settings
from ..core.client import ClientError
from ..core.session import Request, Target
from ..properties import MAX_SEED, settings, target_armature

_LOOK_S = 0.1


class HMVLM_OT_generate(bpy.types.Operator):
    """Make a motion from the prompt and key it on the armature (Esc cancels)"""

    bl_idname = "hmvlm.generate"
    bl_label = "Generate"
    # no UNDO: the keys come later and make a step of their own
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    _timer: bpy.types.Timer | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One motion at a time, onto an armature."""
        session = runtime.peek()
        if session is not None and session.request is not None:
            cls.poll_message_set("A motion is being made")
            return False
        if target_armature(context) is None:
            cls.poll_message_set("Select an armature, or add one")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send the request; with a window, stay until it ends."""
        asked = settings(context)
        armature = target_armature(context)
        if armature is None:
            self.report({"ERROR"}, "Select an armature, or add one.")
            return {"CANCELLED"}
        try:
            rig_settings(context.scene, armature)
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if asked.random_seed:
            asked.seed = random.randint(0, MAX_SEED)
        target = Target(
            armature.name, context.scene.name, asked.start_frame, fit_range=asked.fit_range
        )
        seconds = None if asked.choose_length else asked.seconds
        session = runtime.current()
        try:
            session.generate(Request(asked.prompt, seconds, asked.seed, target))
        except ClientError as error:
            session.problem = str(error)
        runtime.wake()
        if session.request is None:
            self.report({"ERROR"}, session.problem)
            return {"CANCELLED"}
        if bpy.app.background:
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
                self.report({"ERROR"}, session.problem)
                return {"CANCELLED"}
            self.report({"INFO"}, session.note)
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


CLASSES = (HMVLM_OT_generate,)
