# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay a clip over others in the NLA."""

from typing import Any

import bpy

from ..bridge import clips
from .judge_clip import ClipOperator


class HMVLM_OT_push_to_nla(ClipOperator, bpy.types.Operator):
    """Put this clip on an NLA track of its own, at its first frame, and keep it"""

    bl_idname = "hmvlm.push_to_nla"
    bl_label = "Push Clip to NLA"

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """Make the track."""
        clips.push_to_nla(context.scene, clip)


CLASSES = (HMVLM_OT_push_to_nla,)
