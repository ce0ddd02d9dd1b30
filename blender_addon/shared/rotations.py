# SPDX-License-Identifier: Apache-2.0
"""Rotation maths in numpy. Matrices act on column vectors; quaternions are (w, x, y, z).

`backend.motion.kinematics` is the torch twin of this file: same names, same conventions.
"""

from functools import reduce

import numpy as np

_EPS = 1e-12


def normalize(v: np.ndarray) -> np.ndarray:
    """(..., D) to unit length; a zero vector stays zero."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), _EPS)


def axis_angle_to_quaternion(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) axis times angle in radians -> (..., 4) unit quaternion."""
    angle = np.linalg.norm(axis_angle, axis=-1, keepdims=True)
    # sin(x/2)/x written with numpy's sinc, which is exact at 0
    scale = 0.5 * np.sinc(angle / (2 * np.pi))
    return np.concatenate([np.cos(angle / 2), axis_angle * scale], axis=-1)


def quaternion_to_axis_angle(quaternion: np.ndarray) -> np.ndarray:
    """(..., 4) unit quaternion -> (..., 3) axis times angle, angle in [0, pi]."""
    q = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    sin_half = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sin_half, q[..., :1])
    small = sin_half < 1e-9
    scale = np.where(small, 2.0, angle / np.where(small, 1.0, sin_half))
    return q[..., 1:] * scale


def quaternion_to_matrix(quaternion: np.ndarray) -> np.ndarray:
    """(..., 4) quaternion, normalised here -> (..., 3, 3)."""
    w, x, y, z = np.moveaxis(normalize(quaternion), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quaternion(matrix: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation -> (..., 4) unit quaternion with w >= 0.

    Of the four ways to read a quaternion off a matrix, takes the one whose divisor is largest.
    """
    m00, m11, m22 = matrix[..., 0, 0], matrix[..., 1, 1], matrix[..., 2, 2]
    m01, m02, m10 = matrix[..., 0, 1], matrix[..., 0, 2], matrix[..., 1, 0]
    m12, m20, m21 = matrix[..., 1, 2], matrix[..., 2, 0], matrix[..., 2, 1]
    candidates = np.stack(
        [
            np.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            np.stack([m21 - m12, 1 + m00 - m11 - m22, m10 + m01, m02 + m20], -1),
            np.stack([m02 - m20, m10 + m01, 1 - m00 + m11 - m22, m12 + m21], -1),
            np.stack([m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22], -1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(candidates, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    q = normalize(q)
    return np.where(q[..., :1] < 0, -q, q)


def axis_angle_to_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3)."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def matrix_to_axis_angle(matrix: np.ndarray) -> np.ndarray:
    """(..., 3, 3) -> (..., 3)."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_rotation_6d(matrix: np.ndarray) -> np.ndarray:
    """(..., 3, 3) -> (..., 6): the first two columns, one after the other (Zhou et al. 2019)."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def rotation_6d_to_matrix(rotation_6d: np.ndarray) -> np.ndarray:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt; any two independent vectors are accepted."""
    x = normalize(rotation_6d[..., :3])
    y = rotation_6d[..., 3:]
    y = normalize(y - np.sum(x * y, axis=-1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def euler_to_matrix(angles: np.ndarray, order: str) -> np.ndarray:
    """(..., n) degrees in `order` -> (..., 3, 3); "ZXY" is R = Rz Rx Ry, as BVH channels go.

    One or two axes are allowed: a hinge has a single channel.
    """
    turns = (axis_rotation(np.radians(angles[..., i]), axis) for i, axis in enumerate(order))
    return reduce(np.matmul, turns)


def matrix_to_euler(matrix: np.ndarray, order: str) -> np.ndarray:
    """(..., 3, 3) -> (..., 3) degrees in `order`, three different axes (Tait-Bryan)."""
    i, j, k = ("XYZ".index(a) for a in order.upper())
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    cosine = np.hypot(matrix[..., j, k], matrix[..., k, k])
    middle = np.arctan2(sign * matrix[..., i, k], cosine)
    first = np.arctan2(-sign * matrix[..., j, k], matrix[..., k, k])
    last = np.arctan2(-sign * matrix[..., i, j], matrix[..., i, i])
    locked = cosine < 1e-7
    first = np.where(locked, np.arctan2(sign * matrix[..., k, j], matrix[..., j, j]), first)
    last = np.where(locked, 0.0, last)
    return np.degrees(np.stack([first, middle, last], axis=-1))


def axis_rotation(angle: np.ndarray, axis: str) -> np.ndarray:
    """(...) radians about one of "X", "Y", "Z" -> (..., 3, 3)."""
    vector = np.zeros((*np.shape(angle), 3))
    vector[..., "XYZ".index(axis.upper())] = angle
    return axis_angle_to_matrix(vector)


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., 3), (..., 3) -> (..., 3, 3): the smallest rotation that takes direction a to b."""
    a, b = normalize(a), normalize(b)
    w = 1 + np.sum(a * b, axis=-1, keepdims=True)
    q = np.concatenate([w, np.cross(a, b)], axis=-1)
    # opposite directions: turn by pi about any axis square to a
    helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    turn = np.concatenate([np.zeros_like(w), normalize(np.cross(a, helper))], axis=-1)
    opposite = w < 100 * np.finfo(w.dtype).eps
    return quaternion_to_matrix(np.where(opposite, turn, q))


def make_quaternions_continuous(quaternions: np.ndarray) -> np.ndarray:
    """(T, ..., 4) -> the same rotations, each with the sign nearest to the frame before."""
    if len(quaternions) < 2:
        return quaternions.copy()
    dots = np.sum(quaternions[1:] * quaternions[:-1], axis=-1)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    out = quaternions.copy()
    out[1:] *= signs[..., None]
    return out


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Spherical interpolation of (..., 4) quaternions along the shorter way; t (...) in [0, 1]."""
    dot = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    dot = np.clip(np.abs(dot), 0.0, 1.0)
    angle = np.arccos(dot)
    t = np.asarray(t)[..., None]
    near = angle < 1e-6
    sine = np.where(near, 1.0, np.sin(angle))
    wa = np.where(near, 1 - t, np.sin((1 - t) * angle) / sine)
    wb = np.where(near, t, np.sin(t * angle) / sine)
    return normalize(wa * a + wb * b)
