# SPDX-License-Identifier: Apache-2.0
"""Facts about the SMPL skeleton that every part of the project shares.

SMPL axes: Y up, +Z the way the character faces, +X to the character's left. Metres.
The rest offsets are the joint locations of SMPL's mean neutral body (betas = 0), with left and
right averaged so that a mirrored motion lands on exactly the mirrored joints.
"""

import numpy as np

JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
PARENTS: tuple[int, ...] = (
    -1,
    0,
    0,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    9,
    9,
    12,
    13,
    14,
    16,
    17,
    18,
    19,
    20,
    21,
)
NUM_JOINTS = 24
NUM_BODY_JOINTS = 22  # the two hand joints stay at identity

_CENTRE = {
    "pelvis": (0.0, -0.2233, 0.0282),
    "spine1": (0.0, 0.1090, -0.0267),
    "spine2": (0.0, 0.1352, 0.0011),
    "spine3": (0.0, 0.0529, 0.0254),
    "neck": (0.0, 0.2139, -0.0429),
    "head": (0.0, 0.0650, 0.0513),
}
_LEFT = {
    "hip": (0.0686, -0.0910, -0.0056),
    "knee": (0.0363, -0.3789, -0.0067),
    "ankle": (-0.0147, -0.3982, -0.0430),
    "foot": (0.0259, -0.0520, 0.1213),
    "collar": (0.0803, 0.1203, -0.0364),
    "shoulder": (0.0935, 0.0316, -0.0090),
    "elbow": (0.2567, -0.0131, -0.0245),
    "wrist": (0.2523, 0.0084, -0.0034),
    "hand": (0.0843, -0.0072, -0.0126),
}


def _rest_offset(name: str) -> tuple[float, float, float]:
    side, _, rest = name.partition("_")
    if side == "left":
        return _LEFT[rest]
    if side == "right":
        x, y, z = _LEFT[rest]
        return (-x, y, z)
    return _CENTRE[name]


REST_OFFSETS: np.ndarray = np.array([_rest_offset(n) for n in JOINT_NAMES], dtype=np.float64)
"""(24, 3) metres: each joint from its parent; row 0 is the pelvis from the model's origin."""
REST_OFFSETS.setflags(write=False)

BODY_PARTS: dict[str, tuple[int, ...]] = {
    "torso": (0, 3, 6, 9, 12, 15),
    "left_arm": (13, 16, 18, 20),
    "right_arm": (14, 17, 19, 21),
    "left_leg": (1, 4, 7, 10),
    "right_leg": (2, 5, 8, 11),
}
"""The five body parts of the tokenizer (HMVLM, section 3.2), over the 22 body joints."""
PART_NAMES: tuple[str, ...] = tuple(BODY_PARTS)

MIRROR_JOINTS: tuple[int, ...] = tuple(
    JOINT_NAMES.index(
        n.replace("left_", "right_") if n.startswith("left_") else n.replace("right_", "left_")
    )
    for n in JOINT_NAMES
)
"""For each joint, the joint on the other side of the body."""

FOOT_JOINTS: tuple[int, ...] = (7, 10, 8, 11)
"""Left ankle, left foot, right ankle, right foot: the four contact points."""


def joint_index(name: str) -> int:
    """Index of a SMPL joint by its name. Raises ValueError for an unknown name."""
    return JOINT_NAMES.index(name)


def rest_joint_positions(num_joints: int = NUM_JOINTS) -> np.ndarray:
    """(J, 3) joint positions of the T-pose in the model's own frame, metres."""
    positions = np.zeros((num_joints, 3))
    for j in range(num_joints):
        parent = PARENTS[j]
        positions[j] = REST_OFFSETS[j] + (positions[parent] if parent >= 0 else 0.0)
    return positions
