# SPDX-License-Identifier: Apache-2.0
"""Clips that a simulated camera films: path, beats, tremble, headings, feet, gaps."""

import numpy as np
import pytest
import torch
from acted_motion import jumping, waving
from filmed_motion import SIZE, film
from made_up_motion import stepping_motion

from backend.motion.foot_planting import plant_feet
from backend.vision.clip_motion import ClipMotion, clip_motion, fill_poses
from backend.vision.clip_orientation import level_camera, likeliest_way
from backend.vision.contacts import airborne, planted
from backend.vision.seen_clip import longest_stretch, seen_clip
from backend.vision.skeleton33 import mean_bodies, place_landmarks, pose_bodies
from backend.vision.temporal import FrameSystem, accelerations, solve, spread_back
from blender_addon.shared.motion import Motion, forward_kinematics
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    axis_rotation,
    matrix_to_axis_angle,
)
from blender_addon.shared.skeleton import REST_OFFSETS, joint_index
from training.data.simulated_cameras import camera_turns
from training.metrics.pose import mpjpe


def followed(motion: Motion, **camera) -> tuple[ClipMotion, np.ndarray]:
    """What comes out, and the true joints (T, 22, 3) as the camera's world has them."""
    filmed = film(motion, **camera)
    seen = seen_clip(filmed.tracked, motion.fps, SIZE)
    made = clip_motion(seen, filmed.poses)
    return made, filmed.joints @ filmed.camera.T @ made.camera


def tremble(joints: np.ndarray, joint: str) -> float:
    """Metres, the mean second difference of one of (T, 22, 3) joints about the pelvis."""
    about = joints[:, joint_index(joint)] - joints[:, 0]
    return float(np.linalg.norm(np.diff(about, n=2, axis=0), axis=-1).mean())


def toes(motion: Motion) -> np.ndarray:
    """(T, 2, 3) the tips of the left and the right foot."""
    local = axis_angle_to_matrix(motion.poses.astype(np.float64))
    tips = place_landmarks(*pose_bodies(local, mean_bodies(motion.num_frames)))[:, [31, 32]]
    return tips + (motion.trans + REST_OFFSETS[0])[:, None]


@pytest.fixture(scope="module")
def walk() -> tuple[ClipMotion, np.ndarray]:
    return followed(stepping_motion(3.0, fps=15.0))


@pytest.fixture(scope="module")
def wave() -> tuple[ClipMotion, np.ndarray]:
    return followed(waving("left", seconds=2.4), azimuth=-20.0)


def test_the_path_of_a_walk(walk: tuple[ClipMotion, np.ndarray]) -> None:
    made, true = walk
    pelvis = made.motion.joint_positions()[:, 0]
    went, should = pelvis[-1] - pelvis[0], true[-1, 0] - true[0, 0]
    assert np.linalg.norm(should) > 1.5
    assert np.linalg.norm(went - should) < 0.15 * np.linalg.norm(should)
    assert not made.path.camera_moves
    assert not made.path.airborne.any()


def test_planted_feet_do_not_slide(walk: tuple[ClipMotion, np.ndarray]) -> None:
    made, _ = walk
    held = made.path.planted
    assert 0.2 < held[:, [1, 3]].mean() < 0.95
    both = held[1:, [1, 3]] & held[:-1, [1, 3]]
    step = np.linalg.norm(np.diff(toes(made.motion), axis=0), axis=-1)[both]
    assert step.mean() * made.motion.fps < 0.1


def test_a_wave_keeps_its_beat_and_loses_its_tremble(wave: tuple[ClipMotion, np.ndarray]) -> None:
    made, true = wave
    wrist = joint_index("left_wrist")
    ours = made.motion.joint_positions()
    speed, should = (
        np.linalg.norm(np.diff(j[:, wrist] - j[:, 0], axis=0), axis=-1) for j in (ours, true)
    )
    assert np.percentile(speed, 95) > 0.8 * np.percentile(should, 95)
    assert np.corrcoef(speed, should)[0, 1] > 0.75
    said = film(waving("left", seconds=2.4), azimuth=-20.0).poses.numpy()
    alone = forward_kinematics(said, np.zeros((len(said), 3)))[0]  # each frame by itself
    assert tremble(ours, "right_wrist") < 0.2 * tremble(alone, "right_wrist")


def test_landmarks_put_right_in_depth_make_a_better_motion() -> None:
    filmed = film(waving("left", seconds=1.6), azimuth=70.0, seed=3)
    filmed.tracked[9] = None  # type: ignore[call-overload]
    seen = seen_clip(filmed.tracked, 20.0, SIZE)
    found = torch.from_numpy(seen.found)
    error, direction = [], []
    for lifted in (None, filmed.lifted.rows(found)):
        made = clip_motion(seen, filmed.poses[found], lifted=lifted)
        true = filmed.joints @ filmed.camera.T @ made.camera
        error.append(float(np.mean(mpjpe(made.motion.joint_positions(), true))))
        facing = made.fit.rotations[:, 0].transpose(-1, -2) @ filmed.lifted.root
        direction.append(torch.diagonal(facing, dim1=1, dim2=2).sum(1).median())
    assert error[1] < 0.8 * error[0]
    assert direction[1] > 2.95  # 3 is the very same


def test_a_jump_is_as_high_as_it_was() -> None:
    made, true = followed(jumping(0.35, seconds=2.0), azimuth=60.0)
    rise = np.ptp(made.motion.joint_positions()[:, 0, 1])
    assert made.path.airborne.any()
    assert rise == pytest.approx(np.ptp(true[:, 0, 1]), abs=0.08)


def test_sure_frames_decide_which_way_the_unsure_face() -> None:
    turns = torch.from_numpy(axis_rotation(np.radians([0.0, 180.0]), "Y")).expand(5, -1, -1, -1)
    cost = torch.tensor([[0.0, 9.0], [2.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 9.0]]).double()
    quarter = torch.full((4,), 0.1).double()
    assert likeliest_way(cost, turns, quarter, 200.0).tolist() == [0] * 5
    assert likeliest_way(cost, turns, 100 * quarter, 200.0).tolist() == [0, 1, 1, 1, 0]


def test_a_level_camera_stands_on_z() -> None:
    true = camera_turns(np.zeros(1), np.radians([20.0]), np.zeros(1))[0]
    made = level_camera(torch.from_numpy(true[:, 1])).numpy()
    np.testing.assert_allclose(made, true, atol=1e-12)


def test_the_system_of_frames_is_solved() -> None:
    rng = np.random.default_rng(0)
    frames, size, shared = 7, 3, 2
    whole = rng.standard_normal((40, frames * size + shared))
    whole = torch.from_numpy(whole.T @ whole)
    curvature = torch.stack([whole[3 * t : 3 * t + 3, 3 * t : 3 * t + 3] for t in range(frames)])
    cross = 0.1 * whole[:-2, -2:].unflatten(0, (frames, size))
    weight = torch.from_numpy(rng.uniform(0.5, 50, (frames - 2, size)))
    gradient = torch.from_numpy(rng.standard_normal((frames, size)))
    jerky = torch.from_numpy(rng.standard_normal((frames - 2, size)))
    own = torch.from_numpy(rng.standard_normal(shared))
    system = FrameSystem(gradient, curvature, cross, own, whole[-2:, -2:], weight, jerky)
    x, z = solve(system, damping=0.0, rounds=200, tolerance=1e-10)
    bent = torch.einsum("tij,tj->ti", curvature, x) + cross @ z + gradient
    bent = bent + spread_back(weight * (accelerations(x) + jerky), frames)
    torch.testing.assert_close(bent, torch.zeros_like(bent), atol=1e-6, rtol=0)
    rest = torch.einsum("tdz,td->z", cross, x) + whole[-2:, -2:] @ z + own
    torch.testing.assert_close(rest, torch.zeros_like(rest), atol=1e-6, rtol=0)


def test_stretches_and_gaps() -> None:
    there = np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0], dtype=bool)
    assert longest_stretch(there, 2) == (1, 6)
    assert longest_stretch(there, 3) == (1, 13)
    assert longest_stretch(there[:1], 3) == (0, 0)
    turns = torch.from_numpy(
        axis_angle_to_matrix(np.tile([[[0.0, 0, 0]], [[0.9, 0, 0]]], (1, 22, 1)))
    )
    filled = fill_poses(turns, np.array([True, False, False, True]))
    angle = torch.arccos(filled[:, 5, 1, 1])
    torch.testing.assert_close(angle, torch.tensor([0.0, 0.3, 0.6, 0.9]).double())


def test_jumps_and_contacts() -> None:
    fps, t = 30.0, np.arange(60) / 30.0
    height = np.maximum(0.3 * (1 - ((t - 1) / 0.25) ** 2), 0) + 0.02 * t  # the ground seems to rise
    air = airborne(height, fps)
    assert air[30]
    assert not air[:20].any()
    assert 10 <= air.sum() <= 18
    points = np.zeros((60, 4, 3))
    points[:, 1, 0] = np.maximum(t - 1, 0)  # slides away from one second on
    points[:, 2, 1] = 0.2
    held = planted(points, np.zeros(60, dtype=bool), fps)
    assert held[:, 0].all()
    assert held[:30, 1].all()
    assert not held[32:, 1].any()
    assert not held[:, 2].any()
    assert not planted(points, air, fps)[air].any()


def test_planted_points_stay_and_feet_keep_their_turn() -> None:
    motion = stepping_motion(2.0)
    local = axis_angle_to_matrix(motion.poses)
    joints = motion.joint_positions()
    points = joints[:, [7, 10, 8, 11]] * [1.0, 0.0, 1.0]
    held = np.zeros((len(points), 4), dtype=bool)
    held[5:15, 0] = held[5:15, 1] = True
    wobble = 0.01 * np.sin(np.arange(len(points)))[:, None] * [1.0, 0.0, 0.5]
    pelvis = motion.trans + REST_OFFSETS[0] + wobble
    made = plant_feet(local, pelvis, points + wobble[:, None], held, motion.fps)
    out = Motion(motion.poses, pelvis - REST_OFFSETS[0], motion.fps)
    before = out.joint_positions()[:, 7]
    moved = Motion(
        matrix_to_axis_angle(made), pelvis - REST_OFFSETS[0], motion.fps
    ).joint_positions()[:, 7]
    inside = slice(6, 14)
    assert np.ptp(moved[inside, 0]) < 0.3 * np.ptp(before[inside, 0])
    np.testing.assert_allclose(made[30:], local[30:], atol=1e-6)
