# SPDX-License-Identifier: Apache-2.0
"""Which people are photographed, in which poses, from where: plans of pictures with their truth.

Kinds of pose, headings and heights of the camera run through in turns, so that 120 pictures hold
each combination once and fewer of them hold all alike. Lying people are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.vision.skeleton33 import BODY_LANDMARKS, LANDMARK_NAMES
from blender_addon.shared.rotations import axis_angle_to_matrix, axis_rotation
from blender_addon.shared.skeleton import joint_index
from training.data.pose_kinds import STANCES, Stance
from training.data.pose_widening import PoseBank, WideningSettings, interpenetrates, take_kinds
from training.data.simulated_cameras import Cameras, camera_turns

from .people import Figure
from .rendering import SIZE
from .skinning import pose_joints, skin

HEADINGS = (
    "front",
    "front left",
    "left",
    "back left",
    "back",
    "back right",
    "right",
    "front right",
)
"""Where the camera stands about the person, in turns of 45 degrees towards the person's left."""
HEIGHTS = (("low", -8.0), ("level", 8.0), ("high", 35.0))
"""Names and degrees: positive looks down on the person."""
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("mocap", ()),
    ("sitting", ("chair", "floor")),
    ("kneeling", ("kneeling", "on the heels", "on one knee", "squat", "lunge")),
    ("bending", ("stoop",)),
    ("reaching", ("reaching",)),
)
"""Kinds of pose, and how the names of their stances begin; none is mocap as it is."""
_VIEW = (22.0, 55.0)  # degrees of the field of view
_FILL = (0.6, 0.88)  # share of the picture that the person takes
_LOWEST = 0.12  # metres of the camera over the ground
_TRIES = 40


@dataclass(frozen=True)
class Shot:
    """One picture to be taken, and its truth.

    vertices: (V, 3) metres in the world, Y up, standing on the ground, the pelvis over the origin.
    pose: (22, 3, 3) local SMPL rotations, the root upright in the world. camera: (3, 3) world to
    camera axes of a camera that looks straight at the pelvis. rotations: `pose`, the root's in
    these axes; landmarks: (13, 3) metres in these axes, of BODY_LANDMARKS, the middle of the hips
    at the origin; in_image: (13, 2) pixels. joints_in_image: (22, 2) pixels. placed: (4, 4) the
    picture's camera in the world (x right, y up, -z ahead). focal: half pictures. backdrop: (2, 3)
    linear RGB of ground and sky.
    """

    person: int
    kind: str
    heading: str
    height: str
    vertices: np.ndarray
    pose: np.ndarray
    camera: np.ndarray
    rotations: np.ndarray
    landmarks: np.ndarray
    in_image: np.ndarray
    joints_in_image: np.ndarray
    placed: np.ndarray
    focal: float
    backdrop: np.ndarray


def plan_shots(figures: Sequence[Figure], bank: PoseBank, count: int, seed: int = 0) -> list[Shot]:
    """`count` pictures; the first ones of a longer plan are those of a shorter one."""
    return [_shot(figures, bank, i, np.random.default_rng([seed, i])) for i in range(count)]


def _shot(figures: Sequence[Figure], bank: PoseBank, number: int, rng: np.random.Generator) -> Shot:
    kind, stances = KINDS[number % len(KINDS)]
    side = number % len(HEADINGS)
    level = number // len(HEADINGS) % len(HEIGHTS)
    person = int(rng.integers(len(figures)))
    pose = draw_pose(bank, stances, rng)
    vertices, joints = pose_figure(figures[person], pose)
    view = np.radians(np.exp(rng.uniform(*np.log(_VIEW))))
    azimuth = heading_of(pose[0]) + np.radians(45 * side + rng.uniform(-15, 15))
    height = np.radians(HEIGHTS[level][1] + rng.uniform(-5, 5))
    cameras = frame_person(vertices, joints[0], azimuth, height, view, rng.uniform(*_FILL))
    camera = cameras.turn[0]
    points = body_landmarks(figures[person], vertices, joints)
    return Shot(
        person=person,
        kind=kind,
        heading=HEADINGS[side],
        height=HEIGHTS[level][0],
        vertices=vertices,
        pose=pose,
        camera=camera,
        rotations=np.concatenate([(camera @ pose[0])[None], pose[1:]]),
        landmarks=about_the_hips(points) @ camera.T,
        in_image=to_pixels(cameras, points - joints[0]),
        joints_in_image=to_pixels(cameras, joints[:22] - joints[0]),
        placed=camera_in_world(cameras, joints[0]),
        focal=float(cameras.focal[0]),
        backdrop=_backdrop(rng),
    )


def draw_pose(bank: PoseBank, stances: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """(22, 3, 3) local rotations of a mocap frame, or of a stance whose name begins like one of
    `stances`; no limb inside another."""
    if not stances:
        return axis_angle_to_matrix(bank.draw(rng, 1))[0]
    chosen: tuple[Stance, ...] = tuple(s for s in STANCES if s.name.startswith(stances))
    made = take_kinds(bank, rng, _TRIES, WideningSettings(), chosen)
    return made[int(np.argmin(interpenetrates(made)))]


def pose_figure(figure: Figure, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(22, 3, 3) -> vertices (V, 3), joints (24, 3) metres, the lowest vertex on the ground and
    the pelvis over the origin."""
    turns, joints = pose_joints(pose, figure.joints)
    vertices = skin(figure.vertices, figure.weights, figure.joints, turns, joints)
    up = np.array([0.0, -vertices[:, 1].min(), 0.0])
    return vertices + up, joints + up


def body_landmarks(figure: Figure, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Posed vertices and joints -> (13, 3) BODY_LANDMARKS: the nose's tip and the joints."""
    names = [LANDMARK_NAMES[i] for i in BODY_LANDMARKS]
    rows = [joint_index(name) if name != "nose" else -1 for name in names]
    return np.stack([vertices[figure.nose] if row < 0 else joints[row] for row in rows])


def about_the_hips(points: np.ndarray) -> np.ndarray:
    """(13, 3) BODY_LANDMARKS, moved so that the middle of the hips is at the origin."""
    hips = [i for i, n in enumerate(BODY_LANDMARKS) if LANDMARK_NAMES[n].endswith("hip")]
    return points - points[hips].mean(axis=0)


def heading_of(root: np.ndarray) -> float:
    """Radians about Y from +Z that a pelvis (3, 3) faces, however far it leans."""
    left = root[:, 0]
    return float(np.arctan2(-left[2], left[0]))


def frame_person(
    vertices: np.ndarray,
    pelvis: np.ndarray,
    azimuth: float,
    elevation: float,
    view: float,
    fill: float,
) -> Cameras:
    """One camera, on the ground or above it, whose picture the vertices (V, 3) fill by `fill`.

    pelvis: (3,) in the world; angles in radians.
    """
    focal = 1 / np.tan(view / 2)
    distance = 3.0
    for _ in range(12):
        lowest = np.arcsin(np.clip((_LOWEST - pelvis[1]) / distance, -1, 1))
        turn = camera_turns(*(np.array([x]) for x in (azimuth, max(elevation, lowest), 0.0)))
        seen = (vertices - pelvis) @ turn[0].T + [0.0, 0.0, distance]
        aim = _aim_at_middle(seen)
        seen = seen @ aim.T
        extent = focal * np.abs(seen[:, :2] / seen[:, 2:]).max()
        # the nearest point keeps half a metre, whatever the lens
        distance = max(distance * extent / fill, distance - seen[:, 2].min() + 0.5)
    return Cameras(turn, aim[None], np.array([focal]), np.array([distance]))


def _aim_at_middle(seen: np.ndarray) -> np.ndarray:
    """Points (V, 3) before a camera -> (3, 3) turn that brings their middle to the axis."""
    x, y = (np.arctan2(seen[:, k], seen[:, 2]) for k in (0, 1))
    right, down = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    return axis_rotation(np.array(down), "X") @ axis_rotation(np.array(-right), "Y")


def to_pixels(cameras: Cameras, points: np.ndarray) -> np.ndarray:
    """Points (K, 3) in the world about the pelvis -> (K, 2) pixels of the picture."""
    flat = cameras.project((points @ cameras.turn[0].T)[None])[0]
    return (flat + 1) * SIZE / 2


def camera_in_world(cameras: Cameras, pelvis: np.ndarray) -> np.ndarray:
    """(4, 4) a camera's place as renderers want it: x right, y up, -z ahead."""
    turn = cameras.turn[0]
    placed = np.eye(4)
    placed[:3, :3] = (np.diag([1.0, -1.0, -1.0]) @ cameras.aim[0] @ turn).T
    placed[:3, 3] = pelvis - turn.T @ np.array([0.0, 0.0, cameras.distance[0]])
    return placed


def _backdrop(rng: np.random.Generator) -> np.ndarray:
    """(2, 3) plain ground and sky, from dark to bright, little saturated."""
    grey = rng.uniform(0.12, 0.8, (2, 1))
    return np.clip(grey * (1 + rng.uniform(-0.25, 0.25, (2, 3))), 0, 1)
