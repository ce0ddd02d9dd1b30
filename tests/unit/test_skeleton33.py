# SPDX-License-Identifier: Apache-2.0
"""The 33 landmarks on an SMPL body."""

import numpy as np

from backend.vision.skeleton33 import (
    LANDMARK_NAMES,
    MIRROR_LANDMARKS,
    mean_bodies,
    place_landmarks,
    pose_bodies,
    sample_bodies,
)
from blender_addon.shared.rotations import axis_rotation
from blender_addon.shared.skeleton import rest_joint_positions

AT = {name: i for i, name in enumerate(LANDMARK_NAMES)}


def _standing(count: int = 1) -> np.ndarray:
    return np.tile(np.eye(3), (count, 22, 1, 1))


def _landmarks(local: np.ndarray) -> np.ndarray:
    return place_landmarks(*pose_bodies(local, mean_bodies(len(local))))


def test_order_is_blazeposes() -> None:
    assert len(LANDMARK_NAMES) == 33
    for index, name in (
        (0, "nose"),
        (8, "right_ear"),
        (11, "left_shoulder"),
        (32, "right_foot_index"),
    ):
        assert LANDMARK_NAMES[index] == name


def test_a_standing_body_is_laid_out_as_bodies_are() -> None:
    (p,) = _landmarks(_standing())
    assert np.allclose(p[list(MIRROR_LANDMARKS)] * [-1, 1, 1], p, atol=1e-9)
    height = {n: p[AT[n], 1] for n in AT}
    assert height["left_eye"] > height["nose"] > height["mouth_left"] > height["left_shoulder"]
    assert height["left_hip"] > height["left_knee"] > height["left_ankle"] > height["left_heel"]
    assert p[AT["nose"], 2] > p[AT["left_ear"], 2] + 0.08
    assert p[AT["left_foot_index"], 2] > p[AT["left_ankle"], 2] > p[AT["left_heel"], 2]
    assert p[AT["left_thumb"], 2] > p[AT["left_pinky"], 2]  # palms down, thumbs ahead
    assert 0.3 < p[AT["left_shoulder"], 0] - p[AT["right_shoulder"], 0] < 0.4
    assert 0.17 < p[AT["left_hip"], 0] - p[AT["right_hip"], 0] < 0.23
    foot = p[AT["left_foot_index"]] - p[AT["left_heel"]]
    assert 0.22 < np.linalg.norm(foot) < 0.28


def test_joints_are_the_skeletons_and_landmarks_follow_them() -> None:
    local = _standing()
    _, positions = pose_bodies(local, mean_bodies(1))
    rest = rest_joint_positions()
    assert np.allclose(positions[0], rest - rest[0])
    local[:, 15] = axis_rotation(np.array([np.pi / 2]), "Y")  # the head turns to the left
    before, after = _landmarks(_standing())[0], _landmarks(local)[0]
    moved = np.linalg.norm(after - before, axis=-1) > 1e-9
    assert moved.nonzero()[0].tolist() == list(range(11))
    assert after[AT["nose"], 0] > 0.1


def test_bodies_vary_within_reason_and_repeat_with_the_seed() -> None:
    bodies = sample_bodies(np.random.default_rng(0), 500)
    again = sample_bodies(np.random.default_rng(0), 500)
    assert np.array_equal(bodies.rest_offsets, again.rest_offsets)
    _, joints = pose_bodies(_standing(500), bodies)
    heights = joints[:, 15, 1] - joints[:, 10, 1]
    assert 0.03 < heights.std() / heights.mean() < 0.1
    thigh, shank = (np.linalg.norm(bodies.rest_offsets[:, j], axis=-1) for j in (4, 18))
    assert np.std(thigh / shank) > 0.02  # not only the size differs
    left, right = (np.linalg.norm(bodies.rest_offsets[:, j], axis=-1) for j in (4, 5))
    assert np.abs(np.log(left / right)).max() < 0.08
    points = place_landmarks(*pose_bodies(_standing(500), bodies), bodies.landmark_offsets)
    assert np.abs(points[:, AT["nose"], 0]).max() < 1e-9
    ears = points[:, AT["left_ear"], 0] + points[:, AT["right_ear"], 0]
    assert np.abs(ears).max() < 1e-6
