# SPDX-License-Identifier: Apache-2.0
"""MPJPE and PA-MPJPE against cases done by hand and scipy's alignment."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from training.metrics.pose import mpjpe, pa_mpjpe, similarity_align


def test_mpjpe_by_hand() -> None:
    true = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    made = np.array([[5.0, 0, 0], [6, 3, 4], [5, 1, 0]])
    assert mpjpe(made, true) == pytest.approx(5 / 3)
    assert mpjpe(made, true, root=None) == pytest.approx((5 + np.sqrt(25 + 9 + 16) + 5) / 3)
    assert mpjpe(np.stack([made, true]), np.stack([true, true])).tolist() == [
        pytest.approx(5 / 3),
        0,
    ]


def test_alignment_undoes_a_similarity() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4, 13, 3))
    turn = Rotation.random(4, random_state=1).as_matrix()
    made = 0.3 * true @ turn + np.array([1.0, 2, 3])
    assert pa_mpjpe(made, true).max() < 1e-12
    assert mpjpe(made, true).min() > 0.1


def test_pa_mpjpe_is_scipys() -> None:
    rng = np.random.default_rng(1)
    made, true = rng.normal(size=(2, 20, 3))
    true = 0.5 * true + made  # near enough that the best orthogonal map is a rotation
    a, b = made - made.mean(0), true - true.mean(0)
    turn, singular = orthogonal_procrustes(a, b)
    assert np.linalg.det(turn) > 0
    aligned = a @ turn * singular / (a**2).sum()
    expected = np.linalg.norm(aligned - b, axis=-1).mean()
    assert pa_mpjpe(made, true) == pytest.approx(expected)


def test_a_mirror_image_is_not_aligned_away() -> None:
    true = np.random.default_rng(2).normal(size=(10, 3))
    assert pa_mpjpe(true * [-1, 1, 1], true) > 0.2


def test_points_all_in_one_place_and_wrong_shapes() -> None:
    true = np.eye(3)
    aligned = similarity_align(np.ones((3, 3)), true)
    assert np.allclose(aligned, true.mean(axis=0))
    with pytest.raises(ValueError, match="positions must both be"):
        pa_mpjpe(np.zeros((3, 3)), np.zeros((4, 3)))
