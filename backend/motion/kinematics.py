# SPDX-License-Identifier: Apache-2.0
"""Rotation maths and forward kinematics in torch, differentiable.

The twin of `blender_addon.shared.rotations` and of `forward_kinematics` in
`blender_addon.shared.motion`: same names, same conventions (matrices act on column vectors,
quaternions are w, x, y, z). Results have the dtype and device of the input.
"""

import math
from functools import reduce

import torch
from torch import Tensor

from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS, REST_OFFSETS

from .representation import JOINT_DIM, ROOT_DIM

_EPS = 1e-12


def normalize(v: Tensor) -> Tensor:
    """(..., D) to unit length; a zero vector stays zero."""
    return v / torch.linalg.vector_norm(v, dim=-1, keepdim=True).clamp_min(_EPS)


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """(..., 3) axis times angle in radians -> (..., 4) unit quaternion."""
    angle = torch.linalg.vector_norm(axis_angle, dim=-1, keepdim=True)
    scale = 0.5 * torch.sinc(angle / (2 * math.pi))
    return torch.cat([torch.cos(angle / 2), axis_angle * scale], dim=-1)


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """(..., 4) unit quaternion -> (..., 3) axis times angle, angle in [0, pi]."""
    q = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    sin_half = torch.linalg.vector_norm(q[..., 1:], dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sin_half, q[..., :1])
    small = sin_half < 1e-9
    scale = torch.where(small, 2.0, angle / torch.where(small, 1.0, sin_half))
    return q[..., 1:] * scale


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """(..., 4) quaternion, normalised here -> (..., 3, 3)."""
    w, x, y, z = normalize(quaternion).unbind(-1)
    entries = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """(..., 3, 3) rotation -> (..., 4) unit quaternion with w >= 0.

    Of the four ways to read a quaternion off a matrix, takes the one whose divisor is largest.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix.flatten(-2).unbind(-1)
    candidates = torch.stack(
        [
            torch.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, 1 + m00 - m11 - m22, m10 + m01, m02 + m20], -1),
            torch.stack([m02 - m20, m10 + m01, 1 - m00 + m11 - m22, m12 + m21], -1),
            torch.stack([m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22], -1),
        ],
        dim=-2,
    )
    best = torch.diagonal(candidates, dim1=-2, dim2=-1).argmax(dim=-1)
    index = best[..., None, None].expand(*best.shape, 1, 4)
    q = normalize(torch.gather(candidates, -2, index).squeeze(-2))
    return torch.where(q[..., :1] < 0, -q, q)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """(..., 3) -> (..., 3, 3)."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 3)."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_rotation_6d(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 6): the first two columns, one after the other (Zhou et al. 2019)."""
    return torch.cat([matrix[..., :, 0], matrix[..., :, 1]], dim=-1)


def rotation_6d_to_matrix(rotation_6d: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt; any two independent vectors are accepted."""
    x = normalize(rotation_6d[..., :3])
    y = rotation_6d[..., 3:]
    y = normalize(y - (x * y).sum(dim=-1, keepdim=True) * x)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def euler_to_matrix(angles: Tensor, order: str) -> Tensor:
    """(..., n) degrees in `order` -> (..., 3, 3); "ZXY" is R = Rz Rx Ry, as BVH channels go.

    One or two axes are allowed: a hinge has a single channel.
    """
    turns = (axis_rotation(torch.deg2rad(angles[..., i]), axis) for i, axis in enumerate(order))
    return reduce(torch.matmul, turns)


def matrix_to_euler(matrix: Tensor, order: str) -> Tensor:
    """(..., 3, 3) -> (..., 3) degrees in `order`, three different axes (Tait-Bryan)."""
    i, j, k = ("XYZ".index(a) for a in order.upper())
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    cosine = torch.hypot(matrix[..., j, k], matrix[..., k, k])
    middle = torch.atan2(sign * matrix[..., i, k], cosine)
    first = torch.atan2(-sign * matrix[..., j, k], matrix[..., k, k])
    last = torch.atan2(-sign * matrix[..., i, j], matrix[..., i, i])
    locked = cosine < 1e-7
    first = torch.where(locked, torch.atan2(sign * matrix[..., k, j], matrix[..., j, j]), first)
    last = torch.where(locked, torch.zeros_like(last), last)
    return torch.rad2deg(torch.stack([first, middle, last], dim=-1))


def axis_rotation(angle: Tensor, axis: str) -> Tensor:
    """(...) radians about one of "X", "Y", "Z" -> (..., 3, 3)."""
    zero = torch.zeros_like(angle)
    vector = [zero, zero, zero]
    vector["XYZ".index(axis.upper())] = angle
    return axis_angle_to_matrix(torch.stack(vector, dim=-1))


def rotation_between(a: Tensor, b: Tensor) -> Tensor:
    """(..., 3), (..., 3) -> (..., 3, 3): the smallest rotation that takes direction a to b."""
    a, b = normalize(a), normalize(b)
    w = 1 + (a * b).sum(dim=-1, keepdim=True)
    q = torch.cat([w, torch.linalg.cross(a, b)], dim=-1)
    # opposite directions: turn by pi about any axis square to a
    helper = torch.where(a[..., :1].abs() < 0.9, a.new_tensor([1, 0, 0]), a.new_tensor([0, 1, 0]))
    axis = normalize(torch.linalg.cross(a, helper))
    turn = torch.cat([torch.zeros_like(w), axis], dim=-1)
    opposite = w < 100 * torch.finfo(w.dtype).eps
    return quaternion_to_matrix(torch.where(opposite, turn, q))


def make_quaternions_continuous(quaternions: Tensor) -> Tensor:
    """(T, ..., 4) -> the same rotations, each with the sign nearest to the frame before."""
    dots = (quaternions[1:] * quaternions[:-1]).sum(dim=-1, keepdim=True)
    signs = torch.where(dots < 0, -1.0, 1.0).to(quaternions.dtype).cumprod(dim=0)
    return torch.cat([quaternions[:1], quaternions[1:] * signs])


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation of (..., 4) quaternions along the shorter way; t (...) in [0, 1]."""
    dot = (a * b).sum(dim=-1, keepdim=True)
    b = torch.where(dot < 0, -b, b)
    t = t[..., None]
    # in single precision 1 - 5e-13 is 1, and equal quaternions would be divided by zero
    near = dot.abs() > 1 - max(5e-13, 2 * torch.finfo(dot.dtype).eps)
    # arccos has no slope at 1: those rows get a harmless angle and are interpolated linearly
    angle = torch.arccos(torch.where(near, 0.5, dot.abs()))
    sine = torch.sin(angle)
    wa = torch.where(near, 1 - t, torch.sin((1 - t) * angle) / sine)
    wb = torch.where(near, t, torch.sin(t * angle) / sine)
    return normalize(wa * a + wb * b)


def forward_kinematics(
    local_rotations: Tensor, trans: Tensor, rest_offsets: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(..., J, 3, 3) local rotations and (..., 3) SMPL translation -> world (positions, rotations).

    rest_offsets: (J or more, 3) metres, the mean body's when not given.
    positions: (..., J, 3) metres; rotations: (..., J, 3, 3).
    """
    offsets = _rest_offsets(local_rotations) if rest_offsets is None else rest_offsets
    positions, rotations = [trans + offsets[0]], [local_rotations[..., 0, :, :]]
    for j in range(1, local_rotations.shape[-3]):
        parent = PARENTS[j]
        positions.append(positions[parent] + rotations[parent] @ offsets[j])
        rotations.append(rotations[parent] @ local_rotations[..., j, :, :])
    return torch.stack(positions, dim=-2), torch.stack(rotations, dim=-3)


def decode_smpl22_torch(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T, 272) raw smpl22 features -> positions (B, T, 22, 3), local rotations
    (B, T, 22, 3, 3), SMPL translation (B, T, 3); metres, frame 0 at the origin facing +Z.

    The path and the heading are summed up from frame 0; joints come from the 6D rotations by
    forward kinematics, so the row's own joint positions and velocities are not read.
    """
    heading = _sum_before(features[..., 0])
    turn = axis_rotation(heading, "Y")
    flat = torch.stack([features[..., 1], torch.zeros_like(heading), features[..., 2]], dim=-1)
    ground = _sum_before((turn @ flat[..., None]).squeeze(-1), dim=-2)
    pelvis = torch.stack([ground[..., 0], features[..., 3], ground[..., 2]], dim=-1)
    joints = features[..., ROOT_DIM:].unflatten(-1, (NUM_BODY_JOINTS, JOINT_DIM))
    rotations = rotation_6d_to_matrix(joints[..., :6])
    root = turn @ rotations[..., 0, :, :]
    rotations = torch.cat([root[..., None, :, :], rotations[..., 1:, :, :]], dim=-3)
    trans = pelvis - _rest_offsets(features)[0]
    return forward_kinematics(rotations, trans)[0], rotations, trans


def _rest_offsets(like: Tensor) -> Tensor:
    return torch.tensor(REST_OFFSETS, dtype=like.dtype, device=like.device)


def _sum_before(x: Tensor, dim: int = -1) -> Tensor:
    """Sum of all earlier entries along `dim`: 0 at the first."""
    return x.cumsum(dim) - x
