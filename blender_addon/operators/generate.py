# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the backend for a motion and show the job until it ends."""

import random
from typing import ClassVar

import bpy

from ..bridge.errors import BridgeError
from ..bridge.orders import make_orders, panel_target
from ..properties import MAX_SEED, settings, target_armature
from .watching import WatchJob


class HMVLM_OT_generate(WatchJob, bpy.types.Operator):
    """Make a motion from the prompt and key it on the armature (Esc cancels)"""

    bl_idname = "hmvlm.generate"
    bl_label = "Generate"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One motion at a time, onto an armature."""
        return cls.may_ask(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send the request; with a window, stay until it ends."""
        asked, armature = settings(context), target_armature(context)
        if armature is None:
            self.report({"ERROR"}, "Select an armature, or add one.")
            return {"CANCELLED"}
        if asked.random_seed:
            asked.seed = random.randint(0, MAX_SEED)
        try:
            orders = make_orders(context.scene, armature)
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return self.ask(context, orders, panel_target(context.scene, armature))


CLASSES = (HMVLM_OT_generate,)
