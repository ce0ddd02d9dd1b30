# SPDX-License-Identifier: Apache-2.0
"""Skeletons that the tests make up: names, proportions, rest poses, bone rolls and units."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from blender_addon.core.bone_names import Family
from blender_addon.core.foot_lock import planted_points
from blender_addon.core.rig import Rig
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import (
    axis_rotation,
    normalize,
    quaternion_to_matrix,
    rotation_between,
)
from blender_addon.shared.skeleton import (
    FOOT_JOINTS,
    JOINT_NAMES,
    NUM_BODY_JOINTS,
    PARENTS,
    REST_OFFSETS,
    joint_index,
)

BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
ARMS_DOWN = {"left_shoulder": ("Z", -60.0), "right_shoulder": ("Z", 60.0)}
ODD_REST = {
    **ARMS_DOWN,
    "left_elbow": ("Y", -40.0),
    "left_hip": ("X", -50.0),
    "left_knee": ("X", 70.0),
    "right_hip": ("Z", 15.0),
    "head": ("Y", 30.0),
}
# names that are in no table, as 3ds Max's biped gives them
BIPED = {
    "pelvis": "Bip001 Pelvis",
    "spine1": "Bip001 Spine",
    "spine2": "Bip001 Spine1",
    "spine3": "Bip001 Spine2",
    "neck": "Bip001 Neck",
    "head": "Bip001 Head",
} | {
    f"{side}_{part}": f"Bip001 {side[0].upper()} {name}"
    for side in ("left", "right")
    for part, name in {
        "collar": "Clavicle",
        "shoulder": "UpperArm",
        "elbow": "Forearm",
        "wrist": "Hand",
        "hip": "Thigh",
        "knee": "Calf",
        "ankle": "Foot",
        "foot": "Toe0",
    }.items()
}
_ENDS = {15: (0.0, 0.16, 0.02), 10: (0.0, -0.01, 0.09), 11: (0.0, -0.01, 0.09)}
_AHEAD = {0: 3, 9: 12, 20: 22, 21: 23}


def family_names(family: Family) -> dict[str, str]:
    """Joint -> the first of the names that the family's table gives it, as it is written there."""
    names = {}
    for part, options in family.bones.items():
        first = options.split("|")[0]
        if "{}" not in first:
            names[part] = first
            continue
        for side, mark in zip(("left", "right"), family.sides, strict=True):
            names[f"{side}_{part}"] = first.format(mark)
    return names


def make_rig(
    names: Mapping[str, str] | Callable[[str], str],
    *,
    stretch: Mapping[str, float] | None = None,
    turns: Mapping[str, tuple[str, float]] | None = None,
    space: np.ndarray = BLENDER,
    unit: float = 1.0,
    seed: int = 0,
    extra: int = 0,
) -> Rig:
    """A rig of SMPL's joints, those that `names` leaves out skipped.

    stretch: joint -> factor on its offset. turns: joint -> (SMPL axis, degrees) its rest subtree
    is turned by. space: (3, 3) SMPL's axes in the rig's. extra: bones hung on the head.
    """
    rng = np.random.default_rng(seed)
    name_of = names if callable(names) else lambda joint: names.get(joint, "")
    heads, rests = [], []
    for j in range(len(JOINT_NAMES)):
        parent = PARENTS[j]
        offset = REST_OFFSETS[j] * (stretch or {}).get(JOINT_NAMES[j], 1.0)
        above = rests[parent] if parent >= 0 else np.eye(3)
        heads.append((heads[parent] + above @ offset) if parent >= 0 else offset)
        turn = (turns or {}).get(JOINT_NAMES[j])
        rests.append(above @ axis_rotation(np.radians(turn[1]), turn[0]) if turn else above)
    places = np.array(heads)
    places[:, 1] -= places[[10, 11], 1].min() - 0.025

    bones: list[tuple[str, int, np.ndarray, np.ndarray]] = []
    index: dict[int, int] = {}
    for j in range(NUM_BODY_JOINTS):
        if not name_of(JOINT_NAMES[j]):
            continue
        parent = PARENTS[j]
        while parent >= 0 and parent not in index:
            parent = PARENTS[parent]
        child = _AHEAD.get(j, PARENTS.index(j) if j in PARENTS else -1)
        tip = places[child] if child >= 0 else places[j] + rests[j] @ np.array(_ENDS[j])
        index[j] = len(bones)
        bones.append((name_of(JOINT_NAMES[j]), index.get(parent, -1), places[j], tip))
    for k in range(extra):
        at = places[15] + rng.normal(0, 0.05, 3)
        bones.append((f"hair_{k}", index[15], at, at + np.array([0.0, 0.05, 0.0])))

    points = np.array([[b[2], b[3]] for b in bones]) @ space.T * unit
    along = normalize(points[:, 1] - points[:, 0])
    up = np.array([0.0, 1.0, 0.0])
    axes = np.array(
        [rotation_between(up, a) @ axis_rotation(rng.uniform(-3, 3), "Y") for a in along]
    )
    parents = tuple(b[1] for b in bones)
    count = len(bones)
    return Rig(
        tuple(b[0] for b in bones),
        parents,
        parents,
        points[:, 0],
        points[:, 1],
        axes,
        (True,) * count,
        (True,) * count,
    )


def blender_heads(
    rig: Rig, quaternions: Mapping[str, np.ndarray], locations: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(T, N, 3) heads and (T, N, 3, 3) pose axes, worked out bone by bone as Blender does."""
    frames = len(next(iter(quaternions.values())))
    pose = np.zeros((frames, len(rig.names), 4, 4))
    for i, name in enumerate(rig.names):
        rest = np.eye(4)
        rest[:3, :3], rest[:3, 3] = rig.axes[i], rig.heads[i]
        basis = np.tile(np.eye(4), (frames, 1, 1))
        if name in quaternions:
            basis[:, :3, :3] = quaternion_to_matrix(quaternions[name])
        if name in locations:
            basis[:, :3, 3] = locations[name]
        parent = rig.parents[i]
        if parent >= 0:
            above = np.eye(4)
            above[:3, :3], above[:3, 3] = rig.axes[parent], rig.heads[parent]
            pose[:, i] = pose[:, parent] @ np.linalg.inv(above) @ rest @ basis
        else:
            pose[:, i] = rest @ basis
    return pose[..., :3, 3], pose[..., :3, :3]


_LIMBS = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "foot")


def direction_errors(
    heads: np.ndarray,
    rig: Rig,
    bones: Mapping[str, str],
    motion: Motion,
    space: np.ndarray = BLENDER,
) -> dict[str, float]:
    """Mean degrees between each limb bone of (T, N, 3) `heads` and SMPL's, by its upper joint."""
    source, errors = motion.joint_positions() @ space.T, {}
    for side in ("left", "right"):
        for limb in _LIMBS:
            for a, b in pairwise(limb):
                a, b = f"{side}_{a}", f"{side}_{b}"
                if a not in bones or b not in bones:
                    continue
                want = normalize(source[:, joint_index(b)] - source[:, joint_index(a)])
                have = normalize(heads[:, rig.index[bones[b]]] - heads[:, rig.index[bones[a]]])
                cosine = np.clip(np.sum(want * have, axis=-1), -1.0, 1.0)
                errors[a] = float(np.degrees(np.arccos(cosine)).mean())
    return errors


def planted_slides(
    heads: np.ndarray, rig: Rig, bones: Mapping[str, str], motion: Motion
) -> list[float]:
    """How far each planted ankle or toe of (T, N, 3) `heads` goes while SMPL's is planted."""
    planted = planted_points(motion.joint_positions(), motion.fps).reshape(-1, 4)
    slides = []
    for k, joint in enumerate(FOOT_JOINTS):
        if JOINT_NAMES[joint] not in bones:
            continue
        path = heads[:, rig.index[bones[JOINT_NAMES[joint]]]]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], planted[:, k].astype(int), [0]])))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            slides.append(float(np.linalg.norm(path[start:end] - path[start], axis=-1).max()))
    assert slides  # a motion without steps shows nothing
    return slides
