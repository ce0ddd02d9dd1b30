# SPDX-License-Identifier: Apache-2.0
"""Errors of a 3D pose: MPJPE, and PA-MPJPE after the best similarity (Procrustes) alignment."""

import numpy as np


def mpjpe(made: np.ndarray, true: np.ndarray, root: int | None = 0) -> np.ndarray:
    """(..., J, 3) positions twice -> (...) mean distance over the joints, in their unit.

    Both are moved so that joint `root` lies at the origin; None compares them where they are.
    """
    _check(made, true)
    if root is not None:
        made = made - made[..., root : root + 1, :]
        true = true - true[..., root : root + 1, :]
    return np.linalg.norm(made - true, axis=-1).mean(axis=-1)


def pa_mpjpe(made: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(..., J, 3) positions twice -> (...) mean distance after `similarity_align`."""
    return mpjpe(similarity_align(made, true), true, root=None)


def similarity_align(made: np.ndarray, true: np.ndarray) -> np.ndarray:
    """`made` (..., J, 3) turned, scaled and moved for the least squared distance to `true`.

    Never mirrored (Umeyama 1991). Points that are all one come back as `true`'s mean.
    """
    _check(made, true)
    made_mean = made.mean(axis=-2, keepdims=True)
    true_mean = true.mean(axis=-2, keepdims=True)
    a, b = made - made_mean, true - true_mean
    u, s, vt = np.linalg.svd(np.swapaxes(a, -1, -2) @ b)
    sign = np.ones_like(s)
    sign[..., 2] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    turn = (u * sign[..., None, :]) @ vt
    size = (a**2).sum(axis=(-1, -2))
    scale = (s * sign).sum(axis=-1) / np.maximum(size, 1e-12)
    return scale[..., None, None] * (a @ turn) + true_mean


def _check(made: np.ndarray, true: np.ndarray) -> None:
    if made.shape != true.shape or made.ndim < 2 or made.shape[-1] != 3:
        raise ValueError(f"positions must both be (..., J, 3), got {made.shape} and {true.shape}")
