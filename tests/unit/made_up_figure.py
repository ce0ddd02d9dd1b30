# SPDX-License-Identifier: Apache-2.0
"""A figure of little squares, one at each joint, and its base mesh: for tests of posing."""

import numpy as np

from blender_addon.shared.rotations import axis_rotation
from blender_addon.shared.skeleton import (
    NUM_BODY_JOINTS,
    PARENTS,
    joint_index,
    rest_joint_positions,
)
from training.figure.people import MATERIALS, Figure

_SQUARE = 0.02 * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])


def lowered_arms() -> np.ndarray:
    """(24, 3) SMPL's joints at rest with both arms 40 degrees down and the elbows bent a little."""
    joints = rest_joint_positions()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for joint, turn in (
            ("shoulder", axis_rotation(np.array(-sign * np.radians(40)), "Z")),
            ("elbow", axis_rotation(np.array(-sign * np.radians(20)), "Y")),
        ):
            pivot = joint_index(f"{side}_{joint}")
            for j in _below(pivot):
                joints[j] = joints[pivot] + turn @ (joints[j] - joints[pivot])
    return joints


def made_up_figure() -> Figure:
    """Squares at the 22 joints, each carried by its own, and a nose before the head."""
    joints = lowered_arms()
    vertices = (joints[:NUM_BODY_JOINTS, None] + _SQUARE).reshape(-1, 3)
    weights = np.repeat(np.eye(NUM_BODY_JOINTS), 4, axis=0)
    head = joint_index("head")
    return Figure(
        vertices=np.concatenate([vertices, joints[[head]] + [0.0, 0.04, 0.12]]),
        faces=np.arange(4 * NUM_BODY_JOINTS, dtype=np.int32).reshape(-1, 4),
        materials=np.zeros(NUM_BODY_JOINTS, dtype=np.int32),
        colours=np.full((len(MATERIALS), 3), 0.5),
        weights=np.concatenate([weights, np.eye(NUM_BODY_JOINTS)[[head]]]),
        joints=joints,
        nose=4 * NUM_BODY_JOINTS,
    )


def _below(joint: int) -> list[int]:
    found = {joint}
    for j, parent in enumerate(PARENTS):
        if parent in found:
            found.add(j)
    return sorted(found - {joint})
