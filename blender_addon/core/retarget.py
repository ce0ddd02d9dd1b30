# SPDX-License-Identifier: GPL-3.0-or-later
"""SMPL motion to the channels of posed bones, in plain numpy. No bpy here.

`bone_channels` is for armatures that are SMPL's own, `retarget_to_rig` for any other.

A bone of SMPL's armature lies in the T-pose with a rest rotation M of its own, SMPL joints lie
there with none. The bone ends up where the joint would when its local rotation is M^-1 R M, and
conjugation by a rotation turns the axis of R and keeps its angle, so it is one matrix product on
axis-angles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..shared.motion import Motion, forward_kinematics
from ..shared.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    make_quaternions_continuous,
    matrix_to_quaternion,
    quaternion_to_matrix,
    slerp,
)
from ..shared.skeleton import (
    NUM_BODY_JOINTS,
    REST_OFFSETS,
    joint_index,
    rest_joint_positions,
)
from .bone_names import is_mechanism
from .foot_lock import lock_feet, planted_points
from .ik_targets import add_ik_targets
from .mapping import check_mapping, family_named
from .rest_frame import SOLE, RestFrame, rest_frame
from .rig import Rig
from .rig_pose import RigPose

_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
_REST = rest_joint_positions(NUM_BODY_JOINTS)
_ANKLE_HEIGHT = SOLE - REST_OFFSETS[10, 1]  # metres above the ground, of SMPL standing


@dataclass(frozen=True)
class BoneChannels:
    """What is keyed on the bones: T frames, J joints.

    quaternions: (T, J, 4) local rotations (w, x, y, z), without a change of sign between frames.
    root_locations: (T, 3) offset of the pelvis bone from its rest place, in its own axes, metres.
    """

    quaternions: np.ndarray
    root_locations: np.ndarray


def bone_channels(
    motion: Motion, rest_rotations: np.ndarray, root_rest: np.ndarray
) -> BoneChannels:
    """The channels that make bones follow `motion`.

    rest_rotations: (>= J, 3, 3) each bone's rest axes as columns, in SMPL's axes (Y up);
    root_rest: (3,) rest place of the pelvis bone's head in the same axes, metres.
    """
    num_joints = motion.poses.shape[1]
    turn = np.swapaxes(rest_rotations[:num_joints], -1, -2)
    axis_angles = np.einsum("jab,tjb->tja", turn, motion.poses.astype(np.float64))
    quaternions = make_quaternions_continuous(axis_angle_to_quaternion(axis_angles))
    offsets = motion.trans.astype(np.float64) + REST_OFFSETS[0] - root_rest
    return BoneChannels(quaternions, offsets @ turn[0].T)


@dataclass(frozen=True)
class RigChannels:
    """What is keyed on the bones of any rig, by bone name: T frames.

    quaternions: (T, 4) rotations in the bone's own rest axes, without a change of sign.
    locations: (T, 3) offsets of the root bone, and of bones that nothing driven carries.
    """

    quaternions: dict[str, np.ndarray]
    locations: dict[str, np.ndarray]


def retarget_to_rig(
    rig: Rig,
    bones: Mapping[str, str],
    motion: Motion,
    *,
    foot_lock: bool = True,
    family: str = "",
    local_location: Mapping[str, bool] | None = None,
) -> RigChannels:
    """The channels that make the bones of `rig` follow `motion`, frame by frame.

    bones: SMPL joint -> bone name. foot_lock: hold planted feet in their place.
    family: the known kind of rig whose IK controls are placed too, "" for none.
    local_location: False for bones whose location is in the rig's axes, not their own.
    Raises MappingError when the mapping does not do.
    """
    pose = pose_rig(rig, bones, motion, foot_lock=foot_lock, family=family)
    local = {rig.index[n]: v for n, v in (local_location or {}).items() if n in rig.index}
    return RigChannels(
        {rig.names[b]: q for b, q in pose.local_quaternions().items()},
        {rig.names[b]: x for b, x in pose.local_locations(local).items()},
    )


def pose_rig(
    rig: Rig,
    bones: Mapping[str, str],
    motion: Motion,
    *,
    foot_lock: bool = True,
    family: str = "",
) -> RigPose:
    """The rig's driven bones following `motion`. Raises MappingError."""
    bones = {joint: bone for joint, bone in bones.items() if bone}
    check_mapping(bones, rig)
    mapped = {joint: rig.index[bone] for joint, bone in bones.items()}
    frame = rest_frame(rig, mapped)
    local = axis_angle_to_matrix(motion.poses[:, :NUM_BODY_JOINTS].astype(np.float64))
    positions, world = forward_kinematics(local, motion.trans.astype(np.float64))

    turns = {}
    for joint, bone in mapped.items():
        j = joint_index(joint)
        turns[bone] = frame.axes @ world[:, j] @ frame.axes.T @ frame.alignment[j].T
    turns |= _shared_turns(rig, mapped, turns)
    pelvis = mapped["pelvis"]
    hips = _hip_path(frame, positions)
    root_heads = hips + turns[pelvis] @ (rig.heads[pelvis] - frame.hips)
    pose = RigPose(rig, turns, pelvis, {pelvis: root_heads})
    if foot_lock:
        pose = lock_feet(pose, frame, mapped, planted_points(positions, motion.fps), motion.fps)
    known = family_named(family)
    return add_ik_targets(pose, frame, mapped, known) if known is not None else pose


def _hip_path(frame: RestFrame, positions: np.ndarray) -> np.ndarray:
    """(T, 3) where the middle of the rig's hips goes: SMPL's path scaled to the legs.

    Heights count from the ankles, so that feet of any thickness stand on the ground.
    """
    rest = (_REST[1] + _REST[2]) / 2
    path = (positions[:, 1] + positions[:, 2]) / 2 - [rest[0], 0.0, rest[2]]
    path = path - [0.0, _ANKLE_HEIGHT, 0.0]
    middle = frame.hips - (frame.hips @ frame.up) * frame.up
    return middle + (frame.floor + frame.ankle) * frame.up + frame.scale * path @ frame.axes.T


def _shared_turns(
    rig: Rig, mapped: Mapping[str, int], turns: Mapping[int, np.ndarray]
) -> dict[int, np.ndarray]:
    """Turns of trunk bones between mapped ones: a longer spine bends evenly."""
    found: dict[int, np.ndarray] = {}
    trunk = [mapped[joint] for joint in _TRUNK if joint in mapped]
    for low, high in pairwise(trunk):
        between = []
        for bone in rig.carried_by(high):
            if bone == low or bone in turns:
                break
            between.append(bone)
        else:
            continue  # the two are not in one chain
        between = [b for b in between if rig.free[b] and not is_mechanism(rig.names[b])][::-1]
        if not between:
            continue
        a, b = matrix_to_quaternion(turns[low]), matrix_to_quaternion(turns[high])
        for i, bone in enumerate(between, 1):
            share = np.full(len(a), i / (len(between) + 1))
            found[bone] = quaternion_to_matrix(slerp(a, b, share))
    return found
