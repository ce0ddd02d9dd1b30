# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, save and load the bone mapping of the armature that is animated."""

from pathlib import Path
from typing import ClassVar

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..bridge.errors import BridgeError
from ..bridge.rig import read_rig
from ..bridge.rig_mapping import current_mapping, detect_mapping, keep_mapping
from ..core.bone_names import BODY_JOINTS
from ..core.mapping import NO_MATCH, BoneMapping, MappingError, mapping_from_json, mapping_to_json
from ..properties import target_armature


class _MappingOperator:
    """What the three have in common: they work on the target armature."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With an armature to map."""
        if target_armature(context) is None:
            cls.poll_message_set("Select an armature")  # type: ignore[attr-defined]
            return False
        return True


class HMVLM_OT_map_bones(_MappingOperator, bpy.types.Operator):
    """Find which bone plays which joint, by the bones' names and hierarchy"""

    bl_idname = "hmvlm.map_bones"
    bl_label = "Detect Bones"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Replace the mapping by what is found; an empty one to fill in when nothing is."""
        armature = target_armature(context)
        if armature is None:
            return {"CANCELLED"}
        try:
            mapping = detect_mapping(armature)
        except BridgeError as error:
            keep_mapping(
                context.scene, armature, BoneMapping("", dict.fromkeys(BODY_JOINTS, NO_MATCH))
            )
            self.report({"WARNING"}, str(error))
            return {"FINISHED"}
        keep_mapping(context.scene, armature, mapping)
        self.report({"INFO"}, f"{mapping.family}: {len(mapping.bones)} of {len(BODY_JOINTS)} bones")
        return {"FINISHED"}


class HMVLM_OT_save_mapping(_MappingOperator, bpy.types.Operator, ExportHelper):
    """Write the bone mapping to a JSON file, to be loaded for other armatures of this kind"""

    bl_idname = "hmvlm.save_mapping"
    bl_label = "Save Bone Mapping"

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        armature = target_armature(context)
        if armature is None:
            return {"CANCELLED"}
        try:
            text = mapping_to_json(current_mapping(context.scene, armature))
            Path(self.filepath).write_text(text, encoding="utf-8")
        except BridgeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{self.filepath}: {error.strerror}. Choose another place.")
            return {"CANCELLED"}
        return {"FINISHED"}


class HMVLM_OT_load_mapping(_MappingOperator, bpy.types.Operator, ImportHelper):
    """Read a bone mapping from a JSON file and use it for this armature"""

    bl_idname = "hmvlm.load_mapping"
    bl_label = "Load Bone Mapping"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read it; bones that the armature lacks are named and left empty."""
        armature = target_armature(context)
        if armature is None:
            return {"CANCELLED"}
        try:
            text = Path(self.filepath).read_text(encoding="utf-8")
            mapping, missing = mapping_from_json(text, read_rig(armature))
        except MappingError as error:
            self.report({"ERROR"}, f"{self.filepath}: {error}")
            return {"CANCELLED"}
        except UnicodeDecodeError:
            self.report({"ERROR"}, f"{self.filepath} is not a text file: choose a saved mapping.")
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{self.filepath}: {error.strerror}. Choose another file.")
            return {"CANCELLED"}
        keep_mapping(context.scene, armature, mapping)
        if missing:
            self.report({"WARNING"}, f"The armature has no bone {', '.join(missing)}")
        return {"FINISHED"}


CLASSES = (HMVLM_OT_map_bones, HMVLM_OT_save_mapping, HMVLM_OT_load_mapping)
