# SPDX-License-Identifier: Apache-2.0
"""Which way a person faces all through a clip, and the one camera that looks at them.

A single picture often fits two headings, front and back, about equally well. In a clip people turn
no faster than people can and the camera keeps its tilt, so of all ways through the frames'
candidates the likeliest as a whole is taken (Viterbi): no flips, and frames that are sure decide
for those that are not.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..motion.kinematics import axis_rotation, normalize
from .lifted import Lifted
from .orientation import OrientationSettings, turn_as_lifted, turn_to_landmarks

_BATCH = 60  # frames that are searched at a time


@dataclass(frozen=True)
class ClipOrientationSettings:
    """every: seconds between the frames that are searched. turning: degrees a second, how fast
    people turn; up: degrees, how far a frame's upright is from the camera's. trust: of one frame's
    fit to its landmarks, whose errors last longer than a frame. rounds: of agreeing on the tilt.
    search: for each frame alone.
    """

    every: float = 0.1
    turning: float = 200.0
    up: float = 12.0
    trust: float = 0.3
    rounds: int = 3
    search: OrientationSettings | None = None


@dataclass(frozen=True)
class ClipOrientation:
    """camera: (3, 3) world (Y up, the camera on +Z) to camera axes (x right, y down, z away).
    heading: (T,) radians, how the person is turned in the world, unwrapped; left is positive."""

    camera: Tensor
    heading: Tensor

    def turned(self, poses: Tensor) -> Tensor:
        """Upright poses (T, 22, 3, 3) without a heading -> the same turned in the world."""
        root = axis_rotation(self.heading, "Y") @ poses[:, 0]
        return torch.cat([root[:, None], poses[:, 1:]], dim=1)


def orient_clip(
    poses: Tensor,
    image: Tensor,
    visibility: Tensor,
    world: Tensor,
    found: Tensor,
    bend: Tensor,
    fps: float,
    settings: ClipOrientationSettings | None = None,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
    lifted: Lifted | None = None,
) -> ClipOrientation:
    """Upright poses (T, 22, 3, 3) without a heading, landmarks as in `turn_to_landmarks` (T rows),
    found (T,) bool, bend (T, 3, 3) camera axes of one who looks straight at the person to the
    picture's -> headings and one camera. on_step(done, steps) may raise to end it. lifted: what
    `LandmarkLifter` reads out of the landmarks (T rows); it then takes the world landmarks' place,
    and where it saw the pelvis face is a candidate. float64, on the CPU. At least one frame must be
    found.
    """
    s = settings or ClipOrientationSettings()
    keys = _keys(found, max(1, round(s.every * fps)))
    costs, turns = [], []
    for begin in range(0, len(keys), _BATCH):
        on_step(begin, len(keys))
        rows = keys[begin : begin + _BATCH]
        own, places, sure = poses[rows], image[rows], visibility[rows]
        if lifted is None:
            made, turned = turn_to_landmarks(own, places, sure, world[rows], settings=s.search)
        else:
            made, turned = turn_as_lifted(own, places, sure, lifted.rows(rows), s.search)
        costs.append(made.after)
        turns.append(turned)
    cost = s.trust * torch.cat(costs).unflatten(0, (len(keys), -1))
    cameras = torch.cat(turns).unflatten(0, (len(keys), -1))  # (K, starts, 3, 3)
    cameras = bend[keys][:, None] @ cameras
    seconds = torch.diff(keys).to(cost.dtype) / fps
    rows = torch.arange(len(keys))
    tilt = torch.zeros_like(cost)
    for _ in range(s.rounds):
        chosen = cameras[rows, likeliest_way(cost + tilt, cameras, seconds, s.turning)]
        up = normalize(chosen[:, :, 1].median(dim=0).values)
        off = (cameras[..., 1] @ up).clamp(-1, 1).acos()
        tilt = (off / torch.deg2rad(off.new_tensor(s.up))) ** 2 / 2
    camera = level_camera(up)
    inside = camera.T @ chosen
    heading = torch.atan2(inside[:, 0, 2] - inside[:, 2, 0], inside[:, 0, 0] + inside[:, 2, 2])
    return ClipOrientation(camera, _between(keys, _unwrapped(heading), len(poses)))


def likeliest_way(cost: Tensor, turns: Tensor, seconds: Tensor, speed: float) -> Tensor:
    """Costs (K, S) of S candidates at K times, their rotations (K, S, 3, 3), seconds (K - 1,)
    between the times, degrees a second of usual turning -> (K,) the candidates of the best way."""
    ways = []
    total = cost[0]
    for k in range(1, len(cost)):
        trace = torch.einsum("axy,bxy->ab", turns[k - 1], turns[k])
        angle = torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
        step = (angle / (speed * seconds[k - 1])) ** 2 / 2
        total, way = (total[:, None] + step).min(dim=0)
        total = total + cost[k]
        ways.append(way)
    at = int(total.argmin())
    out = [at]
    for way in reversed(ways):
        at = int(way[at])
        out.append(at)
    return torch.tensor(out[::-1])


def level_camera(up: Tensor) -> Tensor:
    """(3,) the world's Y in camera axes -> (3, 3) world to camera axes, the camera on +Z."""
    away = up.new_tensor([0.0, 0.0, 1.0])
    towards = normalize(-(away - (away @ up) * up))  # the world's +Z, level and to the camera
    return torch.stack([torch.linalg.cross(up, towards), up, towards], dim=1)


def _keys(found: Tensor, stride: int) -> Tensor:
    """Every `stride`th of the frames that were found, and the last of them."""
    at = torch.nonzero(found)[:, 0]
    return torch.unique(torch.cat([at[::stride], at[-1:]]))


def _unwrapped(angle: Tensor) -> Tensor:
    step = torch.diff(angle)
    step = step - 2 * torch.pi * torch.round(step / (2 * torch.pi))
    return torch.cat([angle[:1], angle[:1] + step.cumsum(0)])


def _between(keys: Tensor, values: Tensor, frames: int) -> Tensor:
    """(K,) values at frames `keys` -> (frames,) on the lines between them, level outside."""
    if len(keys) == 1:
        return values.expand(frames)
    at = torch.arange(frames)
    right = torch.searchsorted(keys, at).clamp(1, len(keys) - 1)
    low, high = keys[right - 1], keys[right]
    share = ((at - low) / (high - low)).clamp(0, 1).to(values.dtype)
    return values[right - 1] * (1 - share) + values[right] * share
