# SPDX-License-Identifier: Apache-2.0
"""BlazePose's 33 landmarks and where each of them sits on an SMPL body.

Offsets are metres in a joint's local frame at rest (SMPL axes: +X the body's left, Y up, +Z
forward). Sources and assumptions:

- Order and meaning: the BlazePose model card (hand points: thumb's second knuckle, first knuckles
  of index and little finger; foot index: the tip of the big toe).
- Elbows, knees, ankles, wrists: on SMPL's joints.
- Shoulders: on the glenohumeral joint, 1 cm above SMPL's, which is regressed a little low. They
  ride on the collar, so that a shrug moves them and a turn of the arm does not.
- Hips: BlazePose's are about 20 cm apart (annotators click the outer hip), SMPL's 14 cm: 3 cm
  out and 2 cm up from SMPL's, fixed to the pelvis.
- Face: usual adult head sizes (chin to crown 23 cm, pupils 6.3 cm apart, ears 15 cm apart, nose
  12 cm before the ear canals), SMPL's head joint taken as lying between the ears, 5 cm below them.
- Heel and toe: foot of 26 cm, sole 6 cm under SMPL's ankle.

None of this was measured on a body mesh, so `sample_bodies` moves every offset by a centimetre or
so along with the bones: what learns from it must not rely on the exact place.
"""

from dataclasses import dataclass

import numpy as np

from blender_addon.shared.skeleton import (
    JOINT_NAMES,
    NUM_JOINTS,
    PARENTS,
    REST_OFFSETS,
    joint_index,
)

LANDMARK_NAMES: tuple[str, ...] = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
)
NUM_LANDMARKS = 33
BODY_LANDMARKS: tuple[int, ...] = (0, *range(11, 17), *range(23, 29))
"""Nose, shoulders, elbows, wrists, hips, knees, ankles: the points that make a pose."""
LEFT_HIP, RIGHT_HIP, LEFT_SHOULDER, RIGHT_SHOULDER = 23, 24, 11, 12

# landmark without its side -> (joint, offset in metres) on the left; the right is mirrored
_PLACES: dict[str, tuple[str, tuple[float, float, float]]] = {
    "nose": ("head", (0.0, 0.040, 0.120)),
    "eye_inner": ("head", (0.016, 0.078, 0.095)),
    "eye": ("head", (0.032, 0.078, 0.090)),
    "eye_outer": ("head", (0.046, 0.078, 0.080)),
    "ear": ("head", (0.075, 0.055, 0.0)),
    "mouth": ("head", (0.025, 0.0, 0.100)),
    "shoulder": ("collar", (0.0935, 0.0416, -0.0090)),
    "elbow": ("elbow", (0.0, 0.0, 0.0)),
    "wrist": ("wrist", (0.0, 0.0, 0.0)),
    "pinky": ("wrist", (0.085, -0.010, -0.045)),
    "index": ("wrist", (0.095, -0.005, 0.020)),
    "thumb": ("wrist", (0.065, -0.020, 0.050)),
    "hip": ("pelvis", (0.0986, -0.0710, -0.0056)),
    "knee": ("knee", (0.0, 0.0, 0.0)),
    "ankle": ("ankle", (0.0, 0.0, 0.0)),
    "heel": ("ankle", (0.005, -0.055, -0.045)),
    "foot_index": ("foot", (-0.015, -0.010, 0.075)),
}
_CENTRED_JOINTS = ("head", "pelvis")


def _place(name: str) -> tuple[int, tuple[float, float, float]]:
    side = "left" if "left" in name else "right" if "right" in name else ""
    joint, (x, y, z) = _PLACES["_".join(w for w in name.split("_") if w not in ("left", "right"))]
    joint = joint if joint in _CENTRED_JOINTS else f"{side}_{joint}"
    return joint_index(joint), (-x if side == "right" else x, y, z)


LANDMARK_JOINTS: tuple[int, ...] = tuple(_place(n)[0] for n in LANDMARK_NAMES)
"""The joint in whose frame each landmark rests."""
LANDMARK_OFFSETS: np.ndarray = np.array([_place(n)[1] for n in LANDMARK_NAMES])
"""(33, 3) metres from that joint, in its frame, on the mean body."""
LANDMARK_OFFSETS.setflags(write=False)
MIRROR_LANDMARKS: tuple[int, ...] = tuple(
    LANDMARK_NAMES.index(n.replace("left", "right") if "left" in n else n.replace("right", "left"))
    for n in LANDMARK_NAMES
)
"""For each landmark, the one on the other side of the body."""

BONE_GROUPS: tuple[str, ...] = ("spine", "head", "shoulders", "hips", "arms", "legs", "feet")
_GROUP_OF_JOINT = {
    "pelvis": "spine",
    "hip": "hips",
    "spine1": "spine",
    "spine2": "spine",
    "spine3": "spine",
    "neck": "spine",
    "head": "head",
    "collar": "shoulders",
    "shoulder": "shoulders",
    "elbow": "arms",
    "wrist": "arms",
    "hand": "arms",
    "knee": "legs",
    "ankle": "legs",
    "foot": "feet",
}
JOINT_GROUPS: tuple[int, ...] = tuple(
    BONE_GROUPS.index(_GROUP_OF_JOINT[n.removeprefix("left_").removeprefix("right_")])
    for n in JOINT_NAMES
)
"""For each joint, the group that scales the bone that leads to it."""
LANDMARK_GROUPS: tuple[int, ...] = tuple(
    BONE_GROUPS.index(
        "head"
        if n in LANDMARK_NAMES[:11]
        else {"shoulder": "shoulders", "hip": "hips", "heel": "feet", "foot_index": "feet"}.get(
            n.split("_", 1)[-1], "arms"
        )
    )
    for n in LANDMARK_NAMES
)
"""For each landmark, the group that scales its offset."""


@dataclass(frozen=True)
class Bodies:
    """N bodies. rest_offsets: (N, 24, 3), landmark_offsets: (N, 33, 3), both metres."""

    rest_offsets: np.ndarray
    landmark_offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.rest_offsets)


@dataclass(frozen=True)
class BodyVariation:
    """Standard deviations of `sample_bodies`.

    height: log scale of the whole body (0.06: an adult man's and woman's mean differ by 0.08).
    groups: log scale of each of BONE_GROUPS on top. landmark: metres, of each landmark's place,
    the same on both sides. asymmetry: log scale, between the sides of the body.
    """

    height: float = 0.055
    groups: tuple[float, ...] = (0.04, 0.06, 0.09, 0.09, 0.045, 0.045, 0.06)
    landmark: float = 0.010
    asymmetry: float = 0.01


def mean_bodies(count: int) -> Bodies:
    """`count` times SMPL's mean body."""
    return Bodies(
        np.broadcast_to(REST_OFFSETS, (count, NUM_JOINTS, 3)),
        np.broadcast_to(LANDMARK_OFFSETS, (count, NUM_LANDMARKS, 3)),
    )


def sample_bodies(
    rng: np.random.Generator, count: int, variation: BodyVariation | None = None
) -> Bodies:
    """`count` bodies of different size and proportions, alike on both sides but for a little."""
    v = variation or BodyVariation()
    height = rng.normal(0.0, v.height, (count, 1))
    groups = np.exp(height + rng.normal(0.0, 1.0, (count, len(BONE_GROUPS))) * v.groups)
    uneven = np.exp(rng.normal(0.0, v.asymmetry, (count, NUM_JOINTS)))
    rest = REST_OFFSETS * (groups[:, JOINT_GROUPS] * uneven)[..., None]
    moved = rng.normal(0.0, v.landmark, (count, NUM_LANDMARKS, 3))
    # one draw for both sides, mirrored; the nose stays in the middle
    left = np.minimum(np.arange(NUM_LANDMARKS), np.array(MIRROR_LANDMARKS))
    moved = moved[:, left] * np.where(np.sign(LANDMARK_OFFSETS[:, :1]) < 0, [-1.0, 1, 1], 1.0)
    moved[:, 0, 0] = 0.0
    landmarks = LANDMARK_OFFSETS * groups[:, LANDMARK_GROUPS][..., None] + moved
    return Bodies(rest, landmarks)


def pose_bodies(local_rotations: np.ndarray, bodies: Bodies) -> tuple[np.ndarray, np.ndarray]:
    """(N, 22, 3, 3) local rotations -> world rotations (N, 24, 3, 3), positions (N, 24, 3) metres.

    The pelvis stands at the origin. The hands keep the wrists' rotation.
    """
    rotations = [local_rotations[:, 0]]
    positions = [np.zeros((len(local_rotations), 3))]
    for j in range(1, NUM_JOINTS):
        turn = rotations[PARENTS[j]]
        step = (turn @ bodies.rest_offsets[:, j, :, None])[..., 0]
        positions.append(positions[PARENTS[j]] + step)
        rotations.append(turn @ local_rotations[:, j] if j < local_rotations.shape[1] else turn)
    return np.stack(rotations, axis=1), np.stack(positions, axis=1)


def place_landmarks(
    world_rotations: np.ndarray, positions: np.ndarray, offsets: np.ndarray | None = None
) -> np.ndarray:
    """World rotations (..., 24, 3, 3) and positions (..., 24, 3) -> landmarks (..., 33, 3), metres.

    offsets: (..., 33, 3) each body's landmark offsets; the mean body's when not given.
    """
    joints = list(LANDMARK_JOINTS)
    local = LANDMARK_OFFSETS if offsets is None else offsets
    moved = (world_rotations[..., joints, :, :] @ local[..., None])[..., 0]
    return positions[..., joints, :] + moved
