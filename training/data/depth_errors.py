# SPDX-License-Identifier: Apache-2.0
"""World landmarks as wrong as BlazePose's: sideways about right, in depth often badly off.

On eight photographs with 3D truth its PA-MPJPE was 57 to 191 mm, mean 100, median 83; sitting,
arms towards the camera and back views were worst. Each sample draws a PA-MPJPE from a
distribution with that median, mean and spread (45 mm plus a log normal with median 38 and sigma
0.86; eight draws from it lie between about 56 and 175), the larger the harder the pose looks to
the camera. An error of depth with the shapes seen in such landmarks (depth flattened, a limb's
depth turned round, trunk and limbs leaning) is then scaled until the sample has that error.
"""

from dataclasses import dataclass

import numpy as np

from backend.vision.skeleton33 import (
    BODY_LANDMARKS,
    LEFT_HIP,
    LEFT_SHOULDER,
    NUM_LANDMARKS,
    RIGHT_HIP,
    RIGHT_SHOULDER,
)
from blender_addon.shared.rotations import axis_angle_to_matrix, normalize

from ..metrics.pose import pa_mpjpe
from .simulated_cameras import Draws

# parent landmark of each; -1 is the middle of the hips, -2 the middle of the shoulders
LANDMARK_PARENTS: tuple[int, ...] = (
    *(-2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    *(-1, -1, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16),
    *(-1, -1, 23, 24, 25, 26, 27, 28, 27, 28),
)
_HEAD, _TRUNK, _LEFT_ARM, _RIGHT_ARM, _LEFT_LEG, _RIGHT_LEG = range(6)
_CHAIN = (
    *((_HEAD,) * 11),
    *(_TRUNK, _TRUNK),
    *((_LEFT_ARM, _RIGHT_ARM) * 5),
    *(_TRUNK, _TRUNK),
    *((_LEFT_LEG, _RIGHT_LEG) * 4),
)


@dataclass(frozen=True)
class DepthErrorSettings:
    """The distribution of the PA-MPJPE (metres) and how it follows the pose.

    least + a log normal of `median` and `sigma`, at most `most`. follows: correlation of its
    logarithm with the pose's difficulty. difficulty: mean and standard deviation of `difficulty`
    over simulated people, by which it is normalised. turn: degrees, standard
    deviation of the whole body's wrong turn (pitch and yaw) at the median error; PA-MPJPE does
    not see it. sideways: metres, of x and y. scale: log, of the whole.
    """

    least: float = 0.045
    median: float = 0.038
    sigma: float = 0.86
    most: float = 0.22
    follows: float = 0.6
    difficulty: tuple[float, float] = (0.60, 0.40)
    turn: float = 6.0
    sideways: float = 0.012
    scale: float = 0.06
    rounds: int = 4


def difficulty(points: np.ndarray) -> np.ndarray:
    """(N, 33, 3) true landmarks in camera axes -> (N,) how hard their depth is to tell.

    Sums the thighs' bend at the hips (0 standing, 1 folded), the arms' way towards the camera
    (0 to 1) and how far the chest faces away (0 to 1).
    """
    hips = (points[:, LEFT_HIP] + points[:, RIGHT_HIP]) / 2
    shoulders = (points[:, LEFT_SHOULDER] + points[:, RIGHT_SHOULDER]) / 2
    down = normalize(hips - shoulders)
    thighs = normalize(points[:, [25, 26]] - points[:, [23, 24]])
    bend = (1 - (thighs * down[:, None]).sum(-1)).mean(axis=1) / 2
    arms = normalize(points[:, [13, 14, 15, 16]] - points[:, [11, 12, 13, 14]])
    towards = np.maximum(-arms[..., 2], 0).mean(axis=1)
    return 1.6 * bend + 1.2 * towards + 0.6 * facing_away(points)


def facing_away(points: np.ndarray) -> np.ndarray:
    """(N, 33, 3) in camera axes -> (N,) 1: the chest faces away, 0: sideways or front."""
    left = points[:, LEFT_SHOULDER] - points[:, RIGHT_SHOULDER]
    up = points[:, [11, 12]].mean(axis=1) - points[:, [23, 24]].mean(axis=1)
    return np.maximum(normalize(np.cross(left, up))[:, 2], 0)


def target_errors(draws: Draws, points: np.ndarray, settings: DepthErrorSettings) -> np.ndarray:
    """(N,) the PA-MPJPE in metres that each sample's world landmarks shall have."""
    s = settings
    mean, spread = s.difficulty
    hard = np.clip((difficulty(points) - mean) / spread, -2.0, 2.5)
    z = s.follows * hard + (1 - s.follows**2) ** 0.5 * draws.normal(kept=0.8)
    return np.minimum(s.least + s.median * np.exp(s.sigma * z), s.most)


def wrong_world_landmarks(
    draws: Draws, points: np.ndarray, settings: DepthErrorSettings
) -> np.ndarray:
    """True landmarks (N, 33, 3) in camera axes -> world landmarks as BlazePose would give them.

    Metres, x right, y down, z away, the middle of the hips at the origin.
    """
    s = settings
    true = points - points[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)
    target = target_errors(draws, true, s)
    made = true.copy()
    made[..., :2] += s.sideways * along_limbs(draws.normal(NUM_LANDMARKS, 2), 0.6)
    error = _depth_error(draws, true)
    body = list(BODY_LANDMARKS)
    sideways, true_body, error_body = made[:, body], true[:, body], error[:, body]
    amount = np.ones(len(true))
    for _ in range(s.rounds):
        tried = sideways.copy()
        tried[..., 2] += amount[:, None] * error_body
        amount *= np.clip((target / pa_mpjpe(tried, true_body)) ** 1.2, 0.3, 2.5)
    made[..., 2] += np.minimum(amount, 6.0)[:, None] * error
    angles = draws.normal(3) * np.radians([s.turn, s.turn, s.turn / 3])
    angles *= np.minimum(target / (s.least + s.median), 2.0)[:, None]
    made = made @ axis_angle_to_matrix(angles)
    made *= np.exp(s.scale * draws.shared_normal())[:, None, None]
    return made - made[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)


def along_limbs(noise: np.ndarray, share: float) -> np.ndarray:
    """(N, 33, D) independent -> correlated with each point's parent by `share`, same variance."""
    out = noise.copy()
    for point, parent in enumerate(LANDMARK_PARENTS):
        if parent >= 0:
            out[:, point] = share * out[:, parent] + (1 - share**2) ** 0.5 * noise[:, point]
    return out


def _depth_error(draws: Draws, true: np.ndarray) -> np.ndarray:
    """(N, 33) metres of wrong depth before scaling, summed up along the limbs."""
    rows = len(true)
    flat = draws.shared_uniform(0.0, 0.8)  # depth flattened
    turned = draws.shared_uniform(0, 1, 6) < [0.2, 0.1, 0.3, 0.3, 0.25, 0.25]
    lean = draws.normal(6) * [0.2, 0.2, 0.3, 0.3, 0.25, 0.25]
    chain = list(_CHAIN)
    share = np.where(turned[:, chain], -1.5, -flat[:, None])
    middles = {-1: np.zeros((rows, 3)), -2: true[:, [LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=1)}
    out = np.zeros((rows, NUM_LANDMARKS))
    noise = draws.normal(NUM_LANDMARKS)
    # shoulders before head and arms, so in the order of the points' parents
    for point in (*range(11, NUM_LANDMARKS), *range(11)):
        parent = LANDMARK_PARENTS[point]
        start = true[:, parent] if parent >= 0 else middles[parent]
        bone = true[:, point] - start
        length = np.linalg.norm(bone, axis=-1)
        own = share[:, point] * bone[:, 2]
        own += (lean[:, chain[point]] + 0.12 * noise[:, point]) * length
        before = out[:, parent] if parent >= 0 else out[:, [11, 12]].mean(axis=1) * (parent == -2)
        out[:, point] = before + own
    return out
