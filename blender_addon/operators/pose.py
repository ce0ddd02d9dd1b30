# SPDX-License-Identifier: GPL-3.0-or-later
"""The pose of a person in the photo: made, keyed, saved to the pose library, shown beside."""

from dataclasses import replace
from typing import ClassVar

import bpy

from ..bridge import runtime
from ..bridge.answers import key_last_pose, last_pose
from ..bridge.errors import BridgeError
from ..bridge.photo import pose_ask
from ..bridge.photo_overlay import show_beside
from ..bridge.pose_asset import save_pose_asset
from ..bridge.rig_mapping import rig_settings
from ..core.asks import PoseAsk
from ..properties import target_armature
from .job import ArmatureJobOperator, target_now


class HMVLM_OT_pose_from_photo(ArmatureJobOperator, bpy.types.Operator):
    """Make the pose of the chosen person and key it at the playhead (Esc cancels)"""

    bl_idname = "hmvlm.pose_from_photo"
    bl_label = "Pose from Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER"}
    doing = "reading the pose"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send the request, once it is clear that the armature can take a pose."""
        armature = target_armature(context)
        if armature is None:
            return self.refuse("Select an armature, or add one.")
        try:
            rig_settings(context.scene, armature)
            ask = pose_ask(context.scene, target_now(context))
        except BridgeError as error:
            return self.refuse(str(error))
        return self.begin(context, ask)


class _LastPoseOperator:
    """What the two have in common: they work with the last pose, on the armature."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a pose and an armature."""
        if last_pose(runtime.peek()) is None:
            cls.poll_message_set("Make a pose from a photo first")  # type: ignore[attr-defined]
            return False
        if target_armature(context) is None:
            cls.poll_message_set("Select an armature, or add one")  # type: ignore[attr-defined]
            return False
        return True


class HMVLM_OT_key_pose(_LastPoseOperator, bpy.types.Operator):
    """Key the last pose again, at the playhead of this armature"""

    bl_idname = "hmvlm.key_pose"
    bl_label = "Key at Playhead"
    # no UNDO: keying makes the one step itself

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Key it as the panel says now."""
        session = runtime.current()
        known, armature = last_pose(session), target_armature(context)
        if known is None or armature is None:
            return {"CANCELLED"}
        try:
            session.note = key_last_pose(session, target_now(context), _as_asked(context))
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        session.problem = ""
        return {"FINISHED"}


class HMVLM_OT_save_pose(_LastPoseOperator, bpy.types.Operator):
    """Save the last pose to the pose library of this file, with the person as its picture"""

    bl_idname = "hmvlm.save_pose"
    bl_label = "Save to Pose Library"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the asset; the asset browser shows it under Current File."""
        known, armature = last_pose(runtime.peek()), target_armature(context)
        if known is None or armature is None:
            return {"CANCELLED"}
        name = context.scene.hmvlm_pose.asset_name.strip() or "Pose"
        try:
            action = save_pose_asset(context.scene, armature, known[1], _as_asked(context), name)
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved as '{action.name}' (asset browser: Current File)")
        return {"FINISHED"}


def _as_asked(context: bpy.types.Context) -> PoseAsk:
    """The last pose's request, with what the panel says now about keying."""
    known, asked = last_pose(runtime.peek()), context.scene.hmvlm_pose
    assert known is not None
    return replace(
        known[0],
        selected_only=asked.selected_only,
        keep_place=asked.keep_place,
        keep_heading=asked.keep_heading,
    )


class HMVLM_OT_show_photo(bpy.types.Operator):
    """Show the photo in an image editor beside the 3D view, with people and pose drawn over it"""

    bl_idname = "hmvlm.show_photo"
    bl_label = "Show Beside"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a photo and a window to show it in."""
        if context.screen is None or bpy.app.background:
            cls.poll_message_set("There is no window to show it in")
            return False
        if context.scene.hmvlm_pose.image is None:
            cls.poll_message_set("Open or paste a photo first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Split the view, or use an image editor that is open."""
        try:
            show_beside(context)
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (HMVLM_OT_pose_from_photo, HMVLM_OT_key_pose, HMVLM_OT_save_pose, HMVLM_OT_show_photo)
