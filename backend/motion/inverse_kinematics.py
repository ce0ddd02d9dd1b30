# SPDX-License-Identifier: Apache-2.0
"""SMPL rotations from 22 joint positions, in closed form.

For joint sets that come as points (HumanML3D, KIT-ML). A joint with several bones (pelvis, chest)
is turned to fit them all; one with a single bone is swung to it. What a bone's direction leaves
open, the turn about the bone itself, comes from the hinge below it: thigh and upper arm turn so
that knee and elbow bend about SMPL's hinge axes, and the spine shares the turn of the chest over
the pelvis. Head, hands and feet have no bone below them and go with their parents.

Only directions are used: on a body with other bone lengths the limbs point the same way, and the
path is scaled by the length of the legs.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from blender_addon.shared.motion import Motion, forward_kinematics
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    normalize,
    quaternion_to_matrix,
    rotation_between,
    slerp,
)
from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS, REST_OFFSETS

from .retarget import floor_height

_PELVIS, _CHEST, _NECK = 0, 9, 12
_PELVIS_BONES, _CHEST_BONES = (1, 2, 3), (12, 13, 14)
_SPINE = ((3, 6, 1 / 3), (6, 9, 2 / 3))  # joint, the end of its bone, share of the chest's turn
# joint, its hinge, the end of the hinge's bone, the axis that the hinge bends about at rest
_LIMBS = (
    (1, 4, 7, (1.0, 0.0, 0.0)),
    (2, 5, 8, (1.0, 0.0, 0.0)),
    (16, 18, 20, (0.0, -1.0, 0.0)),
    (17, 19, 21, (0.0, 1.0, 0.0)),
)
_HINGE_SECONDS = 0.1  # a nearly straight limb takes its turn from the frames around
_NO_TURN = np.sin(np.radians(10.0)) ** 2  # how much one is believed in that never bends
_LEG_BONES = (4, 5, 7, 8)


def fit_rotation(rest: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(K, 3) directions at rest and (..., K, 3) as seen -> (..., 3, 3) rotation rest to seen.

    The best in the least squares of the unit directions (Kabsch); exact for a rigid body.
    """
    u, _, vt = np.linalg.svd(np.einsum("...ki,kj->...ij", normalize(seen), normalize(rest)))
    upright = np.ones(u.shape[:-1])
    upright[..., 2] = np.sign(np.linalg.det(u @ vt))
    return (u * upright[..., None, :]) @ vt


def leg_scale(joints: np.ndarray) -> float:
    """How much longer our legs are than those of (T, 22, 3) joints. Raises ValueError for none."""
    bones = joints[:, _LEG_BONES] - joints[:, [PARENTS[j] for j in _LEG_BONES]]
    own = float(np.linalg.norm(bones, axis=-1).mean(axis=0).sum())
    if own < 1e-6:
        raise ValueError("the legs have no length")
    return float(np.linalg.norm(REST_OFFSETS[list(_LEG_BONES)], axis=-1).sum()) / own


def joints_to_motion(joints: np.ndarray, fps: float) -> Motion:
    """(T, 22, 3) joint positions, Y up, any unit -> SMPL motion on our skeleton, metres.

    Heights are scaled with the path; `on_the_floor` sets the soles on y = 0. Raises ValueError
    for another shape, numbers that are not finite, or legs without length.
    """
    if joints.ndim != 3 or joints.shape[1:] != (NUM_BODY_JOINTS, 3) or len(joints) == 0:
        raise ValueError(f"joints must be (1 or more, 22, 3), got {joints.shape}")
    joints = joints.astype(np.float64)
    if not np.isfinite(joints).all():
        raise ValueError("the joints hold numbers that are not finite")
    world = _world_rotations(joints, fps)
    local = world.copy()
    for j in range(1, NUM_BODY_JOINTS):
        local[:, j] = world[:, PARENTS[j]].swapaxes(-1, -2) @ world[:, j]
    trans = joints[:, _PELVIS] * leg_scale(joints) - REST_OFFSETS[0]
    return Motion(matrix_to_axis_angle(local), trans, fps)


def on_the_floor(motion: Motion) -> Motion:
    """The same motion lifted or lowered so that its soles stand on y = 0."""
    local = axis_angle_to_matrix(motion.poses.astype(np.float64))
    positions = forward_kinematics(local, motion.trans.astype(np.float64))[0]
    trans = motion.trans - np.array([0.0, floor_height(positions), 0.0])
    return Motion(motion.poses, trans, motion.fps, motion.betas, motion.gender)


def _world_rotations(joints: np.ndarray, fps: float) -> np.ndarray:
    """(T, 22, 3) -> (T, 22, 3, 3) world rotations whose bones point as the joints' do."""
    bones = np.zeros_like(joints)
    bones[:, 1:] = joints[:, 1:] - joints[:, list(PARENTS[1:NUM_BODY_JOINTS])]
    world = np.zeros((len(joints), NUM_BODY_JOINTS, 3, 3))
    world[:, _PELVIS] = _fit(bones, _PELVIS_BONES)
    world[:, _CHEST] = _fit(bones, _CHEST_BONES)
    ends = matrix_to_quaternion(world[:, [_PELVIS, _CHEST]])
    for joint, end, share in _SPINE:
        between = slerp(ends[:, 0], ends[:, 1], np.full(len(joints), share))
        world[:, joint] = _swing(quaternion_to_matrix(between), bones, end)
    for joint, end in ((_NECK, 15), (13, 16), (14, 17)):
        world[:, joint] = _swing(world[:, _CHEST], bones, end)
    for joint, hinge, tip, axis in _LIMBS:
        upper = _swing(world[:, PARENTS[joint]], bones, hinge)
        world[:, joint] = _turn_to_hinge(upper, bones[:, hinge], bones[:, tip], np.array(axis), fps)
        world[:, hinge] = _swing(world[:, joint], bones, tip)
    for joint, end in ((7, 10), (8, 11)):
        world[:, joint] = _swing(world[:, PARENTS[joint]], bones, end)
    for leaf in (10, 11, 15, 20, 21):
        world[:, leaf] = world[:, PARENTS[leaf]]
    return world


def _fit(bones: np.ndarray, ends: tuple[int, ...]) -> np.ndarray:
    return fit_rotation(REST_OFFSETS[list(ends)], bones[:, list(ends)])


def _swing(base: np.ndarray, bones: np.ndarray, end: int) -> np.ndarray:
    """(T, 3, 3) turned as little as it takes for the bone to `end` to point as it does."""
    return rotation_between(base @ REST_OFFSETS[end], bones[:, end]) @ base


def _turn_to_hinge(
    upper: np.ndarray, bone: np.ndarray, lower: np.ndarray, axis: np.ndarray, fps: float
) -> np.ndarray:
    """Turn an upper limb (T, 3, 3) about its own bone so that the lower one bends about `axis`.

    A straight limb says nothing about its hinge, so the turn is averaged over time with the bend
    as its weight: the elbow that passes through straight does not flip the arm.
    """
    along = normalize(bone)
    bend = np.cross(along, normalize(lower))
    have = upper @ axis
    have = normalize(have - np.sum(have * along, -1, keepdims=True) * along)
    want = normalize(bend)
    turn = np.stack(
        [np.sum(have * want, axis=-1), np.sum(np.cross(have, want) * along, axis=-1)], axis=-1
    )
    turn *= np.sum(bend**2, axis=-1, keepdims=True)
    cosine, sine = gaussian_filter1d(turn, _HINGE_SECONDS * fps, axis=0, mode="nearest").T
    angle = np.arctan2(sine, cosine + _NO_TURN)
    return quaternion_to_matrix(axis_angle_to_quaternion(along * angle[:, None])) @ upper
