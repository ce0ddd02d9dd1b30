# SPDX-License-Identifier: Apache-2.0
"""Where a filmed person goes: the path of the pelvis in the world, metres.

Two witnesses are joined in one least-squares problem. Heels and toes that are planted stay where
they are, at the height of the ground; and the picture shows how the person moves sideways and,
from their size, in depth. The lens is not known, so the factor of the depth is solved for as well.
In the air the picture alone speaks, and the pelvis accelerates as bodies fall. Where no foot ever
seems to rest in the picture, the camera was moving: the picture then counts only in the air.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from .contacts import ContactSettings, airborne, low_points, planted

GRAVITY = 9.81


@dataclass(frozen=True)
class PathSettings:
    """Standard deviations. contact: m/s, of a planted point; ground: metres, of its height.
    speed: m/s sideways, up and in depth, of the picture's movement; drift: metres, the same, of
    the picture's place, whose error lasts about a second. lens: of the depth's factor about 1.
    acceleration, falling: m/s^2, on the ground and in the air. still: the camera moves if a foot
    rests in the picture in less than this share of the frames. rounds: of finding contacts anew
    on the path.
    """

    contact: float = 0.25
    ground: float = 0.01
    speed: tuple[float, float, float] = (0.2, 0.2, 0.6)
    drift: tuple[float, float, float] = (0.1, 0.3, 0.4)
    lens: float = 0.4
    acceleration: float = 5.0
    falling: float = 2.0
    still: float = 0.5
    robust: float = 2.0
    rounds: int = 3
    contacts: ContactSettings = field(default_factory=ContactSettings)


@dataclass(frozen=True)
class GroundPath:
    """pelvis: (T, 3) metres, Y up, the ground at 0, frame 0 over the origin. planted: (T, 4) bool
    of left heel and toe, right heel and toe. airborne: (T,) bool. depth_factor: what the assumed
    focal length is multiplied by. camera_moves: whether the picture was not believed.
    """

    pelvis: np.ndarray
    planted: np.ndarray
    airborne: np.ndarray
    depth_factor: float
    camera_moves: bool


def ground_path(
    feet: np.ndarray,
    lowest: np.ndarray,
    seen: np.ndarray,
    camera: np.ndarray,
    fps: float,
    settings: PathSettings | None = None,
) -> GroundPath:
    """Heels and toes (T, 4, 3) and the height of the lowest landmark (T,), from the pelvis in the
    world; the pelvis as the picture shows it (T, 3) metres in camera axes, the depth up to a
    factor; camera (3, 3) world to camera axes -> the path."""
    s = settings or PathSettings()
    air = airborne((seen @ camera)[:, 1] + lowest, fps, s.contacts)
    touching = low_points(feet, lowest, air, s.contacts.height)
    still = touching & still_sideways(seen[:, None, 0] + feet @ camera[0], fps, s.contacts.speed)
    standing = still.any(axis=1)[touching.any(axis=1)]
    moves = len(standing) > 0 and float(standing.mean()) < s.still
    problem = _Path(feet, lowest, seen, camera, fps, s)
    path, factor = problem.solved(touching if moves else still, air, moves)
    for _ in range(s.rounds):
        touching = planted(path[:, None] + feet, air, fps, s.contacts)
        path, factor = problem.solved(touching, air, moves)
    path = path - path[0] * [1.0, 0.0, 1.0]
    return GroundPath(path, touching, air, factor, bool(moves))


def still_sideways(place: np.ndarray, fps: float, speed: float) -> np.ndarray:
    """(T, 4) metres along the picture's x axis -> (T, 4) bool: slower than `speed` over a tenth of
    a second before or after."""
    window = min(max(1, round(0.1 * fps)), len(place) - 1)
    if window < 1:
        return np.ones(place.shape, dtype=bool)
    slow = np.abs(place[window:] - place[:-window]) * fps / window < speed
    out = np.zeros(place.shape, dtype=bool)
    out[:-window] |= slow
    out[window:] |= slow
    return out


def standing_path(lowest: np.ndarray) -> GroundPath:
    """In place: the pelvis over the origin, the lowest point (T,) of the body on the ground."""
    frames = len(lowest)
    pelvis = np.zeros((frames, 3))
    pelvis[:, 1] = -lowest
    nowhere = np.zeros((frames, 4), dtype=bool)
    return GroundPath(pelvis, nowhere, nowhere[:, 0], 1.0, False)


class _Path:
    """The least-squares problem. Unknown: T x 3 of the path, where the picture's place lies (3),
    the depth's factor."""

    def __init__(
        self,
        feet: np.ndarray,
        lowest: np.ndarray,
        seen: np.ndarray,
        camera: np.ndarray,
        fps: float,
        settings: PathSettings,
    ) -> None:
        self.feet, self.lowest, self.seen = feet, lowest, seen
        self.camera, self.fps, self.settings = camera, fps, settings
        self.frames = len(lowest)
        self.size = 3 * self.frames + 4

    def solved(
        self, touching: np.ndarray, air: np.ndarray, moves: bool
    ) -> tuple[np.ndarray, float]:
        """The path (T, 3) and the depth's factor, by iterated reweighting of the contacts."""
        body, contact = self._body(air), self._contacts(touching)
        weight, x = np.ones(len(contact[1])), np.ones(self.size)
        for _ in range(4):
            rest = self._picture(air, moves, float(x[-1])) + body
            rows = [*rest, (sparse.diags(weight) @ contact[0], weight * contact[1])]
            a = sparse.vstack([r[0] for r in rows]).tocsc()
            b = np.concatenate([r[1] for r in rows])
            x = np.asarray(spsolve((a.T @ a).tocsc(), a.T @ b))
            off = contact[0] @ x - contact[1]
            weight = 1 / np.sqrt(1 + (off / self.settings.robust) ** 2)
        return x[:-4].reshape(-1, 3), float(x[-1])

    def _contacts(self, touching: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
        """A point that touches in two frames on end did not move over the ground."""
        both = touching[1:] & touching[:-1]
        frame, point = np.nonzero(both)
        step = self.feet[frame, point] - self.feet[frame + 1, point]
        each = self.settings.contact / self.fps * np.sqrt(np.maximum(both.sum(axis=1), 1))[frame]
        parts = [
            self._matrix(
                [(3 * (frame + 1) + axis, 1 / each), (3 * frame + axis, -1 / each)], len(frame)
            )
            for axis in (0, 2)
        ]
        wanted = [step[:, axis] / each for axis in (0, 2)]
        return sparse.csr_matrix(sparse.vstack(parts)), np.concatenate(wanted)

    def _picture(
        self, air: np.ndarray, moves: bool, known: float
    ) -> list[tuple[sparse.csr_matrix, np.ndarray]]:
        """The picture's movement and place, along each axis of the camera.

        Steps take the depth's factor as it was `known`: solved for there, the noise of single
        steps would pull it to 0. The place alone decides on it.
        """
        s, out = self.settings, []
        steps, frames = np.arange(self.frames - 1), np.arange(self.frames)
        trusted = (air[1:] | air[:-1]) if moves else np.ones(len(steps), dtype=bool)
        offset, factor = 3 * self.frames, self.size - 1
        for axis in range(3):
            way = self.camera[axis]
            moved, there = np.diff(self.seen[:, axis]), self.seen[:, axis]
            each = np.where(trusted, s.speed[axis], 50.0) / self.fps
            entries = [(3 * (steps + 1) + k, way[k] / each) for k in range(3)]
            entries += [(3 * steps + k, -way[k] / each) for k in range(3)]
            wanted = moved * (known if axis == 2 else 1.0) / each
            out.append((self._matrix(entries, len(steps)), wanted))
            slow = (1e3 if moves else s.drift[axis]) * np.sqrt(max(self.fps, 1.0))
            ones = np.full(self.frames, 1 / slow)
            entries = [(3 * frames + k, way[k] * ones) for k in range(3)]
            entries.append((np.full(self.frames, offset + axis), -ones))
            wanted = there * ones
            if axis == 2:
                entries.append((np.full(self.frames, factor), -there * ones))
                wanted = np.zeros(self.frames)
            out.append((self._matrix(entries, self.frames), wanted))
        one = np.ones(1)
        out.append((self._matrix([(np.array([factor]), one / s.lens)], 1), one / s.lens))
        for k in range(3):  # where the camera stands is all but free
            out.append((self._matrix([(np.array([offset + k]), 1e-4 * one)], 1), 0 * one))
        return out

    def _body(self, air: np.ndarray) -> list[tuple[sparse.csr_matrix, np.ndarray]]:
        """On the ground unless in the air; human accelerations, or gravity's; from the origin."""
        s, out = self.settings, []
        on = np.flatnonzero(~air)
        each = np.full(len(on), 1 / s.ground)
        out.append((self._matrix([(3 * on + 1, each)], len(on)), -self.lowest[on] * each))
        inner = np.arange(1, self.frames - 1)
        flying = air[1:-1] & air[:-2] & air[2:]
        for axis in range(3):
            each = np.where(flying, s.falling, s.acceleration * (4 if axis == 1 else 1))
            each = each / self.fps**2
            entries = [(3 * (inner + d) + axis, c / each) for d, c in ((-1, 1), (0, -2), (1, 1))]
            fall = -GRAVITY / self.fps**2 if axis == 1 else 0.0
            out.append((self._matrix(entries, len(inner)), np.where(flying, fall, 0.0) / each))
        for axis in (0, 2):
            out.append((self._matrix([(np.array([axis]), np.array([1e3]))], 1), np.zeros(1)))
        return out

    def _matrix(
        self, entries: list[tuple[np.ndarray, np.ndarray]], count: int
    ) -> sparse.csr_matrix:
        """Rows whose numbers stand at the columns: (columns (count,), values (count,)) pairs."""
        row = np.tile(np.arange(count), len(entries))
        column = np.concatenate([columns for columns, _ in entries])
        value = np.concatenate([np.broadcast_to(values, count) for _, values in entries])
        return sparse.csr_matrix((value, (row, column)), shape=(count, self.size))
