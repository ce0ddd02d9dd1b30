# SPDX-License-Identifier: GPL-3.0-or-later
"""IK controls of hands and feet placed where the posed limbs are, and poles before the joints.

No bpy here.
"""

from collections.abc import Mapping

import numpy as np

from ..shared.rotations import normalize
from ..shared.skeleton import joint_index
from .bone_names import SIDES, Family
from .rest_frame import RestFrame
from .rig_pose import RigPose

_POLES = {"elbow_pole": ("shoulder", "elbow", "wrist"), "knee_pole": ("hip", "knee", "ankle")}
_BENT = 0.02  # limbs bent by less (of the upper bone's length) show their pole by their rest


def add_ik_targets(
    pose: RigPose, frame: RestFrame, bones: Mapping[str, int], family: Family
) -> RigPose:
    """The pose with the family's IK controls driven too, as far as the rig has them."""
    turns, places = dict(pose.turns), dict(pose.places)
    index = {name.lower(): i for i, name in enumerate(pose.rig.names)}
    for part, pattern in family.ik.items():
        for side, mark in zip(SIDES, family.sides, strict=True):
            control = index.get(pattern.format(mark).lower())
            joints = [f"{side}_{p}" for p in _POLES.get(part, (part,))]
            if control is None or any(joint not in bones for joint in joints):
                continue
            if part in _POLES:
                places[control] = _pole(pose, frame, bones, joints)
                carrier = pose.carrier(control)
                still = np.broadcast_to(np.eye(3), pose.turns[pose.root].shape)
                turns[control] = turns[carrier] if carrier >= 0 else still
            else:
                end = bones[joints[0]]
                places[control] = pose.point(end, pose.rig.heads[control])
                turns[control] = pose.turns[end]
    return RigPose(pose.rig, turns, pose.root, places)


def _pole(
    pose: RigPose, frame: RestFrame, bones: Mapping[str, int], joints: list[str]
) -> np.ndarray:
    """(T, 3) a point before the middle joint, an upper bone's length away."""
    start, middle, end = (pose.head(bones[joint]) for joint in joints)
    upper = np.linalg.norm(middle - start, axis=-1, keepdims=True)
    way = normalize(end - start)
    # knees bend to the front, elbows to the back
    ahead = frame.axes[:, 2] * (1.0 if "knee" in joints[1] else -1.0)
    rest = frame.alignment[joint_index(joints[0])] @ ahead
    hint = pose.turns[bones[joints[0]]] @ rest
    bend = middle - start
    bend = bend - np.sum(bend * way, axis=-1, keepdims=True) * way
    hint = hint - np.sum(hint * way, axis=-1, keepdims=True) * way
    sure = np.clip(np.linalg.norm(bend, axis=-1, keepdims=True) / (_BENT * upper), 0.0, 1.0)
    out = normalize(sure * normalize(bend) + (1 - sure) * normalize(hint))
    return middle + upper * out
