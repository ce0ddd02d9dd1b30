# SPDX-License-Identifier: Apache-2.0
"""KIT Motion-Language as HumanML3D's authors publish it: 3,911 motions, 12.5 fps, 21 joints.

Plappert et al., "The KIT Motion-Language Dataset", Big Data 2016. Source of the layout: README.md
of EricGuo5513/HumanML3D (see `text_motion`); the joints' order is that of `kit_kinematic_chain` in
its paramUtil.py: pelvis, two spine joints, lower and upper neck, one arm (shoulder, elbow, wrist),
the other arm, one leg (hip, knee, ankle, mid-foot, toe), the other leg. Lengths are in a unit of
their own, so the scale is taken from the legs.
"""

import numpy as np

from backend.motion.inverse_kinematics import fit_rotation
from blender_addon.shared.rotations import normalize
from blender_addon.shared.skeleton import REST_OFFSETS

from .base import DatasetInfo
from .text_motion import EXPECTED, TextMotionReader

KITML = DatasetInfo(
    name="kitml",
    title="KIT Motion-Language (KIT-ML)",
    url="https://motion-annotation.humanoids.kit.edu/dataset/",
    licence="its page states no licence and asks that Plappert et al. 2016 be cited; the motions "
    "come from mocap databases with their own terms",
    get="take KIT-ML as processed by HumanML3D's authors (linked on "
    "https://github.com/EricGuo5513/HumanML3D), unpack it with its texts.zip, and give the folder "
    "KIT-ML.",
    expected=EXPECTED,
)
_SPINE = {0: 0, 3: 1, 9: 2, 12: 3, 15: 4}  # SMPL joint: KIT joint
_ARM_A, _ARM_B = (5, 6, 7), (8, 9, 10)
_LEG_A, _LEG_B = (11, 12, 13, 15), (16, 17, 18, 20)  # without the mid-foot, 14 and 19
_LEFT_ARM, _RIGHT_ARM = (16, 18, 20), (17, 19, 21)
_LEFT_LEG, _RIGHT_LEG = (1, 4, 7, 10), (2, 5, 8, 11)


class KitML(TextMotionReader):
    """Records of (T, 251) features and (T, 21, 3) joints in KIT-ML's unit, Y up."""

    info = KITML
    num_joints = 21
    feature_dim = 251
    fps = 12.5

    def smpl_joints(self, joints: np.ndarray) -> np.ndarray:
        """(T, 21, 3) -> (T, 22, 3); the spine joint and the collars that KIT lacks are added."""
        out = np.zeros((len(joints), 22, 3))
        for ours, theirs in _SPINE.items():
            out[:, ours] = joints[:, theirs]
        a_is_left = _first_side_is_left(joints)
        sides = (_LEFT_ARM, _RIGHT_ARM, _LEFT_LEG, _RIGHT_LEG)
        theirs = (_ARM_A, _ARM_B, _LEG_A, _LEG_B)
        if not a_is_left:
            theirs = (_ARM_B, _ARM_A, _LEG_B, _LEG_A)
        for ours, from_kit in zip(sides, theirs, strict=True):
            out[:, list(ours)] = joints[:, list(from_kit)]
        share = np.linalg.norm(REST_OFFSETS[6]) / np.linalg.norm(REST_OFFSETS[[6, 9]], axis=1).sum()
        out[:, 6] = out[:, 3] + share * (out[:, 9] - out[:, 3])
        out[:, [13, 14]] = _collars(out)
        return out


def _first_side_is_left(joints: np.ndarray) -> bool:
    """Whether the arm and leg that come first are the left ones, told by where the toes point.

    The published helper files call them left in one place and right in another.
    """
    toes = joints[:, [_LEG_A[3], _LEG_B[3]]] - joints[:, [_LEG_A[2], _LEG_B[2]]]
    across = joints[:, _LEG_A[0]] - joints[:, _LEG_B[0]]
    up = joints[:, _SPINE[12]] - joints[:, 0]
    return float(np.sum(normalize(np.cross(across, up)) * toes.sum(axis=1))) > 0


def _collars(joints: np.ndarray) -> np.ndarray:
    """(T, 22, 3) with chest, neck and shoulders -> (T, 2, 3) collars, set as on SMPL's body."""
    rest = np.stack([REST_OFFSETS[12], *(REST_OFFSETS[c] + REST_OFFSETS[c + 3] for c in (13, 14))])
    seen = joints[:, [12, 16, 17]] - joints[:, [9]]
    turn = fit_rotation(rest, seen)
    size = np.linalg.norm(seen, axis=-1).sum(axis=-1) / np.linalg.norm(rest, axis=-1).sum()
    offsets = np.einsum("tij,kj->tki", turn, REST_OFFSETS[[13, 14]]) * size[:, None, None]
    return joints[:, [9]] + offsets
