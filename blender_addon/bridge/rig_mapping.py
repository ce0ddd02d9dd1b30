# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone mappings kept in a scene, one for each armature that has one.

They hang on the scene and not on the armature, which may be linked and closed to changes.
"""

from typing import Any

import bpy

from ..core.bone_names import BODY_JOINTS
from ..core.mapping import BoneMapping, BoneMatch, MappingError, check_mapping, find_mapping
from .armature import BODY_BONES, is_smpl_armature
from .errors import BridgeError
from .rig import read_rig
from .rig_keys import RigSettings


def kept_mapping(scene: bpy.types.Scene, armature: bpy.types.Object) -> Any:
    """The scene's mapping for this armature (an HmvlmRig), None when there is none."""
    return next((rig for rig in scene.hmvlm.rigs if rig.armature == armature), None)


def keep_mapping(scene: bpy.types.Scene, armature: bpy.types.Object, mapping: BoneMapping) -> None:
    """Keep the mapping in the scene, in place of the one there was."""
    rigs = scene.hmvlm.rigs
    for i in reversed(range(len(rigs))):
        if rigs[i].armature is None:  # its armature was deleted
            rigs.remove(i)
    kept = kept_mapping(scene, armature) or rigs.add()
    kept.armature, kept.family = armature, mapping.family
    kept.joints.clear()
    for joint in BODY_JOINTS:
        match, row = mapping.matches[joint], kept.joints.add()
        row.name, row.bone = joint, match.bone  # a change of the bone sets the other two
        row.confidence, row.reason = match.confidence, match.reason


def detect_mapping(armature: bpy.types.Object) -> BoneMapping:
    """The mapping found for the armature. Raises BridgeError when no body can be found."""
    mapping = find_mapping(read_rig(armature))
    if not mapping.bones:
        raise BridgeError(
            f"No human body was found in '{armature.name}': choose its bones in the Rig panel, "
            "or load a mapping there."
        )
    return mapping


def current_mapping(scene: bpy.types.Scene, armature: bpy.types.Object) -> BoneMapping:
    """The kept mapping, else one found now. Raises BridgeError when none can be found."""
    kept = kept_mapping(scene, armature)
    if kept is None:
        return detect_mapping(armature)
    rows = {row.name: BoneMatch(row.bone, row.confidence, row.reason) for row in kept.joints}
    return BoneMapping(kept.family, rows)


def rig_settings(scene: bpy.types.Scene, armature: bpy.types.Object) -> RigSettings:
    """How the panel says that this armature is keyed.

    Raises BridgeError, which says what to choose, when its mapping does not do.
    """
    asked = scene.hmvlm
    if is_smpl_armature(armature):
        bones, family = {name: name for name in BODY_BONES}, ""
    else:
        mapping = current_mapping(scene, armature)
        bones, family = mapping.bones, mapping.family
        try:
            check_mapping(bones, read_rig(armature))
        except MappingError as error:
            raise BridgeError(f"'{armature.name}': {error}") from error
    return RigSettings(
        bones,
        family,
        foot_lock=asked.foot_lock,
        ik_targets=asked.ik_targets,
        selected_only=asked.selected_only,
        as_layer=asked.as_layer,
    )
