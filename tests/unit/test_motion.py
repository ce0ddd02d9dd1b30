# SPDX-License-Identifier: Apache-2.0
"""A clip in memory and its .npz file."""

from pathlib import Path

import numpy as np
import pytest
from made_up_motion import smooth_motion

from blender_addon.shared.motion import Motion, MotionError
from blender_addon.shared.rotations import axis_angle_to_matrix, axis_rotation, matrix_to_axis_angle
from blender_addon.shared.skeleton import (
    JOINT_NAMES,
    MIRROR_JOINTS,
    PARENTS,
    REST_OFFSETS,
    rest_joint_positions,
)


def test_rest_pose_is_the_skeleton() -> None:
    still = Motion(np.zeros((1, 24, 3)), np.zeros((1, 3)), 20)
    np.testing.assert_allclose(still.joint_positions()[0], rest_joint_positions())


def test_skeleton_facts() -> None:
    assert len(JOINT_NAMES) == len(PARENTS) == len(REST_OFFSETS) == 24
    assert all(parent < joint for joint, parent in enumerate(PARENTS))
    np.testing.assert_array_equal(
        REST_OFFSETS[list(MIRROR_JOINTS)], REST_OFFSETS * np.array([-1, 1, 1])
    )
    joints = rest_joint_positions()
    assert joints[1, 0] > 0  # left is +X
    assert 1.5 < joints[15, 1] - joints[10, 1] + 0.3 < 1.9  # a grown person


def test_mirroring_reflects_every_joint() -> None:
    motion = smooth_motion()
    mirrored = motion.mirrored()
    expected = motion.joint_positions()[:, list(MIRROR_JOINTS[:22])] * np.array([-1, 1, 1])
    np.testing.assert_allclose(mirrored.joint_positions(), expected, atol=1e-12)


@pytest.mark.parametrize("joints", [22, 24])
def test_mirroring_twice_changes_nothing(joints: int) -> None:
    rng = np.random.default_rng(0)
    motion = Motion(rng.normal(size=(9, joints, 3)), rng.normal(size=(9, 3)), 20)
    twice = motion.mirrored().mirrored()
    np.testing.assert_array_equal(twice.poses, motion.poses)
    np.testing.assert_array_equal(twice.trans, motion.trans)


@pytest.mark.parametrize(("source", "target"), [(20, 60), (30, 20), (120, 20), (24, 20), (20, 24)])
def test_resampling_follows_the_same_path(source: float, target: float) -> None:
    motion = smooth_motion(seconds=3, fps=source)
    out = motion.resampled(target)
    assert out.fps == target
    assert out.num_frames == pytest.approx((motion.num_frames - 1) / source * target + 1, abs=0.51)
    truth = smooth_motion(seconds=4, fps=target).joint_positions()[: out.num_frames]
    inside = np.arange(out.num_frames) / target <= (motion.num_frames - 1) / source
    assert np.abs(out.joint_positions() - truth)[inside].max() < 0.01
    np.testing.assert_allclose(out.poses[0], motion.poses[0], atol=1e-12)


def test_resampling_to_the_same_rate_and_of_one_frame() -> None:
    motion = smooth_motion()
    np.testing.assert_array_equal(motion.resampled(20).poses, motion.poses)
    one = Motion(motion.poses[:1], motion.trans[:1], 30).resampled(20)
    assert (one.num_frames, one.fps) == (1, 20)


def test_resampling_goes_the_short_way_round() -> None:
    """Axis-angle jumps from +pi to -pi; the figure does not spin back in between."""
    angles = np.radians([170.0, 178.0, -174.0, -166.0])
    poses = np.zeros((4, 22, 3))
    poses[:, 0, 1] = angles
    out = Motion(poses, np.zeros((4, 3)), 10).resampled(40)
    facing = axis_angle_to_matrix(out.poses[:, 0])[:, :, 2]
    assert (facing[:, 2] < -0.95).all()


@pytest.mark.parametrize("joints", [22, 24])
def test_npz_round_trip(tmp_path: Path, joints: int) -> None:
    motion = smooth_motion(fps=30)
    poses = np.zeros((motion.num_frames, joints, 3))
    poses[:, :22] = motion.poses
    betas = np.linspace(-1, 1, 10)
    Motion(poses, motion.trans, 30, betas, "female").save_npz(tmp_path / "clip.npz")
    back = Motion.load_npz(tmp_path / "clip.npz")
    assert (back.fps, back.gender, back.num_frames) == (30, "female", motion.num_frames)
    np.testing.assert_allclose(back.poses, motion.poses, atol=1e-6)
    np.testing.assert_allclose(back.trans, motion.trans, atol=1e-6)
    np.testing.assert_allclose(back.betas, betas, atol=1e-6)


def test_file_has_the_amass_fields(tmp_path: Path) -> None:
    smooth_motion().save_npz(tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz") as data:
        assert data["poses"].shape == (60, 72)
        assert data["trans"].shape == (60, 3)
        assert data["betas"].shape == (10,)
        assert float(data["mocap_framerate"]) == 20
        assert (str(data["up_axis"]), str(data["gender"])) == ("Y", "neutral")


def _amass_fields(motion: Motion) -> dict[str, np.ndarray]:
    """The same motion as AMASS stores it: Z up, 52 joints, 16 betas."""
    turn = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    poses = np.zeros((motion.num_frames, 52, 3))
    poses[:, :22] = motion.poses
    poses[:, 0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(motion.poses[:, 0]))
    pelvis = (motion.trans + REST_OFFSETS[0]) @ turn.T
    return {
        "poses": poses.reshape(motion.num_frames, -1),
        "trans": pelvis - REST_OFFSETS[0],
        "betas": np.ones(16),
        "gender": np.array(b"male"),
        "mocap_framerate": np.array(120.0),
        "dmpls": np.zeros((motion.num_frames, 8)),
    }


def test_amass_file_is_turned_to_y_up(tmp_path: Path) -> None:
    motion = smooth_motion(fps=120)
    np.savez(tmp_path / "amass.npz", **_amass_fields(motion))
    back = Motion.load_npz(tmp_path / "amass.npz")
    assert (back.fps, back.gender) == (120, "male")
    np.testing.assert_allclose(back.joint_positions(), motion.joint_positions(), atol=1e-9)


def test_yaw_of_the_world_moves_joints_rigidly() -> None:
    motion = smooth_motion()
    turn = axis_rotation(np.array(0.7), "Y")
    poses = motion.poses.copy()
    poses[:, 0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(poses[:, 0]))
    pelvis = (motion.trans + REST_OFFSETS[0]) @ turn.T
    turned = Motion(poses, pelvis - REST_OFFSETS[0], 20)
    expected = motion.joint_positions() @ turn.T
    np.testing.assert_allclose(turned.joint_positions(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("poses", "trans", "fps", "message"),
    [
        (np.zeros((3, 20, 3)), np.zeros((3, 3)), 20, "poses must be"),
        (np.zeros((3, 66)), np.zeros((3, 3)), 20, "poses must be"),
        (np.zeros((3, 22, 3)), np.zeros((2, 3)), 20, "trans must be"),
        (np.zeros((0, 22, 3)), np.zeros((0, 3)), 20, "no frames"),
        (np.full((3, 22, 3), np.nan), np.zeros((3, 3)), 20, "not finite"),
        (np.zeros((3, 22, 3)), np.full((3, 3), np.inf), 20, "not finite"),
        (np.zeros((3, 22, 3)), np.zeros((3, 3)), 0, "number above 0"),
        (np.zeros((3, 22, 3)), np.zeros((3, 3)), np.nan, "above 0"),
        (np.zeros((3, 22, 3)), np.zeros((3, 3)), np.inf, "above 0"),
    ],
)
def test_impossible_motions_are_refused(poses, trans, fps, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        Motion(poses, trans, fps)
