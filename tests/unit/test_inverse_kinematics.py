# SPDX-License-Identifier: Apache-2.0
"""Joints to SMPL rotations: there and back by forward kinematics, other bodies, hinges."""

import numpy as np
import pytest
from made_up_motion import smooth_motion
from shared_data import need_shared

from backend.motion.inverse_kinematics import (
    fit_rotation,
    joints_to_motion,
    leg_scale,
    on_the_floor,
)
from backend.motion.retarget import floor_height
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix, matrix_to_axis_angle, normalize
from blender_addon.shared.skeleton import PARENTS


def _bones(joints: np.ndarray) -> np.ndarray:
    return normalize(joints[:, 1:] - joints[:, list(PARENTS[1:22])])


def _angle_between(a: Motion, b: Motion, joint: int) -> np.ndarray:
    left = axis_angle_to_matrix(a.poses[:, joint])
    right = axis_angle_to_matrix(b.poses[:, joint])
    return np.degrees(np.linalg.norm(matrix_to_axis_angle(left.swapaxes(-1, -2) @ right), axis=-1))


@pytest.mark.parametrize("seed", range(3))
def test_joints_of_our_own_body_come_back(seed):
    joints = smooth_motion(seed=seed).joint_positions()
    again = joints_to_motion(joints, 20.0).joint_positions()
    assert np.abs(again - joints).max() < 1e-3


def test_a_body_of_another_size_keeps_its_directions():
    joints = smooth_motion(seconds=2.0).joint_positions()
    steps = joints[:, 1:] - joints[:, list(PARENTS[1:22])]
    # arms longer, the whole body in millimetres and three quarters as tall
    steps[:, [17, 18, 19, 20]] *= 1.3
    other = np.zeros_like(joints)
    other[:, 0] = joints[:, 0]
    for j in range(1, 22):
        other[:, j] = other[:, PARENTS[j]] + steps[:, j - 1]
    other *= 750.0
    made = joints_to_motion(other, 20.0).joint_positions()
    np.testing.assert_allclose(_bones(made), _bones(joints), atol=1e-6)
    np.testing.assert_allclose(made[:, 0], joints[:, 0], atol=1e-6)
    assert leg_scale(other) == pytest.approx(1 / 750.0)


def test_a_bent_elbow_and_knee_turn_about_their_hinges():
    frames = 40
    poses = np.zeros((frames, 22, 3))
    poses[:, 1] = [-0.6, 0.2, 0.3]
    poses[:, 4] = [1.2, 0.0, 0.0]
    poses[:, 16] = [0.5, 0.3, -0.9]
    poses[:, 18] = [0.0, -1.0, 0.0]
    whole = Motion(poses, np.tile([0.0, 1.2, 0.0], (frames, 1)), 20.0)
    again = joints_to_motion(whole.joint_positions(), 20.0)
    for joint in (1, 4, 16, 18):
        assert _angle_between(whole, again, joint).max() < 6.0, joint


def test_an_elbow_that_straightens_does_not_flip_the_arm():
    t = np.linspace(0, 2, 40)
    poses = np.zeros((40, 22, 3))
    poses[:, 16] = [0.9, 0.0, -0.9]
    poses[:, 18, 1] = -0.8 - 0.81 * np.cos(np.pi * t)  # from bent to just past straight
    motion = Motion(poses, np.tile([0.0, 1.2, 0.0], (40, 1)), 20.0)
    made = joints_to_motion(motion.joint_positions(), 20.0)
    turns = axis_angle_to_matrix(made.poses[:, 16])
    steps = matrix_to_axis_angle(turns[:-1].swapaxes(-1, -2) @ turns[1:])
    assert np.degrees(np.linalg.norm(steps, axis=-1)).max() < 25.0


def test_fit_rotation_is_a_rotation_even_for_a_mirror_image():
    rest = np.eye(3)
    fitted = fit_rotation(rest, rest * [-1.0, 1.0, 1.0])
    assert np.linalg.det(fitted) == pytest.approx(1.0)


def test_on_the_floor_sets_the_soles_down():
    raised = smooth_motion()
    raised = Motion(raised.poses, raised.trans + np.array([0.0, 3.0, 0.0]), raised.fps)
    assert floor_height(on_the_floor(raised).joint_positions()) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("joints", "says"),
    [
        (np.zeros((5, 21, 3)), "22, 3"),
        (np.full((5, 22, 3), np.nan), "not finite"),
        (np.zeros((5, 22, 3)), "no length"),
    ],
)
def test_joints_that_are_no_body_are_refused(joints, says):
    with pytest.raises(ValueError, match=says):
        joints_to_motion(joints, 20.0)


def test_the_published_reference_clip():
    joints = np.load(need_shared("humanml3d", "012314.joints.npy")).astype(np.float64)
    made = joints_to_motion(joints, 20.0)
    near = np.linalg.norm(made.joint_positions() - joints * leg_scale(joints), axis=-1)
    assert near.mean() < 0.02
    assert near.max() < 0.06
    turns = axis_angle_to_matrix(made.poses)
    steps = matrix_to_axis_angle(turns[:-1].swapaxes(-1, -2) @ turns[1:])
    assert np.degrees(np.linalg.norm(steps, axis=-1)).max() < 70.0
