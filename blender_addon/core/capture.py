# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back from `retarget`: how a rig's bones are posed, as SMPL motion. No bpy here.

On SMPL's own armature it is exact. On any other the mapped joints turn as the bones do, so that
directions are kept; joints without a bone go with the one above, a shorter spine bends evenly.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from ..shared.motion import Motion
from ..shared.rotations import (
    matrix_to_axis_angle,
    matrix_to_quaternion,
    normalize,
    quaternion_to_matrix,
    slerp,
)
from ..shared.skeleton import (
    JOINT_NAMES,
    NUM_BODY_JOINTS,
    PARENTS,
    REST_OFFSETS,
    joint_index,
    rest_joint_positions,
)
from .mapping import check_mapping
from .rest_frame import SOLE, rest_frame
from .rig import Rig

_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
_ANKLE_HEIGHT = SOLE - REST_OFFSETS[10, 1]  # metres above the ground, of SMPL standing
_CONTROL_OF = {"torso": "spine"}  # controls of Rigify whose own bones have another name


def watched_bones(rig: Rig, bones: Mapping[str, str]) -> dict[str, str]:
    """Joint -> the bone to read: of a control rig the one that FK and IK both move.

    Reading the FK controls of a Rigify rig would miss what is animated by IK.
    """
    found = {}
    for joint, bone in bones.items():
        plain = _CONTROL_OF.get(bone, bone.replace("_fk", ""))
        original = f"ORG-{plain}"
        found[joint] = original if original in rig.index else bone
    return found


def capture_rig(
    rig: Rig, bones: Mapping[str, str], posed: Mapping[str, np.ndarray], fps: float
) -> Motion:
    """The motion of a rig: T frames.

    bones: SMPL joint -> bone. posed: bone -> (T, 4, 4) its pose in the rig's space (Blender's
    pose_bone.matrix); scale is left out. Raises MappingError when the mapping does not do.
    """
    bones = {joint: bone for joint, bone in bones.items() if bone}
    check_mapping(bones, rig)
    mapped = {joint: rig.index[bone] for joint, bone in bones.items()}
    frame = rest_frame(rig, mapped)
    turns = {joint: _turns(posed[bone], rig.axes[rig.index[bone]]) for joint, bone in bones.items()}
    world = {
        joint: frame.axes.T @ turn @ frame.alignment[joint_index(joint)] @ frame.axes
        for joint, turn in turns.items()
    }
    pelvis = mapped["pelvis"]
    head = posed[bones["pelvis"]][:, :3, 3]
    hips = head - turns["pelvis"] @ (rig.heads[pelvis] - frame.hips)
    middle = frame.hips - (frame.hips @ frame.up) * frame.up
    path = hips - middle - (frame.floor + frame.ankle) * frame.up
    path = path @ frame.axes / frame.scale
    rest = rest_joint_positions(NUM_BODY_JOINTS)[1:3].mean(axis=0)
    path = path + np.array([rest[0], _ANKLE_HEIGHT, rest[2]])
    below = REST_OFFSETS[1:3].mean(axis=0)
    trans = path - world["pelvis"] @ below - REST_OFFSETS[0]
    return _motion(world, trans, fps)


def capture_smpl(rests: np.ndarray, axes: np.ndarray, pelvis: np.ndarray, fps: float) -> Motion:
    """The motion of SMPL's own armature: T frames, J joints in SMPL's order, SMPL's axes.

    rests: (J, 3, 3) rest axes as columns; axes: (T, J, 3, 3) posed ones, scale left out.
    pelvis: (T, 3) where the pelvis bone's head is, metres.
    """
    world = {
        JOINT_NAMES[j]: _turns(axes[:, j], rests[j])
        for j in range(min(len(rests), NUM_BODY_JOINTS))
    }
    return _motion(world, pelvis - REST_OFFSETS[0], fps)


def _turns(posed: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(T, 3 or 4, 3 or 4) posed and (3, 3) rest axes -> (T, 3, 3) turns away from rest."""
    columns = normalize(np.swapaxes(posed[:, :3, :3].astype(np.float64), -1, -2))
    turn = np.swapaxes(columns, -1, -2) @ rest.T
    return quaternion_to_matrix(matrix_to_quaternion(turn))  # a shear is no rotation


def _motion(world: Mapping[str, np.ndarray], trans: np.ndarray, fps: float) -> Motion:
    """World rotations of the joints that are known -> local ones of all 22."""
    known = dict(world)
    _bend_trunk(known)
    turns: list[np.ndarray] = []
    for j in range(NUM_BODY_JOINTS):
        turns.append(known[JOINT_NAMES[j]] if JOINT_NAMES[j] in known else turns[PARENTS[j]])
    local = [turns[0]]
    for j in range(1, NUM_BODY_JOINTS):
        local.append(np.swapaxes(turns[PARENTS[j]], -1, -2) @ turns[j])
    return Motion(matrix_to_axis_angle(np.stack(local, axis=1)), trans, fps)


def _bend_trunk(known: dict[str, np.ndarray]) -> None:
    """Give trunk joints between two known ones their share of the bend."""
    have = [i for i, joint in enumerate(_TRUNK) if joint in known]
    for low, high in pairwise(have):
        a, b = (matrix_to_quaternion(known[_TRUNK[i]]) for i in (low, high))
        for i in range(low + 1, high):
            share = np.full(len(a), (i - low) / (high - low))
            known[_TRUNK[i]] = quaternion_to_matrix(slerp(a, b, share))
