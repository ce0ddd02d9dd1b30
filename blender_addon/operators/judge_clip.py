# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a clip that was made, then keep it or throw it away."""

from typing import Any, ClassVar

import bpy

from ..bridge import clips
from ..bridge.errors import BridgeError
from ..generate_properties import chosen_clip, generate_settings


class ClipOperator:
    """What works on one clip: the one at `index`, or the one selected in the list."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a clip in the list."""
        if not generate_settings(context).clips:
            cls.poll_message_set("No clip was made yet: press Generate")  # type: ignore[attr-defined]
            return False
        return True

    def clip(self, context: bpy.types.Context) -> Any:
        """The clip meant. Raises BridgeError."""
        made, index = generate_settings(context), getattr(self, "index", -1)
        if 0 <= index < len(made.clips):
            return made.clips[index]
        chosen = chosen_clip(context)
        if chosen is None:
            raise BridgeError("Select a clip in the list.")
        return chosen

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do it; what cannot be done is reported."""
        try:
            self.work(context, self.clip(context))
        except BridgeError as error:
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return {"FINISHED"}

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """What the operator does with the clip. Raises BridgeError."""
        raise NotImplementedError


def _index() -> Any:
    return bpy.props.IntProperty(
        name="Clip",
        description="The clip's place in the list; -1 for the selected one",
        default=-1,
        options={"SKIP_SAVE"},
    )


class HMVLM_OT_play_clip(ClipOperator, bpy.types.Operator):
    """Show this clip on its armature and play it from its first frame"""

    bl_idname = "hmvlm.play_clip"
    bl_label = "Play Clip"
    index: _index()  # type: ignore[valid-type]

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """Show, go to the begin, play."""
        clips.show(context.scene, clip)
        clips.choose(context.scene, clip)
        context.scene.frame_set(int(clip.action.frame_start))
        if not bpy.app.background and not context.screen.is_animation_playing:
            bpy.ops.screen.animation_play()


class HMVLM_OT_keep_clip(ClipOperator, bpy.types.Operator):
    """Keep this clip: it moves from the new clips to the history"""

    bl_idname = "hmvlm.keep_clip"
    bl_label = "Keep Clip"
    index: _index()  # type: ignore[valid-type]

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """Show it and keep it."""
        clips.show(context.scene, clip)
        clips.keep(clip)


class HMVLM_OT_discard_clip(ClipOperator, bpy.types.Operator):
    """Remove this clip's action; its prompt and seed stay in the history, to make it again"""

    bl_idname = "hmvlm.discard_clip"
    bl_label = "Discard Clip"
    index: _index()  # type: ignore[valid-type]

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """Remove it."""
        clips.discard(context.scene, clip)


class HMVLM_OT_keep_only(ClipOperator, bpy.types.Operator):
    """Keep this clip and discard the other new ones"""

    bl_idname = "hmvlm.keep_only"
    bl_label = "Keep Only This Clip"
    index: _index()  # type: ignore[valid-type]

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """Keep one, remove the others."""
        if clip.state != "NEW":  # else all the new ones would go
            raise BridgeError("Select one of the new clips: this one is judged already.")
        clips.show(context.scene, clip)
        clips.keep(clip)
        for other in clips.new_clips(context.scene):
            clips.discard(context.scene, other)
        clips.show(context.scene, clip)


class HMVLM_OT_discard_new(bpy.types.Operator):
    """Discard every clip that was not kept; the armatures get back the actions they had before"""

    bl_idname = "hmvlm.discard_new"
    bl_label = "Discard New Clips"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With new clips."""
        if not clips.new_clips(context.scene):
            cls.poll_message_set("No new clips")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove them, the last first."""
        for clip in reversed(clips.new_clips(context.scene)):
            clips.discard(context.scene, clip)
        return {"FINISHED"}


class HMVLM_OT_clear_history(bpy.types.Operator):
    """Take discarded clips, and clips whose action was deleted, off the history"""

    bl_idname = "hmvlm.clear_history"
    bl_label = "Clear Discarded Clips"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With some of them in the list."""
        if all(clip.action is not None for clip in generate_settings(context).clips):
            cls.poll_message_set("Every clip in the history has its action")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove their rows."""
        made = generate_settings(context)
        for i in reversed(range(len(made.clips))):
            if made.clips[i].action is None:
                made.clips.remove(i)
        made.clip = max(0, min(made.clip, len(made.clips) - 1))
        return {"FINISHED"}


CLASSES = (
    HMVLM_OT_play_clip,
    HMVLM_OT_keep_clip,
    HMVLM_OT_discard_clip,
    HMVLM_OT_keep_only,
    HMVLM_OT_discard_new,
    HMVLM_OT_clear_history,
)
