# SPDX-License-Identifier: Apache-2.0
"""The model's motion representation `smpl22` and its inverse.

A row of 272 numbers a frame at 20 fps. Root: yaw velocity (rad a frame), planar velocity (x, z;
metres a frame, in the heading frame), pelvis height (m), four foot contacts. Then 12 numbers for
each of the 22 joints: 6D local rotation (the root's with the heading taken out), position and
velocity in the heading frame, relative to the root's point on the ground.

Decoding reads the SMPL rotations straight off the row: no inverse kinematics in between.
"""

import numpy as np

from blender_addon.shared.motion import Motion, forward_kinematics
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    axis_rotation,
    matrix_to_axis_angle,
    matrix_to_rotation_6d,
    rotation_6d_to_matrix,
)
from blender_addon.shared.skeleton import FOOT_JOINTS, NUM_BODY_JOINTS, REST_OFFSETS

FPS = 20
ROOT_DIM = 8
JOINT_DIM = 12
FEATURE_DIM = ROOT_DIM + JOINT_DIM * NUM_BODY_JOINTS
_CONTACT_SPEED = 0.25  # m/s: a foot joint slower than this, and low, is planted
_CONTACT_HEIGHT = {7: 0.13, 8: 0.13, 10: 0.07, 11: 0.07}
_LEVEL_ENOUGH = 0.35  # shortest horizontal part of the hip axis that still tells the heading


def heading_angles(root_rotations: np.ndarray) -> np.ndarray:
    """(T, 3, 3) world root rotations -> (T,) unwrapped yaw in radians; left is positive.

    0 faces +Z. Read off the hip axis, which stays level where a forward axis does not (crawling,
    rolls). Frames with the hip axis near vertical (a cartwheel's top) take the yaw in between.
    """
    left = root_rotations[:, :, 0]
    level = np.hypot(left[:, 0], left[:, 2])
    yaw = np.arctan2(-left[:, 2], left[:, 0])
    good = np.flatnonzero(level > _LEVEL_ENOUGH)
    if len(good) == 0:
        return np.zeros(len(yaw))
    return np.interp(np.arange(len(yaw)), good, np.unwrap(yaw[good]))


def canonicalize(motion: Motion) -> Motion:
    """The same motion with frame 0's pelvis over the origin and facing +Z; heights stay."""
    root = axis_angle_to_matrix(motion.poses[:, 0].astype(np.float64))
    turn = axis_rotation(-heading_angles(root)[0], "Y")
    pelvis = motion.trans.astype(np.float64) + REST_OFFSETS[0]
    pelvis = (pelvis - pelvis[0] * [1.0, 0.0, 1.0]) @ turn.T
    poses = motion.poses.astype(np.float64).copy()
    poses[:, 0] = matrix_to_axis_angle(turn @ root)
    return Motion(poses, pelvis - REST_OFFSETS[0], motion.fps, motion.betas, motion.gender)


def foot_contacts(positions: np.ndarray, fps: float) -> np.ndarray:
    """(T, J, 3) world joints -> (T, 4) 1.0 where left ankle/foot, right ankle/foot are planted."""
    feet = positions[:, list(FOOT_JOINTS)]
    speed = np.zeros(feet.shape[:2])
    if len(feet) > 1:
        speed[:-1] = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
        speed[-1] = speed[-2]
    low = feet[..., 1] < np.array([_CONTACT_HEIGHT[j] for j in FOOT_JOINTS])
    return ((speed < _CONTACT_SPEED) & low).astype(np.float64)


def encode_smpl22(motion: Motion) -> np.ndarray:
    """Motion at 20 fps -> (T, 272) float32 rows. Raises ValueError for another frame rate."""
    if abs(motion.fps - FPS) > 1e-6:
        raise ValueError(f"encode_smpl22 takes {FPS} fps, got {motion.fps}: resample first")
    local = axis_angle_to_matrix(motion.poses[:, :NUM_BODY_JOINTS].astype(np.float64))
    positions, _ = forward_kinematics(local, motion.trans.astype(np.float64))
    frames = motion.num_frames
    yaw = heading_angles(local[:, 0])
    back = axis_rotation(-yaw, "Y")
    ground = positions[:, 0] * [1.0, 0.0, 1.0]

    root_velocity = np.zeros((frames, 3))
    joint_velocity = np.zeros_like(positions)
    yaw_velocity = np.zeros(frames)
    if frames > 1:
        root_velocity[:-1] = np.einsum("tij,tj->ti", back[:-1], np.diff(ground, axis=0))
        joint_velocity[:-1] = np.einsum("tij,tkj->tki", back[:-1], np.diff(positions, axis=0))
        yaw_velocity[:-1] = np.diff(yaw)
        for series in (root_velocity, joint_velocity, yaw_velocity):
            series[-1] = series[-2]
    root_local = local.copy()
    root_local[:, 0] = back @ local[:, 0]
    local_positions = np.einsum("tij,tkj->tki", back, positions - ground[:, None])
    joints = np.concatenate(
        [matrix_to_rotation_6d(root_local), local_positions, joint_velocity], axis=-1
    )
    root = np.concatenate(
        [
            yaw_velocity[:, None],
            root_velocity[:, [0, 2]],
            positions[:, 0, 1:2],
            foot_contacts(positions, FPS),
        ],
        axis=1,
    )
    return np.concatenate([root, joints.reshape(frames, -1)], axis=1).astype(np.float32)


def decode_smpl22(features: np.ndarray) -> Motion:
    """(T, 272) rows -> Motion at 20 fps that starts at the origin facing +Z."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != FEATURE_DIM:
        raise ValueError(f"smpl22 rows must be (T, {FEATURE_DIM}), got {rows.shape}")
    frames = len(rows)
    yaw = np.concatenate([[0.0], np.cumsum(rows[:-1, 0])])
    heading = axis_rotation(yaw, "Y")
    step = np.stack([rows[:, 1], np.zeros(frames), rows[:, 2]], axis=1)
    path = np.cumsum(np.einsum("tij,tj->ti", heading, step)[:-1], axis=0)
    pelvis = np.concatenate([np.zeros((1, 3)), path])
    pelvis[:, 1] = rows[:, 3]
    joints = rows[:, ROOT_DIM:].reshape(frames, NUM_BODY_JOINTS, JOINT_DIM)
    local = rotation_6d_to_matrix(joints[..., :6])
    local[:, 0] = heading @ local[:, 0]
    return Motion(matrix_to_axis_angle(local), pelvis - REST_OFFSETS[0], float(FPS))
