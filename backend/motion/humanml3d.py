# SPDX-License-Identifier: Apache-2.0
"""HumanML3D's 263-number frames from joint positions, and joint positions back from them.

Kept beside `smpl22` because the published text-to-motion benchmarks are defined on it (Guo et al.,
"Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022). Its rotations come from
bone directions alone, so they are not SMPL pose parameters: go through the joints instead.

A row at 20 fps, metres a frame:
    [0] half the turn to the next frame (rad), [1:3] pelvis velocity x, z in the next frame's
    heading frame, [3] pelvis height, [4:67] joints 1..21 in the heading frame over the pelvis'
    ground point, [67:193] joints 1..21 as 6D rotations, [193:259] velocity of joints 0..21 in the
    heading frame, [259:263] contact of left ankle, left foot, right ankle, right foot.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from blender_addon.shared.rotations import (
    axis_rotation,
    matrix_to_rotation_6d,
    normalize,
    rotation_6d_to_matrix,
    rotation_between,
)
from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS

FPS = 20
FEATURE_DIM = 263
COLUMNS: dict[str, slice] = {
    "yaw_velocity": slice(0, 1),
    "planar_velocity": slice(1, 3),
    "height": slice(3, 4),
    "positions": slice(4, 67),
    "rotations": slice(67, 193),
    "velocities": slice(193, 259),
    "contacts": slice(259, 263),
}

_CONTACT_JOINTS = (7, 10, 8, 11)
_CONTACT_SPEED_SQUARED = 0.002  # (m/frame)^2: HumanML3D compares the square
_FORWARD_SIGMA = 20  # frames; the heading is a slow direction, the hips sway faster
_BONES = tuple(range(1, NUM_BODY_JOINTS))
_BONE_PARENTS = PARENTS[1:NUM_BODY_JOINTS]
_LEFT, _UP, _FRONT = np.eye(3)


def _reference_directions() -> np.ndarray:
    """(22, 3) the direction each bone has when its rotation is the identity."""
    directions = np.zeros((NUM_BODY_JOINTS, 3))
    directions[[1, 13]] = _LEFT
    directions[[2, 14]] = -_LEFT
    directions[[3, 6, 9, 12]] = _UP
    directions[[10, 11, 15]] = _FRONT
    directions[[4, 5, 7, 8, 16, 17, 18, 19, 20, 21]] = -_UP
    return directions


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    """(..., 22, 3) joint positions -> (..., 22) metres from each joint's parent; 0 for the root."""
    lengths = np.zeros(joints.shape[:-1])
    lengths[..., 1:] = np.linalg.norm(_bones(joints), axis=-1)
    return lengths


def fit_skeleton(joints: np.ndarray, target_lengths: np.ndarray) -> np.ndarray:
    """(T, 22, 3) -> the same bone directions on a body with other bone lengths (22,).

    The path is scaled by the ratio of the right legs, as HumanML3D does. To get features that are
    comparable with its statistics, take `bone_lengths` of the first frame of a HumanML3D clip.
    """
    own = bone_lengths(joints[0])
    # the leg is measured along the bones' main axes, so knee + ankle bone
    scale = target_lengths[[5, 8]].sum() / own[[5, 8]].sum()
    steps = normalize(_bones(joints)) * target_lengths[1:, None]
    return _add_up(joints[:, 0] * scale, steps)


def canonical_joints(joints: np.ndarray) -> np.ndarray:
    """(T, 22, 3) -> lowest point of the clip at y = 0, first pelvis over the origin, facing +Z."""
    floor = np.array([joints[0, 0, 0], joints[..., 1].min(), joints[0, 0, 2]])
    turn = rotation_between(_across_to_forward(joints[:1]), _FRONT)[0]
    return (joints - floor) @ turn.T


def encode_humanml3d(joints: np.ndarray, *, closing_frame_dropped: bool = True) -> np.ndarray:
    """(T, 22, 3) joint positions, Y up, metres, 20 fps -> (T - 1, 263) float32.

    The last frame only closes the velocities: it has no row of its own. Bone lengths are used as
    they are (`fit_skeleton` changes them). Raises ValueError for fewer than two frames.

    closing_frame_dropped: the motion went on after the last frame, as in HumanML3D's `new_joints`
    files, which lack the frame that closed their features. The smoothed heading of the last 80
    frames depends on that frame, so it is estimated, at constant acceleration, for the heading
    alone. False takes the joints as HumanML3D's own script takes a clip it was given whole.
    """
    if joints.ndim != 3 or joints.shape[1:] != (NUM_BODY_JOINTS, 3) or len(joints) < 2:
        raise ValueError(f"joints must be (2 or more, 22, 3), got {joints.shape}")
    joints = canonical_joints(joints.astype(np.float64))
    if closing_frame_dropped and len(joints) > 2:
        closing = 3 * joints[-1] - 3 * joints[-2] + joints[-3]
        yaw = _smooth_yaw(np.concatenate([joints, closing[None]]))[:-1]
    else:
        yaw = _smooth_yaw(joints)
    unturn = axis_rotation(-yaw, "Y")  # world -> heading frame, (T, 3, 3)

    steps = joints[1:] - joints[:-1]
    planar = np.einsum("tij,tj->ti", unturn[1:], steps[:, 0])[:, [0, 2]]
    ground = joints[:, :1] * np.array([1.0, 0.0, 1.0])
    local = np.einsum("tij,tkj->tki", unturn, joints - ground)
    rotations = matrix_to_rotation_6d(_bone_rotations(joints, unturn))
    velocities = np.einsum("tij,tkj->tki", unturn[:-1], steps)
    contacts = np.sum(steps[:, _CONTACT_JOINTS] ** 2, axis=-1) < _CONTACT_SPEED_SQUARED

    count = len(steps)
    parts = [
        -_wrap(np.diff(yaw))[:, None] / 2,
        planar,
        joints[:-1, 0, 1:2],
        local[:-1, 1:].reshape(count, -1),
        rotations[:-1].reshape(count, -1),
        velocities.reshape(count, -1),
        contacts,
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def joints_from_positions(features: np.ndarray, *, closing_frame: bool = False) -> np.ndarray:
    """(T, 12 J - 1) -> (T, J, 3) joints, read from the position columns (`recover_from_ric`).

    263 numbers are HumanML3D's 22 joints, 251 are KIT-ML's 21.
    closing_frame: also return frame T, which the last row's velocities lead to: (T + 1, J, 3).
    Encoding that gives the same T rows again. Raises ValueError for another width.
    """
    if features.ndim != 2 or (features.shape[1] + 1) % 12:
        raise ValueError(f"features must be (T, 12 J - 1), got {features.shape}")
    count = (features.shape[1] + 1) // 12
    rotations = 4 + 3 * (count - 1)
    velocities = rotations + 6 * (count - 1)
    features = features.astype(np.float64)
    turn, pelvis = _root_path(features)
    local = features[:, 4:rotations].reshape(len(features), -1, 3)
    joints = np.einsum("tij,tkj->tki", turn, local) + (pelvis * np.array([1, 0, 1]))[:, None]
    joints = np.concatenate([pelvis[:, None], joints], axis=1)
    if not closing_frame:
        return joints
    last = (
        joints[-1] + features[-1, velocities : velocities + 3 * count].reshape(-1, 3) @ turn[-1].T
    )
    return np.concatenate([joints, last[None]])


def joints_from_rotations(features: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(T, 263) and bone lengths (22,) -> (T, 22, 3) joints, from the rotation columns."""
    features = features.astype(np.float64)
    turn, pelvis = _root_path(features)
    local = rotation_6d_to_matrix(features[:, COLUMNS["rotations"]].reshape(len(features), -1, 6))
    # HumanML3D's root rotation is the one that undoes the heading
    root = np.swapaxes(turn, -1, -2)
    world = np.zeros((len(features), NUM_BODY_JOINTS, 3, 3))
    for j in _BONES:
        parent = PARENTS[j]
        base = root if _starts_chain(j) else world[:, parent]
        world[:, j] = base @ local[:, j - 1]
    directions = np.einsum("tkij,kj->tki", world, _reference_directions())
    return _add_up(pelvis, directions[:, 1:] * lengths[1:, None])


def _bones(joints: np.ndarray) -> np.ndarray:
    return joints[..., _BONES, :] - joints[..., _BONE_PARENTS, :]


def _add_up(root: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """(T, 3) and (T, 21, 3) from the parents -> (T, 22, 3) positions."""
    joints = np.zeros((len(root), NUM_BODY_JOINTS, 3))
    joints[:, 0] = root
    for j in _BONES:
        joints[:, j] = joints[:, PARENTS[j]] + steps[:, j - 1]
    return joints


def _across_to_forward(joints: np.ndarray) -> np.ndarray:
    """(T, 22, 3) -> (T, 3) horizontal facing direction, square to hips plus shoulders."""
    across = joints[:, 1] - joints[:, 2] + joints[:, 16] - joints[:, 17]
    return normalize(np.cross(across, _UP))


def _smooth_yaw(joints: np.ndarray) -> np.ndarray:
    """(T,) heading in radians about +Y, 0 facing +Z; smoothed, but 0 at the first frame.

    The published features take the hips the other way round here than where the clip is first
    turned to +Z, so the heading is that of shoulders minus hips: kept, to agree with them.
    The filter looks 4 sigma = 80 frames ahead: cutting a clip changes rows well before the cut.
    """
    across = normalize(joints[:, 16] - joints[:, 17] - (joints[:, 1] - joints[:, 2]))
    forward = gaussian_filter1d(np.cross(across, _UP), _FORWARD_SIGMA, axis=0, mode="nearest")
    yaw = np.arctan2(forward[:, 0], forward[:, 2])
    yaw[0] = 0.0
    return yaw


def _starts_chain(joint: int) -> bool:
    """Whether a bone is measured from the root's rotation: hips, spine and both collars."""
    return PARENTS[joint] == 0 or joint in (13, 14)


def _bone_rotations(joints: np.ndarray, unturn: np.ndarray) -> np.ndarray:
    """(T, 22, 3) -> (T, 21, 3, 3): each bone's turn from its reference direction, in its parent."""
    directions = np.broadcast_to(_reference_directions()[1:], (len(joints), len(_BONES), 3))
    world = rotation_between(directions, _bones(joints))
    base = [unturn if _starts_chain(j) else world[:, PARENTS[j] - 1] for j in _BONES]
    return np.swapaxes(np.stack(base, axis=1), -1, -2) @ world


def _root_path(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 263) -> heading rotations (T, 3, 3) and pelvis positions (T, 3)."""
    yaw = np.zeros(len(features))
    yaw[1:] = -2 * np.cumsum(features[:-1, 0])
    turn = axis_rotation(yaw, "Y")
    steps = np.zeros((len(features), 3))
    steps[1:, [0, 2]] = features[:-1, COLUMNS["planar_velocity"]]
    pelvis = np.cumsum(np.einsum("tij,tj->ti", turn, steps), axis=0)
    pelvis[:, 1] = features[:, 3]
    return turn, pelvis


def _wrap(angle: np.ndarray) -> np.ndarray:
    """Radians into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
