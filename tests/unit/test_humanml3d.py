# SPDX-License-Identifier: Apache-2.0
"""HumanML3D features: against the published reference clip, and there and back."""

import numpy as np
import pytest
from shared_data import need_shared

from backend.motion.humanml3d import (
    COLUMNS,
    FEATURE_DIM,
    bone_lengths,
    canonical_joints,
    encode_humanml3d,
    fit_skeleton,
    joints_from_positions,
    joints_from_rotations,
)
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_rotation


def _reference() -> tuple[np.ndarray, np.ndarray]:
    joints = np.load(need_shared("humanml3d", "012314.joints.npy"))
    return joints, np.load(need_shared("humanml3d", "012314.vecs.npy"))


def _walk(frames: int = 120, seed: int = 0) -> np.ndarray:
    """(T, 22, 3) joints of a smooth made-up motion that turns a full circle while it walks."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 2 * np.pi, frames)
    poses = np.zeros((frames, 22, 3))
    for harmonic in (1, 2, 3):
        poses += 0.15 * np.sin(harmonic * t[:, None, None] + rng.uniform(0, 6, (22, 3)))
    poses[:, 0] = np.stack([0 * t, t, 0 * t], axis=-1)
    trans = np.stack([np.sin(t), 1.1 + 0.02 * np.sin(5 * t), t / 2], axis=-1)
    return Motion(poses, trans, 20).joint_positions()


def _errors(got: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    return {name: float(np.abs(got - expected)[:, c].max()) for name, c in COLUMNS.items()}


def test_columns_cover_every_feature_once() -> None:
    covered = np.concatenate([np.arange(FEATURE_DIM)[c] for c in COLUMNS.values()])
    assert covered.tolist() == list(range(FEATURE_DIM))


def test_reference_clip_all_rows() -> None:
    """The published joints lack the frame that closes the last row; its velocities restore it."""
    joints, expected = _reference()
    closing = joints_from_positions(expected, closing_frame=True)[-1:]
    whole = np.concatenate([joints, closing])
    got = encode_humanml3d(whole, closing_frame_dropped=False)
    assert got.shape == expected.shape
    errors = _errors(got, expected)
    print("max abs error by column group, all 170 rows:", errors)
    assert max(errors.values()) < 2e-5


def test_reference_clip_from_its_joints_alone() -> None:
    """Every row with a next frame, with the dropped frame's heading estimated."""
    joints, expected = _reference()
    errors = _errors(encode_humanml3d(joints), expected[:-1])
    print("max abs error by column group, 169 rows:", errors)
    assert max(errors.values()) < 1e-3


def test_reference_clip_taken_as_a_whole_clip() -> None:
    """Without the dropped frame only rows whose smoothed heading sees the clip's end differ."""
    joints, expected = _reference()
    whole = encode_humanml3d(joints, closing_frame_dropped=False)
    error = np.abs(whole - expected[:-1]).max(axis=1)
    assert error[: len(joints) - 81].max() < 2e-5
    assert error.max() < 0.02


def test_reference_joints_come_back() -> None:
    joints, features = _reference()
    assert np.abs(joints_from_positions(features) - joints).max() < 1e-5
    assert np.abs(joints_from_rotations(features, bone_lengths(joints[0])) - joints).max() < 1e-5


def test_reference_statistics_fit_our_columns() -> None:
    """HumanML3D's published mean has the reference clip within reach in every column."""
    mean = np.load(need_shared("humanml3d", "Mean.npy"))
    std = np.load(need_shared("humanml3d", "Std.npy"))
    assert mean.shape == std.shape == (FEATURE_DIM,)
    joints, _ = _reference()
    distance = np.abs((encode_humanml3d(joints) - mean) / std)
    assert np.median(distance) < 2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_round_trip_through_a_full_turn(seed: int) -> None:
    joints = canonical_joints(_walk(seed=seed))
    features = encode_humanml3d(joints)
    assert features.shape == (len(joints) - 1, FEATURE_DIM)
    assert np.abs(joints_from_positions(features, closing_frame=True) - joints).max() < 1e-3
    lengths = bone_lengths(joints[0])
    assert np.abs(joints_from_rotations(features, lengths) - joints[:-1]).max() < 1e-3


def test_place_and_facing_of_the_clip_do_not_matter() -> None:
    joints = _walk()
    moved = joints @ axis_rotation(np.array(2.0), "Y").T + [3.0, -0.4, 5.0]
    assert np.abs(encode_humanml3d(moved) - encode_humanml3d(joints)).max() < 1e-5


def test_canonical_joints() -> None:
    joints = canonical_joints(np.add(_walk(), [1.0, 2.0, 3.0]))
    across = joints[0, 1] - joints[0, 2] + joints[0, 16] - joints[0, 17]
    assert np.allclose(joints[0, 0, [0, 2]], 0, atol=1e-12)
    assert joints[..., 1].min() == pytest.approx(0, abs=1e-12)
    assert across[2] == pytest.approx(0, abs=1e-12)
    assert across[0] > 0


def test_fit_skeleton_changes_lengths_and_keeps_directions() -> None:
    joints = _walk()
    target = bone_lengths(joints[0]) * np.linspace(0.8, 1.2, 22)
    fitted = fit_skeleton(joints, target)
    assert np.allclose(bone_lengths(fitted), target)
    ratio = target[[5, 8]].sum() / bone_lengths(joints[0])[[5, 8]].sum()
    assert np.allclose(fitted[:, 0], joints[:, 0] * ratio)
    assert np.allclose(fit_skeleton(joints, bone_lengths(joints[0])), joints)


@pytest.mark.parametrize("shape", [(1, 22, 3), (5, 24, 3), (5, 66)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="joints must be"):
        encode_humanml3d(np.zeros(shape))
