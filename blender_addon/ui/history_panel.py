# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips that were made: new ones to judge, all of them as a history. It reads state only."""

import bpy

from ..bridge import clips
from ..generate_properties import HmvlmClip, HmvlmGenerate, chosen_clip, generate_settings

_ICONS = {"NEW": "DOT", "KEPT": "CHECKMARK", "REJECTED": "X"}


class _ClipList:
    """What the two lists have in common: the newest at the top."""

    def filter_items(
        self, _context: bpy.types.Context, data: HmvlmGenerate, _property: str
    ) -> tuple[list[int], list[int]]:
        """Which rows there are, and in what order."""
        count = len(data.clips)
        shown = [
            self.bitflag_filter_item if self.has(clip) else 0  # type: ignore[attr-defined]
            for clip in data.clips
        ]
        return shown, [count - 1 - i for i in range(count)]

    def has(self, clip: HmvlmClip) -> bool:
        """Whether the clip is in this list."""
        raise NotImplementedError


class HMVLM_UL_new_clips(_ClipList, bpy.types.UIList):
    """Clips to judge, with their buttons."""

    bl_idname = "HMVLM_UL_new_clips"

    def has(self, clip: HmvlmClip) -> bool:
        """New ones."""
        return clip.state == "NEW" and clip.action is not None

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: HmvlmGenerate,
        item: HmvlmClip,
        _icon: int,
        _active_data: HmvlmGenerate,
        _active_property: str,
        index: int = 0,
    ) -> None:
        """Draw one row."""
        row = layout.row(align=True)
        icon = "HIDE_OFF" if clips.is_shown(item) else "BLANK1"
        alone = sum(bool(item.group) and c.group == item.group for c in data.clips) < 2
        row.label(text=item.name if alone else f"{item.number}. {item.name}", icon=icon)
        for name, sign in (("play", "PLAY"), ("keep", "CHECKMARK"), ("discard", "X")):
            row.operator(f"hmvlm.{name}_clip", text="", icon=sign, emboss=False).index = index


class HMVLM_UL_history(_ClipList, bpy.types.UIList):
    """All that was made."""

    bl_idname = "HMVLM_UL_history"

    def has(self, _clip: HmvlmClip) -> bool:
        """Every one."""
        return True

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: HmvlmGenerate,
        item: HmvlmClip,
        _icon: int,
        _active_data: HmvlmGenerate,
        _active_property: str,
    ) -> None:
        """Draw one row."""
        row = layout.split(factor=0.8)
        row.active = item.action is not None
        row.label(text=item.name, icon=_ICONS[item.state])
        row.label(text=f"{item.seconds:.1f} s")


class HMVLM_PT_new_clips(bpy.types.Panel):
    """Clips that are neither kept nor discarded yet."""

    bl_idname = "HMVLM_PT_new_clips"
    bl_label = "New Clips"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With something to judge."""
        return bool(clips.new_clips(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        """The list, and what is done to all."""
        made, layout = generate_settings(context), self.layout
        rows = min(max(len(clips.new_clips(context.scene)), 2), 8)
        layout.template_list(
            HMVLM_UL_new_clips.bl_idname, "", made, "clips", made, "clip", rows=rows
        )
        row = layout.row(align=True)
        row.operator("hmvlm.keep_only", text="Keep Only This", icon="CHECKMARK")
        row.operator("hmvlm.discard_new", text="Discard All", icon="TRASH")


class HMVLM_PT_history(bpy.types.Panel):
    """What was made, to be made again, laid over others, or written to a file."""

    bl_idname = "HMVLM_PT_history"
    bl_label = "History"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender reads a plain set)

    def draw(self, context: bpy.types.Context) -> None:
        """The list, the selected clip, its buttons."""
        made, layout = generate_settings(context), self.layout
        if made.clips:
            row = layout.row()
            row.template_list(HMVLM_UL_history.bl_idname, "", made, "clips", made, "clip", rows=5)
            column = row.column(align=True)
            column.operator("hmvlm.play_clip", text="", icon="PLAY")
            column.operator("hmvlm.discard_clip", text="", icon="X")
            column.separator()
            column.operator("hmvlm.clear_history", text="", icon="TRASH")
            _draw_clip(layout, context)
        else:
            layout.label(text="Nothing was made yet", icon="INFO")
        layout.operator("hmvlm.batch", icon="FILE_TEXT")


def _draw_clip(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    clip = chosen_clip(context)
    if clip is None:
        return
    box = layout.box().column(align=True)
    box.label(text=f"Seed {clip.seed}" + (f", {clip.model}" if clip.model else ""))
    if clip.armature is not None and clip.action is not None:
        box.label(text=f"On '{clip.armature.name}' from frame {clip.start_frame}")
    elif clip.action is None:
        box.label(text="Its keys are gone; it can be made again")
    row = layout.row(align=True)
    row.operator("hmvlm.rerun", text="Make Again", icon="FILE_REFRESH")
    row.operator("hmvlm.rerun", text="New Seed", icon="MOD_NOISE").new_seed = True
    row = layout.row(align=True)
    row.operator("hmvlm.recall_prompt", text="Recall Prompt", icon="LOOP_BACK")
    row.operator("hmvlm.push_to_nla", text="Push to NLA", icon="NLA_PUSHDOWN")
    layout.operator_menu_enum("hmvlm.export_clip", "kind", text="Export", icon="EXPORT")


CLASSES = (
    HMVLM_UL_new_clips,
    HMVLM_UL_history,
    HMVLM_PT_new_clips,
    HMVLM_PT_history,
)
