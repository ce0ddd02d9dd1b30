# SPDX-License-Identifier: Apache-2.0
"""Rotation modes of posed bones, and IK controls placed where the posed limbs are."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_motion import smooth_motion
from made_up_rigs import blender_heads, family_names, make_rig

from blender_addon.core.mapping import family_named
from blender_addon.core.retarget import retarget_to_rig
from blender_addon.core.rotation_modes import axis_angles, euler_angles
from blender_addon.shared.rotations import (
    axis_angle_to_quaternion,
    axis_rotation,
    make_quaternions_continuous,
    normalize,
    quaternion_to_matrix,
)


@pytest.fixture
def spinning() -> np.ndarray:
    """(200, 4) two and a half turns about a wandering axis."""
    t = np.linspace(0, 5 * np.pi, 200)[:, None]
    axis = normalize(np.concatenate([np.cos(t / 7), 0 * t + 0.4, np.sin(t / 9)], axis=-1))
    return make_quaternions_continuous(axis_angle_to_quaternion(axis * t))


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_euler_angles_turn_first_about_the_first_axis_and_do_not_jump(spinning, order):
    angles = euler_angles(spinning, order)
    first, second, third = (axis_rotation(angles[:, "XYZ".index(a)], a) for a in order)
    assert np.abs(third @ second @ first - quaternion_to_matrix(spinning)).max() < 1e-6
    slow = np.abs(np.diff(angles, axis=0)).sum(axis=-1)
    assert np.percentile(slow, 90) < 0.5
    assert slow.max() < 2 * np.pi  # at a gimbal lock two axes may swap, never by a full turn


def test_axis_angles_keep_to_one_side(spinning):
    values = axis_angles(spinning)
    again = axis_angle_to_quaternion(values[:, 1:] * values[:, :1])
    same = np.abs(quaternion_to_matrix(again) - quaternion_to_matrix(spinning)).max()
    assert same < 1e-6
    assert (np.sum(values[1:, 1:] * values[:-1, 1:], axis=-1) > 0).all()


def test_ik_controls_are_where_hands_and_feet_are():
    family = family_named("Rigify")
    names = family_names(family)
    rig = make_rig(names, seed=3)
    controls = {"hand_ik.L": "left_wrist", "foot_ik.R": "right_ankle", "thigh_ik_target.L": ""}
    at = [rig.index[names[j]] if j else rig.index[names["pelvis"]] for j in controls.values()]
    more = len(controls)
    rig = replace(
        rig,
        names=(*rig.names, *controls),
        parents=(*rig.parents, *[-1] * more),
        carriers=(*rig.carriers, *[-1] * more),
        heads=np.concatenate([rig.heads, rig.heads[at]]),
        tails=np.concatenate([rig.tails, rig.tails[at]]),
        axes=np.concatenate([rig.axes, rig.axes[at]]),
        inherits=(*rig.inherits, *[True] * more),
        free=(*rig.free, *[True] * more),
    )
    motion = smooth_motion(seconds=2)
    plain = retarget_to_rig(rig, names, motion)
    assert not controls.keys() & plain.quaternions.keys()
    channels = retarget_to_rig(rig, names, motion, family="Rigify")
    heads, axes = blender_heads(rig, channels.quaternions, channels.locations)
    for control, joint in list(controls.items())[:2]:
        a, b = rig.index[control], rig.index[names[joint]]
        assert np.abs(heads[:, a] - heads[:, b]).max() < 1e-6
        assert np.abs(axes[:, a] - axes[:, b]).max() < 1e-6
    # the pole stands before the knee, on the side to which the knee bends
    hip, knee, ankle = (heads[:, rig.index[names[f"left_{p}"]]] for p in ("hip", "knee", "ankle"))
    pole = heads[:, rig.index["thigh_ik_target.L"]]
    thigh = np.linalg.norm(knee - hip, axis=-1)
    assert np.linalg.norm(pole - knee, axis=-1) == pytest.approx(thigh)
    way = normalize(ankle - hip)
    assert np.abs(np.sum((pole - knee) * way, axis=-1)).max() < 1e-6
    bend = knee - hip - np.sum((knee - hip) * way, axis=-1, keepdims=True) * way
    clear = np.linalg.norm(bend, axis=-1) > 0.03
    assert clear.any()
    assert (np.sum(normalize(bend) * (pole - knee), axis=-1)[clear] > 0.9 * thigh[clear]).all()
