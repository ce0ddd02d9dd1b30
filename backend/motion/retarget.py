# SPDX-License-Identifier: Apache-2.0
"""Retargeting of a source skeleton's motion to SMPL's 22 joints.

For every SMPL joint the source joint that plays its part is found, and one constant rotation
between the two local frames; then `R_smpl(t) = R_source(t) @ constant`. The constant comes from
the rest pose where that looks like a person standing (T-pose, A-pose, arms down), and otherwise
(joint frames laid along the bones, whose zero pose is no pose at all) from the motion itself.
"""

from dataclasses import dataclass

import numpy as np

from blender_addon.shared.motion import Motion, forward_kinematics
from blender_addon.shared.rotations import (
    axis_rotation,
    matrix_to_axis_angle,
    normalize,
    rotation_between,
)
from blender_addon.shared.skeleton import (
    NUM_BODY_JOINTS,
    PARENTS,
    REST_OFFSETS,
    joint_index,
)

from .bvh import BvhClip, BvhError
from .source_skeleton import SourceBody, find_body

_SOLE_BELOW_TOE = 0.02  # metres from SMPL's foot joint down to the sole
_SOLE_BELOW_ANKLE = 0.02 - REST_OFFSETS[10, 1]
_SIDES = ("left", "right")
_LIMBS = ("shoulder", "elbow", "hip", "knee")


@dataclass(frozen=True)
class JointMap:
    """For each of the 22 SMPL joints: the source joint and the constant (3, 3) between frames."""

    source: tuple[int, ...]
    constant: np.ndarray


def retarget_to_smpl(clip: BvhClip) -> Motion:
    """A source clip -> 22-joint SMPL motion at the clip's own rate: metres, feet on y = 0.

    The scale comes from the leg length, so the source's unit does not matter.
    Raises BvhError when the skeleton is not a human body this can read.
    """
    body = find_body(clip)
    positions, rotations = clip.world()
    scale = _scale(body, clip)
    joints = map_joints(clip, body, positions, rotations)
    world = rotations[:, list(joints.source)] @ joints.constant
    local = world.copy()
    for j in range(1, NUM_BODY_JOINTS):
        local[:, j] = world[:, PARENTS[j]].swapaxes(-1, -2) @ world[:, j]
    hips = positions[:, [body.hip["left"], body.hip["right"]]].mean(axis=1) * scale
    middle = (REST_OFFSETS[1] + REST_OFFSETS[2]) / 2
    trans = hips - np.einsum("tij,j->ti", world[:, 0], middle) - REST_OFFSETS[0]
    trans[:, 1] -= floor_height(forward_kinematics(local, trans)[0])
    return Motion(matrix_to_axis_angle(local), trans, clip.fps)


def floor_height(positions: np.ndarray) -> float:
    """Height of the ground under (T, 22, 3) joints: where the soles stand when lowest, metres.

    The 5th percentile rather than the minimum: one bad frame must not lift the whole clip.
    """
    soles = np.concatenate(
        [positions[:, [7, 8], 1] - _SOLE_BELOW_ANKLE, positions[:, [10, 11], 1] - _SOLE_BELOW_TOE],
        axis=1,
    )
    return float(np.percentile(soles.min(axis=1), 5))


def _scale(body: SourceBody, clip: BvhClip) -> float:
    def length(joint: int) -> float:
        return float(np.linalg.norm(clip.offsets[joint]))

    source = np.mean([length(body.knee[s]) + length(body.ankle[s]) for s in _SIDES])
    if source < 1e-6:
        raise BvhError("the legs have no length, so the scale cannot be told")
    target = np.linalg.norm(REST_OFFSETS[4]) + np.linalg.norm(REST_OFFSETS[7])
    return float(target / source)


def _source_joints(body: SourceBody) -> tuple[int, ...]:
    """The source joint whose rotation each SMPL joint takes."""
    chain = (body.pelvis, *body.spine)
    # three SMPL spine joints over however many the source has: the chest is always spine3
    picks = [chain[max(0, round((len(chain) - 1) * k / 3))] for k in (1, 2, 3)]
    roles: dict[str, int] = {
        "pelvis": body.pelvis,
        "spine1": picks[0],
        "spine2": picks[1],
        "spine3": body.chest,
        "neck": body.neck,
        "head": body.neck if body.head is None else body.head,
    }
    for side in _SIDES:
        collar = body.collar[side]
        roles[f"{side}_collar"] = body.chest if collar is None else collar
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            roles[f"{side}_{part}"] = getattr(body, part)[side]
        toe = body.toe[side]
        roles[f"{side}_foot"] = body.ankle[side] if toe is None else toe
    order = sorted(roles, key=joint_index)
    return tuple(roles[name] for name in order)


def map_joints(
    clip: BvhClip, body: SourceBody, positions: np.ndarray, rotations: np.ndarray
) -> JointMap:
    """Find the constants, from the rest pose if it is a person standing, else from the motion."""
    source = _source_joints(body)
    rest = _rest_positions(clip)
    frame = _body_frame(body, rest[None])[0]
    legs_down = all(
        np.dot(normalize(rest[body.ankle[s]] - rest[body.hip[s]]), -frame[:, 1]) > 0.7
        for s in _SIDES
    )
    if legs_down and frame[1, 1] > 0.7:
        facing = axis_rotation(np.arctan2(-frame[2, 0], frame[0, 0]), "Y")
        constant = _constants_from_rest(clip, body, rest, facing)
    else:
        constant = _constants_from_motion(clip, body, positions, rotations, source)
    return JointMap(source, constant)


def _rest_positions(clip: BvhClip) -> np.ndarray:
    rest = np.zeros((len(clip.names), 3))
    for j, parent in enumerate(clip.parents):
        rest[j] = clip.offsets[j] + (rest[parent] if parent >= 0 else 0.0)
    return rest


def _body_frame(body: SourceBody, positions: np.ndarray, upper: bool = False) -> np.ndarray:
    """(T, 3, 3) with columns left, up, forward, read off (T, J, 3) joint positions."""
    low = positions[:, [body.hip["left"], body.hip["right"]]].mean(1)
    high = positions[:, [body.shoulder["left"], body.shoulder["right"]]].mean(1)
    ends = body.shoulder if upper else body.hip
    left = normalize(positions[:, ends["left"]] - positions[:, ends["right"]])
    up = high - low
    up = normalize(up - np.sum(up * left, -1, keepdims=True) * left)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def _limb_child(body: SourceBody, name: str) -> int | None:
    """The source joint at the far end of a SMPL limb bone, e.g. left_hip -> the left knee."""
    side, _, part = name.partition("_")
    far = {"shoulder": "elbow", "elbow": "wrist", "hip": "knee", "knee": "ankle", "ankle": "toe"}
    if part not in far:
        return None
    return getattr(body, far[part])[side]


_SMPL_CHILD = {"shoulder": "elbow", "elbow": "wrist", "hip": "knee", "knee": "ankle"}
_SMPL_CHILD["ankle"] = "foot"


def _smpl_direction(name: str) -> np.ndarray:
    side, _, part = name.partition("_")
    return normalize(REST_OFFSETS[joint_index(f"{side}_{_SMPL_CHILD[part]}")])


def _constants_from_rest(
    clip: BvhClip, body: SourceBody, rest: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """SMPL's world rotations in the source's rest pose: turned to face alike, limbs swung to match.

    The trunk is turned to face the same way and no more: both rests stand upright, and where
    along the back a convention puts its joints says nothing about posture.
    """
    constant = np.tile(frame, (NUM_BODY_JOINTS, 1, 1))
    for side in _SIDES:
        for part in (*_LIMBS, "ankle"):
            name = f"{side}_{part}"
            far = _limb_child(body, name)
            near = getattr(body, part)[side]
            if far is not None:
                bone = rest[far] - rest[near]
            elif part == "ankle" and clip.names[near] in clip.end_sites:
                bone = clip.end_sites[clip.names[near]]
            else:
                continue
            if np.linalg.norm(bone) < 1e-6:
                continue
            swing = rotation_between(frame @ _smpl_direction(name), normalize(bone))
            constant[joint_index(name)] = swing @ frame
        constant[joint_index(f"{side}_wrist")] = constant[joint_index(f"{side}_elbow")]
        constant[joint_index(f"{side}_foot")] = constant[joint_index(f"{side}_ankle")]
    return constant


def _constants_from_motion(
    clip: BvhClip,
    body: SourceBody,
    positions: np.ndarray,
    rotations: np.ndarray,
    source: tuple[int, ...],
) -> np.ndarray:
    """Constants from the positions the motion goes through.

    Trunk: the mean over time of the body's own frame seen from the joint's. Limbs: the bone's
    direction, and the hinge of the elbow or knee, which the joints turn about when they bend.
    Such conventions lay their frames along the bones, so a result near a right-angled frame is
    snapped to it.
    """
    lower, upper = _body_frame(body, positions), _body_frame(body, positions, upper=True)
    constant = np.tile(np.eye(3), (NUM_BODY_JOINTS, 1, 1))
    for j in range(NUM_BODY_JOINTS):
        frame = lower if j in (0, 3) else upper
        constant[j] = _snap(_mean_rotation(rotations[:, source[j]].swapaxes(-1, -2) @ frame))
    for side in _SIDES:
        sign = 1.0 if side == "left" else -1.0
        for near, far, end, hinge in (
            ("shoulder", "elbow", "wrist", np.array([0.0, -sign, 0.0])),
            ("hip", "knee", "ankle", np.array([1.0, 0.0, 0.0])),
        ):
            a, b, c = (positions[:, getattr(body, part)[side]] for part in (near, far, end))
            bend = np.cross(normalize(b - a), normalize(c - b))
            for part in (near, far):
                joint = getattr(body, part)[side]
                seen = np.einsum("tji,tj->ti", rotations[:, joint], bend).sum(axis=0)
                child = getattr(body, far if part == near else end)[side]
                name = f"{side}_{part}"
                constant[joint_index(name)] = _snap_bone(
                    clip.offsets[child], seen, _smpl_direction(name), hinge
                )
        for near, far in (("wrist", "elbow"), ("ankle", "knee")):
            ours = rotations[:, getattr(body, far)[side]] @ constant[joint_index(f"{side}_{far}")]
            theirs = rotations[:, getattr(body, near)[side]]
            if near == "ankle":
                ours = ours @ rotation_between(
                    _smpl_direction(f"{side}_ankle"), np.array([0.0, 0.0, 1.0])
                )
            constant[joint_index(f"{side}_{near}")] = _snap(
                _mean_rotation(theirs.swapaxes(-1, -2) @ ours)
            )
        toe = body.toe[side]
        if toe is not None:
            name = f"{side}_ankle"
            level = constant[joint_index(name)]
            swing = rotation_between(level @ _smpl_direction(name), normalize(clip.offsets[toe]))
            constant[joint_index(name)] = swing @ level
            ankle = rotations[:, body.ankle[side]] @ constant[joint_index(name)]
            constant[joint_index(f"{side}_foot")] = _mean_rotation(
                rotations[:, toe].swapaxes(-1, -2) @ ankle
            )
    return constant


def _mean_rotation(matrices: np.ndarray) -> np.ndarray:
    """(T, 3, 3) -> (3, 3): the rotation nearest to all of them (chordal mean)."""
    u, _, vt = np.linalg.svd(matrices.sum(axis=0))
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt


def _snap(matrix: np.ndarray) -> np.ndarray:
    """The right-angled frame (a signed permutation) near to a rotation, or the rotation itself."""
    nearest = np.zeros((3, 3))
    rest = np.abs(matrix).copy()
    for _ in range(3):
        i, k = np.unravel_index(np.argmax(rest), (3, 3))
        nearest[i, k] = np.sign(matrix[i, k])
        rest[i, :], rest[:, k] = -1.0, -1.0
    if np.linalg.det(nearest) < 0 or np.trace(nearest.T @ matrix) < 1 + 2 * np.cos(np.radians(35)):
        return matrix
    return nearest


def _snap_bone(
    bone: np.ndarray, hinge: np.ndarray, smpl_bone: np.ndarray, smpl_hinge: np.ndarray
) -> np.ndarray:
    """The constant of a limb: takes SMPL's bone direction to `bone`, its hinge near to `hinge`."""
    along = normalize(bone)
    if np.linalg.norm(hinge) < 1e-9:
        return rotation_between(smpl_bone, along)
    axis = np.zeros(3)
    square = hinge - np.dot(hinge, along) * along
    k = int(np.argmax(np.abs(square)))
    axis[k] = np.sign(square[k])

    def frame(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        y = normalize(y - np.dot(x, y) * x)
        return np.stack([x, y, np.cross(x, y)], axis=-1)

    return frame(along, axis) @ frame(smpl_bone, smpl_hinge).T
