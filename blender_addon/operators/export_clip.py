# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a clip to a file for other programs."""

from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy_extras.io_utils import ExportHelper

from ..bridge.export import EXTENSIONS, FORMATS, export_clip
from ..generate_properties import chosen_clip
from .judge_clip import ClipOperator


class HMVLM_OT_export_clip(ClipOperator, bpy.types.Operator, ExportHelper):
    """Write the selected clip as BVH, FBX, glTF, USD or AMASS .npz"""

    bl_idname = "hmvlm.export_clip"
    bl_label = "Export Clip"
    bl_options: ClassVar[set[str]] = {"REGISTER"}  # files are not undone

    filename_ext = ""
    filter_glob: bpy.props.StringProperty(  # type: ignore[valid-type]
        default=";".join(f"*{extension}" for extension in EXTENSIONS.values()), options={"HIDDEN"}
    )
    kind: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Format",
        description="The kind of file",
        items=tuple((name, label, about) for name, label, about, _ in FORMATS),
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With a clip that has keys."""
        clip = chosen_clip(context)
        if clip is None or clip.action is None:
            cls.poll_message_set("Select a clip with keys in the list")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Offer the clip's name in the file browser."""
        clip = chosen_clip(context)
        if clip is not None:
            words = "".join(c if c.isalnum() else "_" for c in clip.action.name)
            self.filepath = words[:60] + EXTENSIONS[self.kind]
        return ExportHelper.invoke(self, context, event)

    def check(self, _context: bpy.types.Context) -> bool:
        """The ending follows the format."""
        path = str(self._path())
        changed, self.filepath = path != self.filepath, path
        return changed

    def work(self, context: bpy.types.Context, clip: Any) -> None:
        """Write it."""
        export_clip(context, clip, self.kind, self._path())
        self.report({"INFO"}, f"Wrote {self._path().name}")

    def _path(self) -> Path:
        path = Path(self.filepath)
        if path.suffix.lower() in (*EXTENSIONS.values(), ".usd", ".usda"):
            if self.kind == "USD" and path.suffix.lower().startswith(".usd"):
                return path
            path = path.with_suffix("")
        return path.with_name(path.name + EXTENSIONS[self.kind])


CLASSES = (HMVLM_OT_export_clip,)
