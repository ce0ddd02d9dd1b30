# SPDX-License-Identifier: Apache-2.0
"""Cameras all round a person, from phones held close to long lenses.

Camera axes are BlazePose's: x right, y down, z away from the camera. Everything is told in the
frame of a camera that looks straight at the pelvis; the camera that takes the picture is turned
away from it a little, as people do not stand in the middle, which only bends the picture.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from blender_addon.shared.rotations import axis_angle_to_matrix, axis_rotation


class Draws:
    """Random numbers for `groups` x `frames` rows; `shared` are the same in a group's frames."""

    def __init__(self, rng: np.random.Generator, groups: int, frames: int) -> None:
        self.rng, self.groups, self.frames = rng, groups, frames
        self.rows = groups * frames

    def _spread(self, drawn: np.ndarray) -> np.ndarray:
        return np.repeat(drawn, self.frames, axis=0)

    def shared_uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        """(rows, *shape) from [low, high)."""
        return self._spread(self.rng.uniform(low, high, (self.groups, *shape)))

    def shared_normal(self, *shape: int) -> np.ndarray:
        """(rows, *shape), standard normal."""
        return self._spread(self.rng.standard_normal((self.groups, *shape)))

    def normal(self, *shape: int, kept: float = 0.7) -> np.ndarray:
        """(rows, *shape), standard normal; `kept` of the variance is the group's, the rest each
        frame's own. With one frame a group it is plain noise."""
        if self.frames == 1:
            return self.rng.standard_normal((self.rows, *shape))
        own = self.rng.standard_normal((self.rows, *shape))
        return kept**0.5 * self.shared_normal(*shape) + (1 - kept) ** 0.5 * own


@dataclass(frozen=True)
class CameraSettings:
    """What cameras are drawn.

    level: share of cameras near the height of the chest (spread `level_spread` degrees about 5
    degrees above); the others are uniform in `elevation` (degrees, positive looks down on the
    person). roll: degrees, standard deviation. view: degrees of vertical field of view, log
    uniform. fill: share of the picture's height that the person takes, uniform; it gives the
    distance. nearest: metres, of the point closest to the camera.
    """

    level: float = 0.6
    level_spread: float = 9.0
    elevation: tuple[float, float] = (-25.0, 60.0)
    roll: float = 4.0
    view: tuple[float, float] = (12.0, 80.0)
    fill: tuple[float, float] = (0.3, 0.95)
    nearest: float = 0.5


@dataclass(frozen=True)
class Cameras:
    """turn: (N, 3, 3) world to camera. aim: (N, 3, 3) camera to the picture's camera.

    focal: (N,) in half heights of the picture; distance: (N,) metres to the pelvis.
    """

    turn: np.ndarray
    aim: np.ndarray
    focal: np.ndarray
    distance: np.ndarray

    def farther(self, nearer: np.ndarray, draws: Draws) -> Self:
        """Moved back by how much nearer (N,), metres, people come than they were aimed at."""
        return replace(self, distance=self.distance + _group_max(nearer, draws))

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, K, 3) metres from the pelvis in camera axes -> (N, K, 2), 1 is half a height."""
        ahead = points + self.distance[:, None, None] * np.array([0.0, 0.0, 1.0])
        seen = ahead @ np.swapaxes(self.aim, -1, -2)
        return self.focal[:, None, None] * seen[..., :2] / seen[..., 2:]


def camera_turns(azimuth: np.ndarray, elevation: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """(N,) radians each -> (N, 3, 3) world (Y up) to camera axes.

    The camera stands at `azimuth` (0: on +Z) and `elevation` above the level, and looks at the
    origin; `roll` turns it about its own axis.
    """
    level = np.diag([1.0, -1.0, -1.0])  # at azimuth 0: right is +X, down is -Y, away is -Z
    turned = axis_rotation(elevation, "X") @ axis_rotation(-azimuth, "Y")
    return axis_rotation(roll, "Z") @ level @ turned


def sample_turns(draws: Draws, settings: CameraSettings) -> np.ndarray:
    """(N, 3, 3) world to camera, all round, at several heights."""
    s = settings
    level = 5.0 + s.level_spread * draws.shared_normal()
    anywhere = draws.shared_uniform(*s.elevation)
    elevation = np.where(draws.shared_uniform(0, 1) < s.level, level, anywhere)
    return camera_turns(
        draws.shared_uniform(-np.pi, np.pi),
        np.radians(np.clip(elevation, *s.elevation)),
        np.radians(s.roll) * draws.shared_normal(),
    )


def sample_cameras(
    draws: Draws, turn: np.ndarray, points: np.ndarray, settings: CameraSettings
) -> Cameras:
    """Lens, distance and aim for cameras of a given `turn`, so that points (N, K, 3) in camera axes
    (metres from the pelvis) fill as much of the picture as `settings` says."""
    s = settings
    view = np.radians(np.exp(draws.shared_uniform(*np.log(s.view))))
    fill = draws.shared_uniform(*s.fill)
    focal = 1 / np.tan(view / 2)
    extent = np.abs(points[..., :2]).max(axis=(1, 2))
    distance = focal * _group_max(extent, draws) / fill
    closest = _group_max(-points[..., 2].min(axis=1), draws)
    distance = np.maximum(distance, closest + s.nearest)
    # off the middle of the picture by what room the person leaves
    away = draws.shared_uniform(0, 0.8) * (1 - fill) * view / 2
    direction = draws.shared_uniform(-np.pi, np.pi)
    axis = np.stack([np.cos(direction), np.sin(direction), np.zeros_like(direction)], axis=-1)
    return Cameras(turn, axis_angle_to_matrix(axis * away[:, None]), focal, distance)


def _group_max(values: np.ndarray, draws: Draws) -> np.ndarray:
    """(rows,) -> (rows,) the largest of each row's group."""
    return np.repeat(values.reshape(draws.groups, draws.frames).max(axis=1), draws.frames)
