# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rig rests beside SMPL's T-pose: the way it faces, its scale, and each joint's turn.

The rig's own space is kept, so the object's transform, its unit and an up axis of Y all come out
right by themselves. No bpy here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..shared.rotations import axis_angle_to_matrix, normalize, rotation_between
from ..shared.skeleton import JOINT_NAMES, NUM_BODY_JOINTS, PARENTS, REST_OFFSETS, joint_index
from .bone_names import SIDES, parse
from .mapping import MappingError
from .rig import Rig

_UPRIGHT = np.cos(np.radians(40.0))  # a trunk that leans less stands along an axis of the space
_LEAN = np.radians(15.0)  # a trunk that leans more than this is bent, not drawn that way
_FLAT = np.radians(25.0)  # feet whose pitch differs less stand flat on the ground as SMPL's do
_STANDS = np.cos(np.radians(20.0))  # legs that rest straighter than this stand on their feet
_NEAR_FLOOR = 0.15  # of the leg length: soles this near to height 0 stand on it
SOLE = 0.025  # metres from SMPL's toe joint to the ground
_CHILD = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist", "ankle": "foot"}


@dataclass(frozen=True)
class RestFrame:
    """SMPL's rest seen in the rig's space.

    axes: (3, 3) columns left, up, forward. scale: rig units to a metre of SMPL, by leg length.
    hips: (3,) between the hip joints. floor: height of the ground along up.
    ankle: height of the ankles above the ground when standing.
    alignment: (22, 3, 3) the turn from SMPL's rest to each joint's rest, in rig space.
    """

    axes: np.ndarray
    scale: float
    hips: np.ndarray
    floor: float
    ankle: float
    alignment: np.ndarray

    @property
    def up(self) -> np.ndarray:
        return self.axes[:, 1]


def rest_frame(rig: Rig, bones: Mapping[str, int]) -> RestFrame:
    """The frame of a rig whose mapped joints are `bones` (joint -> bone index).

    Raises MappingError when the legs have no length or no width.
    """

    def head(joint: str) -> np.ndarray:
        return rig.heads[bones[joint]]

    legs = [
        np.linalg.norm(head(f"{s}_hip") - head(f"{s}_knee"))
        + np.linalg.norm(head(f"{s}_knee") - head(f"{s}_ankle"))
        for s in SIDES
    ]
    leg = float(np.mean(legs))
    if leg < 1e-9:
        raise MappingError("The mapped legs have no length: choose other bones in the mapping.")
    scale = leg / float(np.linalg.norm(REST_OFFSETS[4]) + np.linalg.norm(REST_OFFSETS[7]))
    hips = (head("left_hip") + head("right_hip")) / 2
    axes = _axes(rig, bones, hips, leg)
    up = axes[:, 1]
    ankles = min(float(head(f"{s}_ankle") @ up) for s in SIDES)
    lowest = ankles
    for side in SIDES:
        toe = bones.get(f"{side}_foot")
        if toe is not None:
            lowest = min(lowest, float(rig.heads[toe] @ up) - SOLE * scale)
    if lowest == ankles:
        lowest = ankles - (SOLE - REST_OFFSETS[10, 1]) * scale
    floor = 0.0 if abs(lowest) < _NEAR_FLOOR * leg else lowest
    alignment = _alignment(rig, bones, axes, hips)
    return RestFrame(axes, scale, hips, floor, ankles - floor, alignment)


def _axes(rig: Rig, bones: Mapping[str, int], hips: np.ndarray, leg: float) -> np.ndarray:
    top = next((bones[j] for j in ("neck", "head", "spine3") if j in bones), None)
    up = np.array([0.0, 0.0, 1.0])
    if top is not None and np.linalg.norm(rig.heads[top] - hips) > 1e-3 * leg:
        up = normalize(rig.heads[top] - hips)
    axis = int(np.argmax(np.abs(up)))
    if abs(up[axis]) > _UPRIGHT:
        up = np.eye(3)[axis] * np.sign(up[axis])
    for part in ("hip", "shoulder"):
        if f"left_{part}" in bones and f"right_{part}" in bones:
            left = rig.heads[bones[f"left_{part}"]] - rig.heads[bones[f"right_{part}"]]
            left = left - (left @ up) * up
            if np.linalg.norm(left) > 1e-2 * leg:
                left = normalize(left)
                return np.stack([left, up, np.cross(left, up)], axis=-1)
    raise MappingError(
        "The mapped left and right hips lie in one place: choose other bones in the mapping."
    )


def _alignment(
    rig: Rig, bones: Mapping[str, int], axes: np.ndarray, hips: np.ndarray
) -> np.ndarray:
    """Limbs swing from the joint above onto the rig's rest; the trunk keeps its own shape.

    Where along the back a rig puts its joints says nothing about posture, so a straight spine is
    not bent into SMPL's; only a trunk that leans as a whole is taken for bent.
    """
    out = np.tile(np.eye(3), (NUM_BODY_JOINTS, 1, 1))
    for j in range(1, NUM_BODY_JOINTS):
        name = JOINT_NAMES[j]
        side, _, part = name.partition("_")
        above = out[PARENTS[j]]
        out[j] = above
        if name == "spine1":
            out[j] = _trunk(rig, bones, axes, hips)
        elif part in _CHILD and name in bones:
            along = _bone_direction(rig, bones, side, part)
            if along is not None:
                ours = axes @ normalize(REST_OFFSETS[joint_index(f"{side}_{_CHILD[part]}")])
                up = axes[:, 1]
                # only legs that rest standing put their feet flat on the ground
                stands = min(up @ out[k] @ up for k in (PARENTS[j], PARENTS[PARENTS[j]])) > _STANDS
                if part != "ankle" or not stands:
                    out[j] = rotation_between(above @ ours, along) @ above
                else:
                    out[j] = _foot_turn(above, ours, along, up)
        elif part == "wrist" and name in bones:
            along = _palm(rig, bones[name])
            ours = above @ axes @ normalize(REST_OFFSETS[joint_index(f"{side}_hand")])
            if along is not None and along @ ours > 0.5:
                out[j] = rotation_between(ours, along) @ above
    return out


def _foot_turn(
    above: np.ndarray, ours: np.ndarray, along: np.ndarray, up: np.ndarray
) -> np.ndarray:
    """Feet that stand flat as SMPL's do are only turned about the vertical: soles stay level."""
    level = along - (along @ up) * up
    if np.linalg.norm(level) > 0.3:
        flat = ours - (ours @ up) * up
        turn = rotation_between(normalize(flat), normalize(level))
        if np.dot(flat, level) < 0:  # the least turn between opposites need not keep up upright
            turn = axis_angle_to_matrix(up * np.arctan2(np.cross(flat, level) @ up, flat @ level))
        if np.arccos(np.clip((turn @ ours) @ along, -1, 1)) < _FLAT:
            return turn
    return rotation_between(above @ ours, along) @ above


def _trunk(rig: Rig, bones: Mapping[str, int], axes: np.ndarray, hips: np.ndarray) -> np.ndarray:
    top = bones.get("neck", bones.get("head"))
    if top is None:
        return np.eye(3)
    chain = [joint_index(n) for n in ("spine1", "spine2", "spine3", "neck")]
    ours = REST_OFFSETS[chain].sum(axis=0) - (REST_OFFSETS[1] + REST_OFFSETS[2]) / 2
    ours = axes @ normalize(ours)
    along = normalize(rig.heads[top] - hips)
    lean = np.arccos(np.clip(ours @ along, -1.0, 1.0))
    return rotation_between(ours, along) if lean > _LEAN else np.eye(3)


def _bone_direction(rig: Rig, bones: Mapping[str, int], side: str, part: str) -> np.ndarray | None:
    bone = bones[f"{side}_{part}"]
    child = bones.get(f"{side}_{_CHILD[part]}")
    if child is not None:
        end = rig.heads[child]
    elif part == "ankle":
        return None  # what a foot bone alone points at is the exporter's choice
    else:
        end = rig.tails[bone]
    along = end - rig.heads[bone]
    return normalize(along) if np.linalg.norm(along) > 1e-9 else None


def _palm(rig: Rig, wrist: int) -> np.ndarray | None:
    """The way the fingers set off from the wrist; None without fingers."""
    fingers = [c for c in rig.children[wrist] if "thumb" not in parse(rig.names[c]).joined]
    ways = rig.heads[fingers] - rig.heads[wrist] if fingers else np.zeros((0, 3))
    way = ways.sum(axis=0)
    return normalize(way) if np.linalg.norm(way) > 1e-6 else None
