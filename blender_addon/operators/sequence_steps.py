# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of prompts that follow each other."""

from typing import ClassVar

import bpy

from ..generate_properties import generate_settings
from ..properties import settings


class _StepOperator:
    """What needs a prompt in the list."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a prompt in the list."""
        if not generate_settings(context).steps:
            cls.poll_message_set("The sequence has no prompts")  # type: ignore[attr-defined]
            return False
        return True


class HMVLM_OT_add_step(bpy.types.Operator):
    """Add a prompt after the selected one; the first takes over what the prompt field says"""

    bl_idname = "hmvlm.add_step"
    bl_label = "Add Prompt to Sequence"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add it and select it."""
        made = generate_settings(context)
        first = not made.steps
        at = min(made.step + 1, len(made.steps))
        step = made.steps.add()
        step.prompt = settings(context).prompt if first else "a person stands still"
        made.steps.move(len(made.steps) - 1, at)
        made.step = at
        return {"FINISHED"}


class HMVLM_OT_remove_step(_StepOperator, bpy.types.Operator):
    """Take the selected prompt out of the sequence"""

    bl_idname = "hmvlm.remove_step"
    bl_label = "Remove Prompt from Sequence"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove it."""
        made = generate_settings(context)
        made.steps.remove(made.step)
        made.step = max(0, min(made.step, len(made.steps) - 1))
        return {"FINISHED"}


class HMVLM_OT_move_step(_StepOperator, bpy.types.Operator):
    """Move the selected prompt up or down in the sequence"""

    bl_idname = "hmvlm.move_step"
    bl_label = "Move Prompt in Sequence"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    direction: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Direction",
        items=(("UP", "Up", "Earlier"), ("DOWN", "Down", "Later")),
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Move it, as far as there is room."""
        made = generate_settings(context)
        to = made.step + (-1 if self.direction == "UP" else 1)
        if not 0 <= to < len(made.steps):
            return {"CANCELLED"}
        made.steps.move(made.step, to)
        made.step = to
        return {"FINISHED"}


CLASSES = (HMVLM_OT_add_step, HMVLM_OT_remove_step, HMVLM_OT_move_step)
