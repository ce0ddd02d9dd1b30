# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip, chosen, dropped or from Blender's own editors: described, asked about, tracked."""

from pathlib import Path
from typing import ClassVar

import bpy

from ..bridge import runtime
from ..bridge.capture import capture_animation
from ..bridge.clip_source import ClipSource, active_clip, check_clip
from ..bridge.errors import BridgeError
from ..bridge.rig_mapping import rig_settings
from ..bridge.targets import make_target
from ..core.asks import DescribeAsk, DescribeMotionAsk, TrackAsk
from ..core.media import CLIPS
from ..properties import settings, target_armature
from .job import ArmatureJobOperator, JobOperator, target_now

_GLOB = ";".join(f"*{suffix}" for suffix in CLIPS)


def _choose(context: bpy.types.Context, clip: ClipSource) -> None:
    """Put a clip into the panel."""
    asked = context.scene.hmvlm_clip
    asked.path, asked.start, asked.seconds = clip.path, clip.start, clip.seconds


class HMVLM_OT_open_clip(bpy.types.Operator):
    """Choose the video to describe or to track"""

    bl_idname = "hmvlm.open_clip"
    bl_label = "Open Clip"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default=_GLOB, options={"HIDDEN"})  # type: ignore[valid-type]
    filepath: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="File", description="The video", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A file that was dropped is there already; else choose one."""
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put it into the panel."""
        try:
            _choose(context, ClipSource(check_clip(self.filepath)))
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class HMVLM_OT_active_clip(bpy.types.Operator):
    """Use the active movie strip of the sequencer between its handles, or the active movie clip"""

    bl_idname = "hmvlm.active_clip"
    bl_label = "Use Active Strip or Clip"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put its file into the panel, and the part that it shows."""
        try:
            _choose(context, active_clip(context))
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class HMVLM_OT_describe_clip(JobOperator, bpy.types.Operator):
    """Say in words what the person in the clip does, or answer the question (Esc cancels)"""

    bl_idname = "hmvlm.describe_clip"
    bl_label = "Describe Clip"
    bl_options: ClassVar[set[str]] = {"REGISTER"}
    doing = "watching the clip"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send the request."""
        asked = context.scene.hmvlm_clip
        try:
            path = check_clip(asked.path)
        except BridgeError as error:
            return self.refuse(str(error))
        ask = DescribeAsk(
            path,
            asked.question.strip(),
            target_now(context),
            start=asked.start,
            seconds=asked.seconds,
        )
        return self.begin(context, ask)


class HMVLM_OT_track_clip(ArmatureJobOperator, bpy.types.Operator):
    """Make a motion of what the person in the clip does and key it on the armature (Esc cancels)"""

    bl_idname = "hmvlm.track_clip"
    bl_label = "Track onto Rig"
    bl_options: ClassVar[set[str]] = {"REGISTER"}
    doing = "tracking the clip"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send the request, once it is clear that the armature can take a motion."""
        armature, asked = target_armature(context), settings(context)
        asked_clip = context.scene.hmvlm_clip
        if armature is None:
            return self.refuse("Select an armature, or add one.")
        try:
            rig_settings(context.scene, armature)
            path = check_clip(asked_clip.path)
        except BridgeError as error:
            return self.refuse(str(error))
        target = make_target(context.scene, armature, asked.start_frame, fit_range=asked.fit_range)
        ask = TrackAsk(
            path,
            Path(path).stem,
            asked_clip.in_place,
            target,
            start=asked_clip.start,
            seconds=asked_clip.seconds,
        )
        return self.begin(context, ask)


class HMVLM_OT_describe_action(ArmatureJobOperator, bpy.types.Operator):
    """Say in words what the animation on the armature shows, also in the action's description"""

    bl_idname = "hmvlm.describe_action"
    bl_label = "Describe Action"
    bl_options: ClassVar[set[str]] = {"REGISTER"}
    doing = "reading the animation"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the animation off the armature and send it."""
        armature = target_armature(context)
        if armature is None:
            return self.refuse("Select an armature, or add one.")
        try:
            motion = capture_animation(context.scene, armature)
        except BridgeError as error:
            return self.refuse(str(error))
        action = armature.animation_data.action
        name, uid = (action.name, action.session_uid) if action is not None else ("", 0)
        ask = DescribeMotionAsk(motion, name, uid, target=target_now(context))
        return self.begin(context, ask)


class HMVLM_OT_copy_answer(bpy.types.Operator):
    """Copy the text to the clipboard"""

    bl_idname = "hmvlm.copy_answer"
    bl_label = "Copy Text"

    task: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Task", description="Whose answer", default=DescribeAsk.task, options={"HIDDEN"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Copy it."""
        session = runtime.peek()
        answer = session.latest.get(self.task) if session is not None else None
        if answer is None:
            self.report({"ERROR"}, "There is no text yet.")
            return {"CANCELLED"}
        context.window_manager.clipboard = answer.text
        return {"FINISHED"}


class HMVLM_FH_clip(bpy.types.FileHandler):
    """Videos that are dropped onto the sidebar of a 3D view."""

    bl_idname = "HMVLM_FH_clip"
    bl_label = "HMVLM: Clip"
    bl_import_operator = "hmvlm.open_clip"
    bl_file_extensions = ";".join(suffix for suffix in CLIPS if suffix != ".gif")

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """In 3D views; over the view itself Blender's own image empties come first."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (
    HMVLM_OT_open_clip,
    HMVLM_OT_active_clip,
    HMVLM_OT_describe_clip,
    HMVLM_OT_track_clip,
    HMVLM_OT_describe_action,
    HMVLM_OT_copy_answer,
    HMVLM_FH_clip,
)
