# SPDX-License-Identifier: Apache-2.0
"""Figures in known poses: the mesh file, skinning, cameras and the plan of pictures."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from made_up_figure import lowered_arms, made_up_figure

from backend.errors import AssetError
from backend.vision.skeleton33 import mean_bodies, pose_bodies
from blender_addon.shared.rotations import axis_angle_to_matrix
from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS, rest_joint_positions
from training.data.pose_widening import PoseBank
from training.figure import mesh as mesh_module
from training.figure.mesh import BaseMesh, joint_weights, read_base_mesh, read_obj, read_target
from training.figure.rendering import SIZE
from training.figure.shots import (
    HEADINGS,
    HEIGHTS,
    KINDS,
    Shot,
    camera_in_world,
    frame_person,
    plan_shots,
    pose_figure,
    to_pixels,
)
from training.figure.skinning import alignment, pose_joints, shortest_turn, skin

_LIMB_ENDS = (4, 5, 7, 8, 18, 19, 20, 21, 22, 23)  # joints at the end of a limb's bone
_BANK = PoseBank(np.zeros((3, NUM_BODY_JOINTS, 3), dtype=np.float32))


@pytest.fixture(scope="module")
def plan() -> list[Shot]:
    return plan_shots([made_up_figure()], _BANK, 24)


def _pose(seed: int = 0) -> np.ndarray:
    turns = np.random.default_rng(seed).normal(0, 0.5, (NUM_BODY_JOINTS, 3))
    return axis_angle_to_matrix(turns)


def test_obj_groups_and_metres() -> None:
    vertices, faces = read_obj(
        "# a comment\nv 1 2 3\nv 0 0 0\nv 0 10 0\nv 5 5 5\nvt 0 0\ng body\nf 1/1 2/1 3/1 4/1\n"
    )
    np.testing.assert_allclose(vertices[0], [0.1, 0.2, 0.3])
    assert faces["body"].tolist() == [[0, 1, 2, 3]]
    with pytest.raises(ValueError, match="3 corners"):
        read_obj("v 0 0 0\nf 1 1 1\n")


def test_a_target_moves_the_vertices_it_names(tmp_path: Path) -> None:
    path = tmp_path / "tall.target.gz"
    path.write_bytes(gzip.compress(b"# a comment\n2 .5 -1 2\n"))
    np.testing.assert_allclose(read_target(path, 4), [[0] * 3, [0] * 3, [0.05, -0.1, 0.2], [0] * 3])
    square = np.zeros((4, 3))
    base = BaseMesh(square, {}, np.zeros((4, 22)), {}, {"tall": read_target(path, 4)})
    np.testing.assert_allclose(base.shaped({"tall": 0.5})[2], [0.025, -0.05, 0.1])
    with pytest.raises(AssetError, match="no shape 'wide'"):
        base.shaped({"wide": 1.0})


def test_fingers_belong_to_the_wrist_and_every_bone_is_needed() -> None:
    bones: dict[str, list] = {
        mesh_module._bone(name): [] for name in mesh_module.JOINT_NAMES[:NUM_BODY_JOINTS]
    }
    bones |= {"Root": [[0, 0.5]], "index_02_l": [[1, 1.0]], "thigh_r": [[0, 1.5]]}
    weights = joint_weights(bones, 2)
    assert weights[1].argmax() == 20
    np.testing.assert_allclose(weights[0, [0, 2]], [0.25, 0.75])
    del bones["calf_l"]
    with pytest.raises(KeyError, match="calf_l"):
        joint_weights(bones, 2)


def test_a_folder_without_the_mesh_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="hmvlm fetch --force figure"):
        read_base_mesh(tmp_path)


def test_the_shortest_turn() -> None:
    rng = np.random.default_rng(0)
    for a, b in rng.normal(size=(5, 2, 3)):
        turn = shortest_turn(a, b)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(turn @ a / np.linalg.norm(a), b / np.linalg.norm(b))
        np.testing.assert_allclose(turn @ np.cross(a, b), np.cross(a, b))
    with pytest.raises(ValueError, match="opposite"):
        shortest_turn(np.array([1.0, 0, 0]), np.array([-2.0, 0, 0]))


def test_smpls_own_rest_needs_no_turning() -> None:
    turns = alignment(rest_joint_positions())
    np.testing.assert_allclose(turns, np.tile(np.eye(3), (22, 1, 1)), atol=1e-12)


def test_limbs_point_where_smpls_do_with_the_figures_own_lengths() -> None:
    joints = lowered_arms()
    joints[[4, 7]] *= 1.1  # a longer left leg
    pose = _pose()
    _, posed = pose_joints(pose, joints)
    _, smpl = pose_bodies(pose[None], mean_bodies(1))
    for end in _LIMB_ENDS:
        ours, theirs = (p[end] - p[PARENTS[end]] for p in (posed, smpl[0]))
        assert ours @ theirs == pytest.approx(np.linalg.norm(ours) * np.linalg.norm(theirs))
        rest = joints[end] - joints[PARENTS[end]]
        assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(rest))


def test_vertices_follow_their_joints() -> None:
    figure = made_up_figure()
    turns, posed = pose_joints(_pose(), figure.joints)
    vertices = skin(figure.vertices, figure.weights, figure.joints, turns, posed)
    own = vertices[: 4 * NUM_BODY_JOINTS].reshape(-1, 4, 3)
    np.testing.assert_allclose(own.mean(axis=1), posed[:NUM_BODY_JOINTS], atol=1e-12)
    # one that two joints share equally lies between where each would take it
    shared = np.zeros((1, NUM_BODY_JOINTS))
    shared[0, [4, 7]] = 0.5
    each = [np.eye(NUM_BODY_JOINTS)[[j]] for j in (4, 7)]
    point = figure.vertices[[18]]
    a, b, both = (skin(point, w, figure.joints, turns, posed) for w in (*each, shared))
    np.testing.assert_allclose(both, (a + b) / 2)


def test_the_person_stands_on_the_ground_over_the_origin() -> None:
    vertices, joints = pose_figure(made_up_figure(), _pose(3))
    assert vertices[:, 1].min() == pytest.approx(0)
    np.testing.assert_allclose(joints[0, [0, 2]], 0, atol=1e-12)


def test_a_framed_person_fills_the_picture() -> None:
    vertices, joints = pose_figure(made_up_figure(), _pose(1))
    for elevation in (-0.6, 0.1, 0.7):
        cameras = frame_person(vertices, joints[0], 2.0, elevation, np.radians(40), 0.8)
        pixels = to_pixels(cameras, vertices - joints[0])
        reach = np.abs(pixels - SIZE / 2).max() / (SIZE / 2)
        assert reach == pytest.approx(0.8, abs=0.01)
        assert camera_in_world(cameras, joints[0])[1, 3] > 0.05


def test_the_renderers_camera_sees_what_the_truth_says() -> None:
    (shot,) = plan_shots([made_up_figure()], _BANK, 1, seed=4)
    seen = np.linalg.inv(shot.placed) @ np.append(shot.vertices, np.ones((89, 1)), axis=1).T
    flat = shot.focal * seen[:2] / -seen[2]
    pixels = np.stack([1 + flat[0], 1 - flat[1]], axis=1) * SIZE / 2
    np.testing.assert_allclose(pixels[-1], shot.in_image[0], atol=1e-6)  # the nose
    squares = pixels[:-1].reshape(-1, 4, 2).mean(axis=1)
    np.testing.assert_allclose(squares, shot.joints_in_image, atol=0.2)
    np.testing.assert_allclose(shot.rotations[0], shot.camera @ shot.pose[0])


def test_plans_hold_all_kinds_and_cameras(plan: list[Shot]) -> None:
    assert {(s.heading, s.height) for s in plan} == {
        (h, name) for h in HEADINGS for name, _ in HEIGHTS
    }
    assert {s.kind for s in plan} == {name for name, _ in KINDS}


def test_plans_grow_at_their_end(plan: list[Shot]) -> None:
    for shorter, longer in zip(plan_shots([made_up_figure()], _BANK, 3), plan, strict=False):
        np.testing.assert_array_equal(shorter.vertices, longer.vertices)
        np.testing.assert_array_equal(shorter.placed, longer.placed)


def test_headings_are_the_sides_that_the_camera_sees(plan: list[Shot]) -> None:
    for shot in plan:
        left = shot.rotations[0] @ [1.0, 0.0, 0.0]  # the person's left in camera axes
        if shot.heading == "front":
            assert left[0] > 0.9
        elif shot.heading == "back":
            assert left[0] < -0.9
        elif shot.heading == "left":
            assert left[2] < -0.5


def test_sitting_people_sit_and_bending_ones_bend(plan: list[Shot]) -> None:
    for shot in plan:
        _, joints = pose_figure(made_up_figure(), shot.pose)
        thighs = (joints[[1, 2]] - joints[[4, 5]])[:, 1] / 0.38
        if shot.kind == "sitting":
            assert thighs.max() < 0.75
        elif shot.kind == "bending":
            assert shot.pose[0, 1, 1] < 0.92  # the pelvis leans 24 degrees or more
        elif shot.kind == "mocap":
            assert thighs.min() > 0.95
