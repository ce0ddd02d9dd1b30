# SPDX-License-Identifier: GPL-3.0-or-later
"""Any armature read as a `Rig`: its rest in its own space, and what its constraints carry.

Nothing is changed and no mode is switched, so linked data and overrides are read alike.
"""

import bpy
import numpy as np

from ..core.bone_names import is_mechanism
from ..core.rig import Rig

_WHOLE = 0.99  # a constraint of less influence leaves the bone to its parent
# what a bone with such a constraint follows, target and all
_FOLLOWS = ("COPY_TRANSFORMS", "COPY_ROTATION", "CHILD_OF", "ARMATURE")


def read_rig(armature: bpy.types.Object, depsgraph: bpy.types.Depsgraph | None = None) -> Rig:
    """The rest of every bone, in the armature's space.

    depsgraph: where drivers have set the influences of constraints; their saved values without.
    """
    bones = armature.data.bones
    names = tuple(bone.name for bone in bones)
    index = {name: i for i, name in enumerate(names)}
    parents = tuple(-1 if b.parent is None else index[b.parent.name] for b in bones)
    posed = armature.pose.bones
    seen = posed if depsgraph is None else armature.evaluated_get(depsgraph).pose.bones
    carriers, free = list(parents), [True] * len(names)
    for i, name in enumerate(names):
        active = [
            c
            for c, now in zip(posed[name].constraints, seen[name].constraints, strict=True)
            if not c.mute and now.influence > 1.0 - _WHOLE
        ]
        free[i] = not active and not is_mechanism(name)
        for constraint, now in zip(posed[name].constraints, seen[name].constraints, strict=True):
            followed = _followed(armature, constraint, now)
            if followed in index:
                carriers[i] = index[followed]
    count = len(names)
    axes = np.array([b.matrix_local.to_3x3() for b in bones], dtype=np.float64)
    return Rig(
        names,
        parents,
        tuple(carriers),
        _vectors(bones, "head_local", count),
        _vectors(bones, "tail_local", count),
        axes.reshape(count, 3, 3),
        tuple(bone.use_inherit_rotation for bone in bones),
        tuple(free),
    )


def _vectors(bones: bpy.types.bpy_prop_collection, name: str, count: int) -> np.ndarray:
    values = np.zeros(count * 3, dtype=np.float32)
    bones.foreach_get(name, values)
    return values.reshape(count, 3).astype(np.float64)


def _followed(
    armature: bpy.types.Object, constraint: bpy.types.Constraint, now: bpy.types.Constraint
) -> str:
    """The bone of the same armature that the constraint makes its bone follow, "" for none."""
    if constraint.type not in _FOLLOWS or constraint.mute or now.influence < _WHOLE:
        return ""
    if constraint.type == "ARMATURE":
        whole = [
            before.subtarget
            for before, after in zip(constraint.targets, now.targets, strict=True)
            if before.target == armature and after.weight >= _WHOLE
        ]
        return whole[0] if len(whole) == 1 else ""
    if constraint.type == "COPY_ROTATION" and not (
        constraint.use_x and constraint.use_y and constraint.use_z
    ):
        return ""
    return constraint.subtarget if constraint.target == armature else ""


def is_rig(thing: bpy.types.Object | None) -> bool:
    """Whether `thing` is an armature with bones."""
    return thing is not None and thing.type == "ARMATURE" and len(thing.data.bones) > 0
