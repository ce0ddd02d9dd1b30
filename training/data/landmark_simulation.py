# SPDX-License-Identifier: Apache-2.0
"""BlazePose landmarks simulated from poses: training data for poses from pictures and videos.

`LandmarkSimulator.batch` draws poses from mocap and beyond it, bodies, cameras, and the errors of
a real landmark model: noise along limbs, sides mixed up, limbs hidden, people cut off by the
picture's border, a loosely placed square, and world landmarks with BlazePose's wrong depth.
The same (seed, step, size) gives the same batch.
"""

from dataclasses import dataclass, field

import numpy as np

from backend.vision.person_square import square_around, to_square
from backend.vision.skeleton33 import (
    MIRROR_LANDMARKS,
    NUM_LANDMARKS,
    Bodies,
    BodyVariation,
    place_landmarks,
    pose_bodies,
    sample_bodies,
)
from blender_addon.shared.skeleton import NUM_BODY_JOINTS

from .depth_errors import (
    DepthErrorSettings,
    along_limbs,
    facing_away,
    wrong_world_landmarks,
)
from .pose_widening import PoseBank, WideningSettings, draw_poses
from .simulated_cameras import CameraSettings, Draws, sample_cameras, sample_turns

_ARMS = (*range(13, 23),)
_LEGS = (*range(25, 33),)
_FACE = (*range(0, 11),)


@dataclass(frozen=True)
class LandmarkErrorSettings:
    """What goes wrong in the picture.

    noise: mean distance of a seen point from its place, as a share of the person's square, drawn
    uniformly. hidden_noise, outside_noise: how much more for hidden points and points outside the
    picture. swap_back, swap_side: how often all sides are mixed up in views from behind, and the
    legs' in views from the side. occluder: how often something stands before the person.
    cut: how often the border cuts the person off. fill: share of the square that the person takes;
    `loose` of the squares are wider. shift: of the square's centre, in half sides.
    """

    noise: tuple[float, float] = (0.010, 0.020)
    hidden_noise: float = 2.5
    outside_noise: float = 4.0
    swap_back: float = 0.06
    swap_side: float = 0.04
    occluder: float = 0.3
    cut: float = 0.2
    fill: tuple[float, float] = (0.7, 0.95)
    loose: float = 0.2
    loose_fill: tuple[float, float] = (0.3, 0.7)
    shift: float = 0.04


@dataclass(frozen=True)
class SimulationSettings:
    """All settings of the simulation."""

    widening: WideningSettings = field(default_factory=WideningSettings)
    bodies: BodyVariation = field(default_factory=BodyVariation)
    cameras: CameraSettings = field(default_factory=CameraSettings)
    errors: LandmarkErrorSettings = field(default_factory=LandmarkErrorSettings)
    depth: DepthErrorSettings = field(default_factory=DepthErrorSettings)


@dataclass(frozen=True)
class LandmarkBatch:
    """N simulated people, float32. Camera axes: x right, y down, z away from the camera.

    What a landmark model gives: image (N, 33, 2) in the person's square, -1 to 1; visibility
    (N, 33) 0 to 1; world (N, 33, 3) metres, the middle of the hips at the origin.
    The truth: rotations (N, 22, 3, 3) local, the root's in camera axes; camera (N, 3, 3) world
    (Y up) to camera axes, so `camera^T @ root` stands upright in the world; joints (N, 24, 3)
    metres from the pelvis in camera axes, and landmarks (N, 33, 3), both of the person's own
    body; image_true (N, 33, 2) without errors; hidden (N, 33) and outside (N, 33) bool; centre
    (N, 2) and half (N,) of the square in the picture, in half heights of it.
    """

    image: np.ndarray
    visibility: np.ndarray
    world: np.ndarray
    rotations: np.ndarray
    camera: np.ndarray
    joints: np.ndarray
    landmarks: np.ndarray
    image_true: np.ndarray
    hidden: np.ndarray
    outside: np.ndarray
    centre: np.ndarray
    half: np.ndarray

    def __len__(self) -> int:
        return len(self.image)


class LandmarkSimulator:
    """Batches of simulated landmarks from a bank of poses."""

    def __init__(self, bank: PoseBank, settings: SimulationSettings | None = None) -> None:
        self.bank = bank
        self.settings = settings or SimulationSettings()

    def batch(self, seed: int, step: int, size: int) -> LandmarkBatch:
        """`size` people, each in a picture of its own."""
        rng = np.random.default_rng([seed, step])
        poses = draw_poses(self.bank, rng, size, self.settings.widening)
        return simulate(poses, rng, self.settings)


def simulate(
    rotations: np.ndarray,
    rng: np.random.Generator,
    settings: SimulationSettings | None = None,
    frames: int = 1,
    path: np.ndarray | None = None,
) -> LandmarkBatch:
    """Local rotations (N, 22, 3, 3), root upright in the world, -> N simulated people.

    frames: every so many rows are a video of one person: one body, one camera that follows the
    pelvis, and errors that last. path (N, 3): where the pelvis is, metres from the middle of its
    clip, upright; the camera then stands still and has all of the way in its picture. Raises
    ValueError when N is no multiple of `frames`.
    """
    if rotations.ndim != 4 or rotations.shape[1:] != (NUM_BODY_JOINTS, 3, 3):
        raise ValueError(f"rotations must be (N, 22, 3, 3), got {rotations.shape}")
    if len(rotations) == 0 or len(rotations) % frames:
        raise ValueError(f"{len(rotations)} rows are not a number of clips of {frames} frames")
    s = settings or SimulationSettings()
    groups = len(rotations) // frames
    draws = Draws(rng, groups, frames)
    bodies = sample_bodies(rng, groups, s.bodies)
    bodies = Bodies(
        np.repeat(bodies.rest_offsets, frames, axis=0),
        np.repeat(bodies.landmark_offsets, frames, axis=0),
    )
    turn = sample_turns(draws, s.cameras)
    local = np.array(rotations, dtype=np.float64)
    local[:, 0] = turn @ local[:, 0]
    world_rotations, joints = pose_bodies(local, bodies)
    points = place_landmarks(world_rotations, joints, bodies.landmark_offsets)
    way = np.zeros((len(points), 3)) if path is None else (turn @ path[:, :, None])[..., 0]
    across = points + (way * [1.0, 1.0, 0.0])[:, None]
    cameras = sample_cameras(draws, turn, across, s.cameras).farther(-way[:, 2], draws)
    picture = cameras.project(points + way[:, None])
    outside = _cut_off(draws, picture, s.errors)
    (centre, half), person = _square(draws, picture, ~outside, s.errors)
    true = to_square(picture, centre, half)
    hidden = self_hidden(points, joints) | _occluded(draws, true, person, s.errors)
    image, visibility = _noisy(draws, true, person, hidden, outside, s.errors)
    world = wrong_world_landmarks(draws, points, s.depth)
    order = _mixed_up(draws, points, s.errors)
    single = np.float32
    return LandmarkBatch(
        image=np.take_along_axis(image, order[..., None], axis=1).astype(single),
        visibility=np.take_along_axis(visibility, order, axis=1).astype(single),
        world=np.take_along_axis(world, order[..., None], axis=1).astype(single),
        rotations=local.astype(single),
        camera=turn.astype(single),
        joints=joints.astype(single),
        landmarks=points.astype(single),
        image_true=true.astype(single),
        hidden=hidden,
        outside=outside,
        centre=centre.astype(single),
        half=half.astype(single),
    )


def self_hidden(points: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Landmarks (N, 33, 3) and joints (N, 24, 3) in camera axes -> (N, 33) bool: behind the
    person's own trunk, head or (for the lower limbs) thighs, by parallel sight lines."""
    crown = joints[:, 15] + 1.2 * (joints[:, 15] - joints[:, 12])
    hidden = _behind(points, joints[:, 0], joints[:, 12], 0.12, 0.07)
    hidden |= _behind(points, joints[:, 15], crown, 0.085, 0.01)
    for hip, knee, far_leg in ((1, 4, 1), (2, 5, 0)):
        lower = np.isin(np.arange(NUM_LANDMARKS), _LEGS) & (np.arange(NUM_LANDMARKS) % 2 == far_leg)
        hidden |= _behind(points, joints[:, hip], joints[:, knee], 0.06, 0.1) & ~lower
    return hidden


def _behind(
    points: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float, gap: float
) -> np.ndarray:
    """(N, K): a point lies in the picture within `radius` of a part and `gap` farther away."""
    along = (end - start)[:, None]
    from_start = points - start[:, None]
    flat = np.maximum((along[..., :2] ** 2).sum(-1), 1e-9)
    t = np.clip((from_start[..., :2] * along[..., :2]).sum(-1) / flat, 0, 1)
    rest = from_start - t[..., None] * along
    return ((rest[..., :2] ** 2).sum(-1) < radius**2) & (rest[..., 2] > gap)


def _cut_off(draws: Draws, picture: np.ndarray, s: LandmarkErrorSettings) -> np.ndarray:
    """(N, 33) bool: beyond the picture's border, mostly its lower one. At least 9 points stay."""
    side = draws.shared_uniform(0, 1)
    axis = np.where(side < 0.7, 1, 0)
    sign = np.where((side < 0.55) | (side > 0.85), 1.0, -1.0)
    place = np.take_along_axis(picture, axis[:, None, None], axis=2)[..., 0] * sign[:, None]
    low, high = place.min(axis=1), place.max(axis=1)
    border = low + (high - low) * draws.shared_uniform(0.3, 0.97)
    outside = place > border[:, None]
    happens = draws.shared_uniform(0, 1) < s.cut
    enough = (~outside).sum(axis=1) >= 9
    return outside & (happens & enough)[:, None]


def _square(
    draws: Draws, picture: np.ndarray, seen: np.ndarray, s: LandmarkErrorSettings
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Picture points -> a jittered square round them: centre (N, 2) and half side (N,), and the
    person's size (N,) in it: half the longer side of the box."""
    loose = draws.shared_uniform(0, 1) < s.loose
    fill = np.where(loose, draws.shared_uniform(*s.loose_fill), draws.shared_uniform(*s.fill))
    centre, half = square_around(picture, seen, fill)
    room = np.minimum(1 - fill, 0.5)
    shift = np.clip(s.shift * draws.normal(2), -room[:, None], room[:, None])
    return (centre + shift * half[:, None], half), fill


def _occluded(
    draws: Draws, image: np.ndarray, person: np.ndarray, s: LandmarkErrorSettings
) -> np.ndarray:
    """(N, 33) bool: behind a box somewhere on the person, or missed for no clear reason."""
    low, high = image.min(axis=1), image.max(axis=1)
    middle = low + (high - low) * draws.shared_uniform(0, 1, 2)
    reach = draws.shared_uniform(0.1, 0.6, 2) * person[:, None]
    inside = (np.abs(image - middle[:, None]) < reach[:, None]).all(axis=-1)
    happens = draws.shared_uniform(0, 1) < s.occluder
    missed = draws.rng.random(inside.shape) < 0.02
    return (inside & happens[:, None]) | missed


def _noisy(
    draws: Draws,
    true: np.ndarray,
    person: np.ndarray,
    hidden: np.ndarray,
    outside: np.ndarray,
    s: LandmarkErrorSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Points with noise (N, 33, 2), and visibilities (N, 33).

    A mean distance of m needs m / sqrt(pi / 2) on each axis; the square is 2 wide.
    """
    spread = draws.shared_uniform(*s.noise) * 2 / np.sqrt(np.pi / 2) * person / 0.8
    size = np.broadcast_to(spread[:, None], true.shape[:2]).copy()
    size[:, _FACE] *= 0.6
    size *= np.where(hidden, s.hidden_noise, 1.0) * np.where(outside, s.outside_noise, 1.0)
    # a whole limb is found badly now and then
    limb = draws.shared_uniform(0, 1, 4) < 0.04
    for number, points in enumerate((_ARMS[::2], _ARMS[1::2], _LEGS[::2], _LEGS[1::2])):
        size[:, points] *= np.where(limb[:, number : number + 1], 2.5, 1.0)
    image = true + size[..., None] * along_limbs(draws.normal(NUM_LANDMARKS, 2), 0.6)
    image = np.clip(image, -2.5, 2.5)
    seen = draws.rng.beta(18.0, 0.8, hidden.shape)
    unseen = draws.rng.beta(2.2, 2.8, hidden.shape)
    gone = draws.rng.beta(1.0, 9.0, hidden.shape)
    # now and then the model is sure of a hidden point
    sure = draws.rng.random(hidden.shape) < 0.15
    visibility = np.where(outside, gone, np.where(hidden & ~sure, unseen, seen))
    return image, visibility


def _mixed_up(draws: Draws, points: np.ndarray, s: LandmarkErrorSettings) -> np.ndarray:
    """(N, 33) which true point each landmark shows: its own, or the other side's by mistake."""
    away = facing_away(points)
    left = points[:, 11] - points[:, 12]
    sideways = np.abs(left[:, 2]) / np.maximum(np.linalg.norm(left, axis=-1), 1e-9)
    order = np.broadcast_to(np.arange(NUM_LANDMARKS), (len(points), NUM_LANDMARKS)).copy()
    mirror = np.array(MIRROR_LANDMARKS)
    whole = draws.shared_uniform(0, 1) < s.swap_back * away
    order[whole] = mirror
    legs = ~whole & (draws.shared_uniform(0, 1) < s.swap_side * np.maximum(sideways, away))
    columns = np.array(_LEGS)
    order[np.ix_(np.flatnonzero(legs), columns)] = mirror[columns]
    return order
