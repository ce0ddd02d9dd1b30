# SPDX-License-Identifier: Apache-2.0
"""The smpl22 rows: layout, round trip within a millimetre, and the torch decoder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from shared_data import need_shared

from backend.motion.kinematics import decode_smpl22_torch
from backend.motion.representation import (
    FEATURE_DIM,
    FPS,
    JOINT_DIM,
    ROOT_DIM,
    canonicalize,
    decode_smpl22,
    encode_smpl22,
    heading_angles,
)
from backend.motion.retarget import retarget_to_smpl
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    axis_rotation,
    matrix_to_axis_angle,
    matrix_to_rotation_6d,
)
from blender_addon.shared.skeleton import REST_OFFSETS
from training.data.bvhpack import read_pack

MILLIMETRE = 1e-3


def _pelvis(motion: Motion) -> np.ndarray:
    return motion.trans + REST_OFFSETS[0]


def _moved(motion: Motion, yaw: float, x: float, z: float) -> Motion:
    turn = axis_rotation(np.array(yaw), "Y")
    poses = motion.poses.copy()
    poses[:, 0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(poses[:, 0]))
    pelvis = _pelvis(motion) @ turn.T + [x, 0.0, z]
    return Motion(poses, pelvis - REST_OFFSETS[0], motion.fps)


def _assert_round_trip(motion: Motion) -> None:
    """Root path and every joint come back within a millimetre."""
    start = canonicalize(motion)
    back = decode_smpl22(encode_smpl22(motion))
    assert back.fps == FPS
    assert back.num_frames == motion.num_frames
    assert np.abs(_pelvis(back) - _pelvis(start)).max() < MILLIMETRE
    joints = np.linalg.norm(back.joint_positions() - start.joint_positions()[:, :22], axis=-1)
    assert joints.max() < MILLIMETRE


def test_width_and_layout() -> None:
    assert FEATURE_DIM == 272
    assert (ROOT_DIM, JOINT_DIM, FPS) == (8, 12, 20)
    motion = canonicalize(smooth_motion(seconds=2))
    rows = encode_smpl22(motion)
    assert rows.shape == (40, FEATURE_DIM)
    assert rows.dtype == np.float32
    positions = motion.joint_positions()
    local = axis_angle_to_matrix(motion.poses)
    yaw = heading_angles(local[:, 0])
    back = axis_rotation(-yaw, "Y")
    np.testing.assert_allclose(rows[:-1, 0], np.diff(yaw), atol=1e-6)
    step = np.einsum("tij,tj->ti", back[:-1], np.diff(positions[:, 0], axis=0))
    np.testing.assert_allclose(rows[:-1, 1:3], step[:, [0, 2]], atol=1e-6)
    np.testing.assert_allclose(rows[:, 3], positions[:, 0, 1], atol=1e-6)
    assert set(np.unique(rows[:, 4:8])) <= {0.0, 1.0}
    joints = rows[:, 8:].reshape(40, 22, 12)
    np.testing.assert_allclose(joints[:, 5, :6], matrix_to_rotation_6d(local[:, 5]), atol=1e-6)
    np.testing.assert_allclose(
        joints[:, 0, :6], matrix_to_rotation_6d(back @ local[:, 0]), atol=1e-6
    )
    ground = positions[:, :1] * [1.0, 0.0, 1.0]
    place = np.einsum("tij,tkj->tki", back, positions - ground)
    np.testing.assert_allclose(joints[..., 6:9], place, atol=1e-6)
    speed = np.einsum("tij,tkj->tki", back[:-1], np.diff(positions, axis=0))
    np.testing.assert_allclose(joints[:-1, :, 9:], speed, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_ten_seconds_come_back(seed: int) -> None:
    _assert_round_trip(smooth_motion(seconds=10, seed=seed))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_shortest_clips_come_back(frames: int) -> None:
    motion = smooth_motion()
    _assert_round_trip(Motion(motion.poses[:frames], motion.trans[:frames], 20))


def test_24_joints_are_taken_without_the_hands() -> None:
    motion = smooth_motion()
    poses = np.concatenate([motion.poses, np.zeros((60, 2, 3))], axis=1)
    np.testing.assert_array_equal(
        encode_smpl22(Motion(poses, motion.trans, 20)), encode_smpl22(motion)
    )


def test_rows_do_not_depend_on_place_or_facing() -> None:
    motion = smooth_motion()
    moved = encode_smpl22(_moved(motion, 2.5, 7.0, -3.0))
    np.testing.assert_allclose(moved, encode_smpl22(motion), atol=1e-5)


def test_canonical_clip_starts_at_the_origin_facing_z() -> None:
    motion = _moved(smooth_motion(), -2.0, 1.0, 2.0)
    start = canonicalize(motion)
    np.testing.assert_allclose(_pelvis(start)[0, [0, 2]], 0, atol=1e-12)
    assert heading_angles(axis_angle_to_matrix(start.poses[:, 0]))[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(start.trans[:, 1], motion.trans[:, 1], atol=1e-12)
    again = canonicalize(start)
    np.testing.assert_allclose(again.joint_positions(), start.joint_positions(), atol=1e-9)


def test_turning_left_is_a_growing_heading() -> None:
    poses = np.zeros((30, 22, 3))
    poses[:, 0, 1] = np.linspace(0, 5, 30)  # past half a turn: no jump
    yaw = heading_angles(axis_angle_to_matrix(poses[:, 0]))
    np.testing.assert_allclose(yaw, np.linspace(0, 5, 30), atol=1e-9)


def test_heading_while_lying_and_rolling() -> None:
    """The heading stays finite and calm when the body lies down or somersaults."""
    poses = np.zeros((60, 22, 3))
    poses[:, 0, 0] = np.linspace(0, 4 * np.pi, 60)
    yaw = heading_angles(axis_angle_to_matrix(poses[:, 0]))
    assert np.abs(yaw).max() < 1e-6
    _assert_round_trip(Motion(poses, np.zeros((60, 3)), 20))
    poses = np.zeros((60, 22, 3))
    poses[:, 0, 2] = np.linspace(0, 2 * np.pi, 60)  # a cartwheel
    _assert_round_trip(Motion(poses, np.zeros((60, 3)), 20))


def test_contacts_of_a_standing_and_of_a_flying_figure() -> None:
    poses = np.zeros((20, 22, 3))
    floor = Motion(poses[:1], np.zeros((1, 3)), 20).joint_positions()[0, [10, 11], 1].min() - 0.02
    trans = np.zeros((20, 3))
    trans[:, 1] = -floor
    assert encode_smpl22(Motion(poses, trans, 20))[:, 4:8].all()
    trans[:, 1] += 0.5
    assert not encode_smpl22(Motion(poses, trans, 20))[:, 4:8].any()
    trans[:, 1] -= 0.5
    trans[:, 2] = np.arange(20) * 0.1  # sliding at 2 m/s
    assert not encode_smpl22(Motion(poses, trans, 20))[:, 4:8].any()


def test_wrong_rate_and_wrong_width_are_refused() -> None:
    with pytest.raises(ValueError, match="resample"):
        encode_smpl22(smooth_motion(fps=30))
    with pytest.raises(ValueError, match="272"):
        decode_smpl22(np.zeros((5, 263)))


def test_torch_decoder_agrees_with_numpy() -> None:
    rows = np.stack([encode_smpl22(smooth_motion(seconds=10, seed=s)) for s in (0, 1)])
    positions, local, trans = decode_smpl22_torch(torch.from_numpy(rows).double())
    assert positions.shape == (2, 200, 22, 3)
    for i in range(2):
        motion = decode_smpl22(rows[i])
        np.testing.assert_allclose(positions[i].numpy(), motion.joint_positions(), atol=1e-6)
        np.testing.assert_allclose(local[i].numpy(), axis_angle_to_matrix(motion.poses), atol=1e-6)
        np.testing.assert_allclose(trans[i].numpy(), motion.trans, atol=1e-6)


def test_torch_decoder_in_single_precision_stays_within_a_millimetre() -> None:
    rows = encode_smpl22(smooth_motion(seconds=10))
    positions = decode_smpl22_torch(torch.from_numpy(rows)[None])[0][0].numpy()
    assert np.abs(positions - decode_smpl22(rows).joint_positions()).max() < MILLIMETRE


def test_torch_decoder_has_gradients_through_the_path() -> None:
    rows = torch.from_numpy(encode_smpl22(smooth_motion()))[None].double().requires_grad_()
    positions, _, _ = decode_smpl22_torch(rows)
    positions[:, -1].sum().backward()
    assert rows.grad is not None
    assert rows.grad.isfinite().all()
    assert (rows.grad[0, :-1, 0].abs() > 0).all()  # every earlier turn moves the last frame
    assert (rows.grad[0, -1, 0:3] == 0).all()  # the last row's own velocities lead nowhere


def _every(path: Path, step: int) -> list:
    """Every `step`-th clip of a pack."""
    return [clip for i, (_, clip) in enumerate(read_pack(path)) if i % step == 0]


@pytest.mark.parametrize(
    ("pack", "step"),
    [
        ("deepmimic", 1),
        ("cmu-actions", 6),
        pytest.param("cmu-01-14", 10, marks=pytest.mark.slow),
        ("bandai-namco-1", 10),
    ],
)
def test_real_clips_come_back(pack: str, step: int) -> None:
    path = need_shared("motion", f"{pack}.bvhpack")
    for clip in _every(path, step):
        motion = retarget_to_smpl(clip).resampled(FPS)
        for start in range(0, motion.num_frames, 200):
            part = slice(start, start + 200)
            _assert_round_trip(Motion(motion.poses[part], motion.trans[part], FPS))
