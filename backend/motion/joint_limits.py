# SPDX-License-Identifier: Apache-2.0
"""How far each SMPL joint of a human turns, and how to hold a pose to it.

A joint's local rotation is split into a twist about its bone (X for arms, Y for torso and legs)
followed by a swing, written as a rotation vector square to the bone. So each joint has three
angles, x, y and z, one of them the twist, and each angle has a range.

Source of the ranges: the goniometric norms of the American Academy of Orthopaedic Surgeons (1965;
Norkin & White, Measurement of Joint Motion): hip flexion 120, extension 30, abduction 45,
adduction 30, rotation 45 each way; knee 135-150; ankle 20 up, 50 down, 35 and 15-20 sideways;
thoracolumbar spine 80 forward, 25 back, 35 sideways, 45 rotation; neck 45, 45, 45, 60; shoulder
180 forward and sideways, 60 back, rotation 70-90; elbow 150; forearm 80 each way; wrist 80, 70,
20, 30; toes 70 up. Three things widen them here: athletes (deep squats, splits and kicks reach
140 at the hip), SMPL's rest pose, which is not the norms' zero (feet point a little down and out,
arms are spread), and swing-twist angles, in which one anatomical movement shows on two axes. The
spine's range is shared by three joints and the neck's by two; each may take more than its share,
and no bound is put on the sum. The ranges hold more than 99 % of real capture.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from blender_addon.shared.skeleton import JOINT_NAMES, NUM_BODY_JOINTS

from .kinematics import (
    axis_angle_to_matrix,
    matrix_to_quaternion,
    normalize,
    quaternion_to_axis_angle,
)

# joint without its side -> degrees (x, y, z); on the left: hip -x flexes, +y turns out, +z spreads;
# knee +x flexes; ankle +x points the toes; shoulder -y goes forward, +z up; elbow -y flexes
_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "hip": ((-140, 35), (-50, 65), (-40, 75)),
    "spine1": ((-30, 65), (-30, 30), (-30, 30)),
    "knee": ((-12, 155), (-25, 25), (-15, 15)),
    "spine2": ((-25, 65), (-30, 30), (-35, 35)),
    "ankle": ((-55, 80), (-50, 45), (-45, 40)),
    "spine3": ((-30, 45), (-30, 30), (-30, 30)),
    "foot": ((-70, 40), (-20, 20), (-20, 20)),
    "neck": ((-50, 50), (-65, 65), (-40, 40)),
    "collar": ((-20, 20), (-35, 40), (-30, 45)),
    "head": ((-65, 65), (-55, 55), (-45, 45)),
    "shoulder": ((-125, 110), (-130, 85), (-100, 95)),
    "elbow": ((-95, 95), (-152, 20), (-75, 75)),
    "wrist": ((-90, 85), (-55, 55), (-80, 80)),
}
_ARM = ("collar", "shoulder", "elbow", "wrist")


def _bare(name: str) -> tuple[str, str]:
    side, _, rest = name.partition("_")
    return (side, rest) if side in ("left", "right") else ("", name)


TWIST_AXES: tuple[int, ...] = tuple(0 if _bare(n)[1] in _ARM else 1 for n in JOINT_NAMES[:22])
"""For each body joint the local axis along its bone: 0 is X, 1 is Y."""


@lru_cache(maxsize=8)
def limit_ranges(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Lowest and highest angle (22, 3), radians, as in `joint_angles`; the root has none."""
    low, high = [(-math.inf,) * 3], [(math.inf,) * 3]
    for name in JOINT_NAMES[1:NUM_BODY_JOINTS]:
        side, joint = _bare(name)
        x, y, z = _RANGES[joint]
        if side == "right":  # a mirror image keeps turns about X and reverses the other two
            y, z = (-y[1], -y[0]), (-z[1], -z[0])
        low.append(tuple(math.radians(a[0]) for a in (x, y, z)))
        high.append(tuple(math.radians(a[1]) for a in (x, y, z)))
    return torch.tensor(low, dtype=dtype), torch.tensor(high, dtype=dtype)


@lru_cache(maxsize=8)
def _twist_mask(dtype: torch.dtype) -> Tensor:
    """(22, 3) of 1 at the twist axis."""
    return torch.eye(3, dtype=dtype)[list(TWIST_AXES)]


def joint_angles(rotations: Tensor) -> Tensor:
    """(..., 22, 3, 3) local rotations -> (..., 22, 3) twist and swing, radians, on x, y, z."""
    mask = _twist_mask(rotations.dtype)
    q = matrix_to_quaternion(rotations)
    twist = normalize(torch.cat([q[..., :1], q[..., 1:] * mask], dim=-1))
    # swing = q * conj(twist)
    w, v, tw, tv = q[..., :1], q[..., 1:], twist[..., :1], twist[..., 1:]
    swing_w = w * tw + (v * tv).sum(dim=-1, keepdim=True)
    swing_v = tw * v - w * tv - torch.linalg.cross(v, tv)
    swing = quaternion_to_axis_angle(torch.cat([swing_w, swing_v], dim=-1))
    return torch.where(mask.bool(), quaternion_to_axis_angle(twist), swing)


def rotations_from_angles(angles: Tensor) -> Tensor:
    """The inverse of `joint_angles`: (..., 22, 3) radians -> (..., 22, 3, 3)."""
    mask = _twist_mask(angles.dtype)
    return axis_angle_to_matrix(angles * (1 - mask)) @ axis_angle_to_matrix(angles * mask)


def limit_violation(rotations: Tensor) -> Tensor:
    """(..., 22, 3, 3) local rotations -> (..., 22, 3) radians beyond the range, 0 inside it.

    Positive above the highest angle, negative below the lowest. The root never violates.
    """
    low, high = limit_ranges(rotations.dtype)
    angles = joint_angles(rotations)
    beyond = angles - angles.clamp(low, high)
    return torch.where(torch.isfinite(low), beyond, torch.zeros_like(beyond))


def clamp(rotations: Tensor) -> Tensor:
    """(..., 22, 3, 3) local rotations -> the same with every angle held within its range.

    Joints within their ranges come back as they are, and so does the root.
    """
    low, high = limit_ranges(rotations.dtype)
    angles = joint_angles(rotations)
    held = angles.clamp(low, high)
    outside = ((held - angles).abs() > 1e-6).any(dim=-1) & torch.isfinite(low[:, 0])
    return torch.where(outside[..., None, None], rotations_from_angles(held), rotations)
