# SPDX-License-Identifier: Apache-2.0
"""Which way a posed person faces in a picture, and how the camera looks down on them.

The pose tokens leave the heading out, and say nothing of the camera. So the whole pose is turned to
every heading under a few cameras, and compared with the image landmarks; world landmarks break the
tie between facing a little to the left and a little to the right, which look alike from far away.
The best of these are then turned freely until they fit. Where a network has read the pelvis's
orientation out of the landmarks, there is nothing to search.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..motion.kinematics import axis_rotation
from .landmark_body import NUM_SIZES, pose_landmarks
from .lifted import Lifted
from .refine import RefineResult, RefineSettings, refine
from .skeleton33 import LEFT_HIP, NUM_LANDMARKS, RIGHT_HIP


@dataclass(frozen=True)
class OrientationSettings:
    """headings: how many, all round. elevations: degrees of the camera above the level.

    image, hint_sideways, hint_depth: deviations of image landmarks (half sides of the square) and
    world landmarks (metres) of a pose that is only about right. robust, perspective: as in
    RefineSettings. starts: how many orientations are kept, `apart` degrees from one another.
    turning: how they are turned freely: joints all but held, the root loose. lifted: the same where
    the pelvis's orientation is known already.
    """

    headings: int = 36
    elevations: tuple[float, ...] = (-20.0, 5.0, 30.0, 55.0)
    image: float = 0.06
    hint_sideways: float = 0.25
    hint_depth: float = 0.5
    robust: float = 3.0
    perspective: float = 0.25
    starts: int = 3
    apart: float = 40.0
    turning: RefineSettings = field(
        default_factory=lambda: RefineSettings(prior=0.3, root=40.0, steps=12, tolerance=1e-3)
    )
    lifted: RefineSettings = field(
        default_factory=lambda: RefineSettings(prior=0.3, root=10.0, steps=8, tolerance=1e-3)
    )


def camera_turns(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """(...) radians each -> (..., 3, 3) world (Y up) to camera axes (x right, y down, z away).

    The camera stands at `azimuth` (0: on +Z) and `elevation` above the level.
    """
    level = torch.diag(azimuth.new_tensor([1.0, -1.0, -1.0]))
    return level @ axis_rotation(elevation, "X") @ axis_rotation(-azimuth, "Y")


def without_azimuth(camera: Tensor) -> Tensor:
    """(B, 3, 3) world to camera axes -> the same camera walked round to +Z of the world."""
    towards = -camera[:, 2]  # the way to the camera, in the world
    return camera @ axis_rotation(torch.atan2(towards[:, 0], towards[:, 2]), "Y")


def likely_cameras(
    points: Tensor,
    image: Tensor,
    visibility: Tensor,
    world: Tensor | None = None,
    settings: OrientationSettings | None = None,
) -> Tensor:
    """Cameras from which a person looks as in the picture, best first.

    points: (B, 33, 3) landmarks of the pose, upright, metres; image: (B, 33, 2) in the person's
    square; visibility (B, 33); world: (B, 33, 3) metres in camera axes or None -> (B, starts, 3, 3)
    world to camera axes.
    """
    s = settings or OrientationSettings()
    headings = torch.arange(s.headings, dtype=points.dtype) * (2 * torch.pi / s.headings)
    elevations = torch.deg2rad(torch.tensor(s.elevations, dtype=points.dtype))
    cameras = camera_turns(*torch.meshgrid(headings, elevations, indexing="ij")).flatten(0, 1)
    seen = torch.einsum("cxy,bly->bclx", cameras, points)
    trust = (visibility.clamp(0, 1) ** 2).clamp_min(1e-3)
    cost = _image_cost(seen, image, trust, s)
    if world is not None:
        hips = [LEFT_HIP, RIGHT_HIP]
        off = seen - seen[:, :, hips].mean(dim=2, keepdim=True)
        off = off - (world - world[:, hips].mean(dim=1, keepdim=True))[:, None]
        spread = points.new_tensor([s.hint_sideways, s.hint_sideways, s.hint_depth])
        cost = cost + _robust_sum(((off / spread) ** 2).sum(dim=-1), trust[:, None], s.robust)
    trace = torch.einsum("cxy,dxy->cd", cameras, cameras)
    near = ((trace - 1) / 2).clamp(-1, 1).acos() < torch.deg2rad(cost.new_tensor(s.apart))
    kept = []
    for _ in range(s.starts):
        best = cost.argmin(dim=1)
        kept.append(cameras[best])
        cost = cost.masked_fill(near[best], torch.inf)
    return torch.stack(kept, dim=1)


def turn_to_landmarks(
    rotations: Tensor,
    image: Tensor,
    visibility: Tensor,
    world: Tensor | None = None,
    settings: OrientationSettings | None = None,
) -> tuple[RefineResult, Tensor]:
    """Upright poses (B, 22, 3, 3), landmarks as in `likely_cameras` -> each pose under its `starts`
    cameras (B * starts rows, of a pose next to one another), and the cameras (B * starts, 3, 3).

    The joints keep their rotations but for the joint limits. Raises ValueError as `refine` does.
    """
    s = settings or OrientationSettings()
    rotations, image, visibility = rotations.double(), image.double(), visibility.double()
    world = None if world is None else world.double()
    points = pose_landmarks(rotations, rotations.new_zeros(len(rotations), NUM_SIZES))
    cameras = likely_cameras(points, image, visibility, world, s).flatten(0, 1)
    upright = rotations.repeat_interleave(s.starts, dim=0)
    placed = torch.cat([(cameras @ upright[:, 0])[:, None], upright[:, 1:]], dim=1)
    given = [None if x is None else x.repeat_interleave(s.starts, dim=0) for x in (image, world)]
    assert given[0] is not None
    seen = visibility.repeat_interleave(s.starts, dim=0)
    made = refine(placed, given[0], seen, given[1], s.turning)
    return made, made.rotations[:, 0] @ upright[:, 0].transpose(-1, -2)


def turn_as_lifted(
    rotations: Tensor,
    image: Tensor,
    visibility: Tensor,
    lifted: Lifted,
    settings: OrientationSettings | None = None,
) -> tuple[RefineResult, Tensor]:
    """As `turn_to_landmarks`, from where the pelvis was read to face: one orientation a pose
    (B rows), and its camera (B, 3, 3). All float64."""
    s = settings or OrientationSettings()
    placed = torch.cat([lifted.root[:, None], rotations[:, 1:]], dim=1)
    made = refine(placed, image, visibility, lifted.points, s.lifted, lifted.spread)
    return made, made.rotations[:, 0] @ rotations[:, 0].transpose(-1, -2)


def _image_cost(seen: Tensor, image: Tensor, trust: Tensor, s: OrientationSettings) -> Tensor:
    """Poses in camera axes (B, C, 33, 3) -> (B, C): how far they are from the image landmarks,
    scaled and moved as suits each best."""
    flat = seen[..., :2] / (1 + s.perspective * seen[..., 2:]).clamp_min(0.2)
    share = (trust / trust.sum(dim=1, keepdim=True))[:, None, :, None]
    a = flat - (share * flat).sum(dim=2, keepdim=True)
    b = image[:, None] - (share * image[:, None]).sum(dim=2, keepdim=True)
    size = (share * a * a).sum(dim=(2, 3)).clamp_min(1e-9)
    # a mirror image asks for a scale below 0, and must not get away with a very small person
    least = 0.5 * ((share * b * b).sum(dim=(2, 3)) / size).sqrt()
    scale = torch.maximum((share * a * b).sum(dim=(2, 3)) / size, least)
    off = ((scale[..., None, None] * a - b) ** 2).sum(dim=-1) / s.image**2
    return _robust_sum(off, trust[:, None], s.robust)


def _robust_sum(squares: Tensor, weight: Tensor, robust: float) -> Tensor:
    """(B, C, 33) -> (B, C)."""
    assert squares.shape[-1] == NUM_LANDMARKS
    return (weight * robust**2 * torch.log1p(squares / robust**2)).sum(dim=-1)
