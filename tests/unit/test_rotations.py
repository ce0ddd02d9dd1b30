# SPDX-License-Identifier: Apache-2.0
"""Properties of the rotation maths, against scipy, and its torch twin."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from backend.motion import kinematics as twin
from blender_addon.shared import rotations as rot
from blender_addon.shared.motion import forward_kinematics

ORDERS = ["".join(p) for p in itertools.permutations("XYZ")]
TWIN_TOLERANCE = 1e-6


def for_all(*given_args: Any, **given_kwargs: Any) -> Callable[[Callable], Callable]:
    """`given` with this file's settings: the machine may be slow, so no deadline."""
    return lambda test: settings(deadline=None, max_examples=40)(
        given(*given_args, **given_kwargs)(test)
    )


def arrays(size: int, bound: float) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(
        np.float64, (4, size), elements=st.floats(-bound, bound, allow_subnormal=False)
    )


axis_angles = arrays(3, 6.0)
directions = arrays(3, 1.0).filter(lambda v: bool((np.linalg.norm(v, axis=-1) > 1e-3).all()))
quaternions = (
    arrays(4, 1.0)
    .filter(lambda q: bool((np.linalg.norm(q, axis=-1) > 1e-3).all()))
    .map(rot.normalize)
)


def xyzw(q: np.ndarray) -> np.ndarray:
    """Our (w, x, y, z) in scipy's order."""
    return np.roll(q, -1, axis=-1)


def assert_rotations(matrix: np.ndarray) -> None:
    eye = np.broadcast_to(np.eye(3), matrix.shape)
    np.testing.assert_allclose(matrix @ np.swapaxes(matrix, -1, -2), eye, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrix), 1.0, atol=1e-12)


@for_all(axis_angles)
def test_axis_angle_against_scipy(v: np.ndarray) -> None:
    reference = Rotation.from_rotvec(v)
    q = rot.axis_angle_to_quaternion(v)
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0, atol=1e-12)
    np.testing.assert_allclose(rot.quaternion_to_matrix(q), reference.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(rot.axis_angle_to_matrix(v), reference.as_matrix(), atol=1e-12)
    assert_rotations(rot.axis_angle_to_matrix(v))


@for_all(axis_angles)
def test_axis_angle_round_trip_is_the_same_rotation(v: np.ndarray) -> None:
    matrix = rot.axis_angle_to_matrix(v)
    back = rot.matrix_to_axis_angle(matrix)
    assert (np.linalg.norm(back, axis=-1) <= np.pi + 1e-12).all()
    np.testing.assert_allclose(rot.axis_angle_to_matrix(back), matrix, atol=1e-12)


@for_all(arrays(3, 1.7))  # shorter than pi: the vector itself comes back
def test_short_axis_angles_come_back_exactly(v: np.ndarray) -> None:
    np.testing.assert_allclose(
        rot.quaternion_to_axis_angle(rot.axis_angle_to_quaternion(v)), v, atol=1e-12
    )


@for_all(quaternions)
def test_quaternion_round_trip(q: np.ndarray) -> None:
    back = rot.matrix_to_quaternion(rot.quaternion_to_matrix(q))
    assert (back[..., 0] >= 0).all()
    np.testing.assert_allclose(np.abs(np.sum(back * q, axis=-1)), 1.0, atol=1e-12)
    np.testing.assert_allclose(
        rot.quaternion_to_matrix(back), Rotation.from_quat(xyzw(q)).as_matrix(), atol=1e-12
    )


@pytest.mark.parametrize("axis", range(3))
def test_half_turns(axis: int) -> None:
    """A turn by pi has w = 0, where reading a quaternion off the trace fails."""
    v = np.eye(3)[axis] * np.pi
    matrix = rot.axis_angle_to_matrix(v)
    np.testing.assert_allclose(np.abs(rot.matrix_to_axis_angle(matrix)), np.abs(v), atol=1e-7)


@for_all(axis_angles)
def test_rotation_6d_round_trip(v: np.ndarray) -> None:
    matrix = rot.axis_angle_to_matrix(v)
    six = rot.matrix_to_rotation_6d(matrix)
    np.testing.assert_array_equal(six[..., :3], matrix[..., :, 0])
    np.testing.assert_array_equal(six[..., 3:], matrix[..., :, 1])
    np.testing.assert_allclose(rot.rotation_6d_to_matrix(six), matrix, atol=1e-12)
    np.testing.assert_allclose(rot.rotation_6d_to_matrix(six * 3.7), matrix, atol=1e-12)


@for_all(arrays(6, 2.0))
def test_any_independent_six_numbers_make_a_rotation(six: np.ndarray) -> None:
    x, y = rot.normalize(six[..., :3]), rot.normalize(six[..., 3:])
    independent = np.linalg.norm(np.cross(x, y), axis=-1) > 1e-3
    assert_rotations(rot.rotation_6d_to_matrix(six[independent]))


@for_all(axis_angles, axis_angles)
def test_composition(a: np.ndarray, b: np.ndarray) -> None:
    product = rot.axis_angle_to_matrix(a) @ rot.axis_angle_to_matrix(b)
    reference = (Rotation.from_rotvec(a) * Rotation.from_rotvec(b)).as_matrix()
    np.testing.assert_allclose(product, reference, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@for_all(angles=arrays(3, 400.0))
def test_euler_orders(order: str, angles: np.ndarray) -> None:
    matrix = rot.euler_to_matrix(angles, order)
    # scipy's capital letters are turns about the moving axes, as BVH channels are
    reference = Rotation.from_euler(order, angles, degrees=True).as_matrix()
    np.testing.assert_allclose(matrix, reference, atol=1e-11)
    back = rot.matrix_to_euler(matrix, order)
    assert (np.abs(back[..., 1]) <= 90 + 1e-9).all()
    np.testing.assert_allclose(rot.euler_to_matrix(back, order), matrix, atol=1e-6)
    clear = np.abs(np.abs(back[..., 1]) - 90) > 0.01
    np.testing.assert_allclose(rot.euler_to_matrix(back[clear], order), matrix[clear], atol=1e-11)


@for_all(arrays(2, 400.0), st.sampled_from(["XY", "ZX", "YZ"]))
def test_euler_with_fewer_axes(angles: np.ndarray, order: str) -> None:
    reference = Rotation.from_euler(order, angles, degrees=True).as_matrix()
    np.testing.assert_allclose(rot.euler_to_matrix(angles, order), reference, atol=1e-11)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("middle", [90.0, -90.0, 90 - 1e-5, -90 + 1e-6, 89.999])
def test_euler_near_gimbal_lock(order: str, middle: float) -> None:
    matrix = rot.euler_to_matrix(np.array([37.0, middle, -81.0]), order)
    back = rot.matrix_to_euler(matrix, order)
    np.testing.assert_allclose(rot.euler_to_matrix(back, order), matrix, atol=2e-7)


@for_all(directions, directions)
def test_rotation_between(a: np.ndarray, b: np.ndarray) -> None:
    matrix = rot.rotation_between(a, b)
    assert_rotations(matrix)
    a, b = rot.normalize(a), rot.normalize(b)
    np.testing.assert_allclose((matrix @ a[..., None])[..., 0], b, atol=3e-7)
    # the smallest one: it turns by the angle between them and no further
    angle = np.linalg.norm(rot.matrix_to_axis_angle(matrix), axis=-1)
    between = 2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))
    np.testing.assert_allclose(angle, between, atol=1e-6)


@for_all(directions, st.sampled_from([0.0, 1e-15, 1e-9, 1e-7, 1e-5, 1e-4, 1e-3]))
def test_rotation_between_opposite_directions(a: np.ndarray, off: float) -> None:
    a = rot.normalize(a)
    b = rot.normalize(-a + off * np.roll(a, 1, axis=-1))
    matrix = rot.rotation_between(a, b)
    assert_rotations(matrix)
    np.testing.assert_allclose((matrix @ a[..., None])[..., 0], b, atol=1e-6)


@for_all(axis_angles, st.sampled_from("XYZ"))
def test_axis_rotation(v: np.ndarray, axis: str) -> None:
    reference = Rotation.from_euler(axis, v.reshape(-1, 1)).as_matrix().reshape(4, 3, 3, 3)
    np.testing.assert_allclose(rot.axis_rotation(v, axis), reference, atol=1e-12)


def test_positive_yaw_turns_left() -> None:
    """Facing +Z with +X on the left, a positive turn about Y looks to the left."""
    turned = rot.axis_rotation(np.array(np.pi / 2), "Y") @ np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(turned, [1.0, 0.0, 0.0], atol=1e-12)


@for_all(hnp.arrays(np.float64, (9, 2, 3), elements=st.floats(-4, 4, allow_subnormal=False)))
def test_make_quaternions_continuous(v: np.ndarray) -> None:
    q = rot.axis_angle_to_quaternion(v)
    out = rot.make_quaternions_continuous(q)
    assert (np.sum(out[1:] * out[:-1], axis=-1) >= -1e-12).all()
    np.testing.assert_array_equal(out[0], q[0])
    np.testing.assert_array_equal(np.abs(out), np.abs(q))
    np.testing.assert_allclose(
        rot.quaternion_to_matrix(out), rot.quaternion_to_matrix(q), atol=1e-12
    )


def test_make_quaternions_continuous_takes_one_frame() -> None:
    one = np.array([[-1.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(rot.make_quaternions_continuous(one), one)


@for_all(quaternions, quaternions, st.floats(0, 1))
def test_slerp(a: np.ndarray, b: np.ndarray, t: float) -> None:
    at = np.full(len(a), t)
    out = rot.slerp(a, b, at)
    np.testing.assert_allclose(np.linalg.norm(out, axis=-1), 1.0, atol=1e-12)
    same = rot.quaternion_to_matrix
    np.testing.assert_allclose(same(rot.slerp(a, b, at * 0)), same(a), atol=1e-9)
    np.testing.assert_allclose(same(rot.slerp(a, b, at * 0 + 1)), same(b), atol=1e-9)
    # t of the whole angle, the shorter way
    start, end = Rotation.from_quat(xyzw(a)), Rotation.from_quat(xyzw(b))
    whole = (start.inv() * end).magnitude()
    part = (start.inv() * Rotation.from_quat(xyzw(out))).magnitude()
    np.testing.assert_allclose(part, t * whole, atol=1e-6)


def _check_twin(name: str, *values: object) -> None:
    expected = getattr(rot, name)(*values)
    tensors = [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in values]
    got = getattr(twin, name)(*tensors)
    assert got.dtype == torch.float64
    np.testing.assert_allclose(got.numpy(), expected, atol=TWIN_TOLERANCE, err_msg=name)


@for_all(axis_angles, quaternions, quaternions, directions, directions)
def test_torch_twin_agrees(
    v: np.ndarray, p: np.ndarray, q: np.ndarray, a: np.ndarray, b: np.ndarray
) -> None:
    matrix = rot.axis_angle_to_matrix(v)
    _check_twin("normalize", v)
    _check_twin("axis_angle_to_quaternion", v)
    _check_twin("axis_angle_to_matrix", v)
    _check_twin("quaternion_to_axis_angle", q)
    _check_twin("quaternion_to_matrix", q)
    _check_twin("matrix_to_quaternion", matrix)
    _check_twin("matrix_to_axis_angle", matrix)
    _check_twin("matrix_to_rotation_6d", matrix)
    _check_twin("rotation_6d_to_matrix", rot.matrix_to_rotation_6d(matrix))
    _check_twin("rotation_between", a, b)
    _check_twin("rotation_between", a, -a)
    _check_twin("make_quaternions_continuous", q)
    _check_twin("slerp", p, q, np.linspace(0, 1, len(p)))
    for order in ORDERS:
        _check_twin("euler_to_matrix", v * 57, order)
        _check_twin("matrix_to_euler", matrix, order)
    for axis in "XYZ":
        _check_twin("axis_rotation", v, axis)


@for_all(hnp.arrays(np.float64, (3, 22, 3), elements=st.floats(-4, 4)), arrays(3, 5.0))
def test_torch_forward_kinematics_agrees(poses: np.ndarray, trans: np.ndarray) -> None:
    local = rot.axis_angle_to_matrix(poses)
    expected = forward_kinematics(local, trans[:3])
    got = twin.forward_kinematics(torch.from_numpy(local), torch.from_numpy(trans[:3]))
    for e, g in zip(expected, got, strict=True):
        np.testing.assert_allclose(g.numpy(), e, atol=TWIN_TOLERANCE)


@pytest.mark.parametrize(
    "name", ["axis_angle_to_quaternion", "axis_angle_to_matrix", "rotation_6d_to_matrix", "slerp"]
)
def test_gradients_stay_finite_at_the_identity(name: str) -> None:
    if name == "slerp":
        inputs = [torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[1.0, 0, 0, 0]])]
    elif name == "rotation_6d_to_matrix":
        inputs = [torch.tensor([[1.0, 0, 0, 0, 1, 0]])]
    else:
        inputs = [torch.zeros(1, 3)]
    leaves = [v.double().requires_grad_() for v in inputs]
    extra = [torch.tensor([0.3], dtype=torch.float64)] if name == "slerp" else []
    getattr(twin, name)(*leaves, *extra).sum().backward()
    assert all(v.grad is not None and v.grad.isfinite().all() for v in leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_between_equal_quaternions_there_is_the_same_one(dtype: torch.dtype) -> None:
    half_turn = torch.tensor([[0.0, 1.0, 0.0, 0.0]], dtype=dtype)
    for other in (half_turn, -half_turn):
        between = twin.slerp(half_turn, other, torch.tensor(0.5, dtype=dtype))
        torch.testing.assert_close(between, half_turn)
