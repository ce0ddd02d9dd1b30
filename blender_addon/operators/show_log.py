# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a log in a text editor."""

import bpy


class HMVLM_OT_show_log(bpy.types.Operator):
    """Open this log in a text editor"""

    bl_idname = "hmvlm.show_log"
    bl_label = "Show Log"

    text: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Text",
        description="The name of the text",
        options={"HIDDEN"},
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """In an editor that is open, else in a new window."""
        text = bpy.data.texts.get(self.text)
        if text is None:
            self.report({"ERROR"}, f"There is no text '{self.text}' in this file yet.")
            return {"CANCELLED"}
        area = _editor(context)
        if area is None and not bpy.app.background:
            bpy.ops.wm.window_new()
            area = context.window_manager.windows[-1].screen.areas[0]
            area.type = "TEXT_EDITOR"
        if area is not None:
            area.spaces.active.text = text
        return {"FINISHED"}


def _editor(context: bpy.types.Context) -> bpy.types.Area | None:
    areas = (area for window in context.window_manager.windows for area in window.screen.areas)
    return next((area for area in areas if area.type == "TEXT_EDITOR"), None)


CLASSES = (HMVLM_OT_show_log,)
