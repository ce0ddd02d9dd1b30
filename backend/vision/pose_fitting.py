# SPDX-License-Identifier: Apache-2.0
"""From the model's poses to one pose in the picture: orientation, then the refine step.

Letters: B people, S poses that the model drew for each.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..motion.kinematics import forward_kinematics
from .landmark_body import NUM_SIZES, pose_landmarks
from .lifted import Lifted
from .orientation import (
    OrientationSettings,
    turn_as_lifted,
    turn_to_landmarks,
    without_azimuth,
)
from .refine import RefineResult, RefineSettings, refine

_REFINED = 2  # how many of a person's turned poses go on to the refine step


@dataclass(frozen=True)
class FittedPoses:
    """B poses, each the one of its samples and orientations that meets the landmarks best.

    turned: the model's poses, only turned to the camera. final: after the refine step, or `turned`
    where it was not asked for. camera: (B, 3, 3) world (Y up, the camera on +Z) to camera axes.
    sample: (B,) which of the model's poses `final` comes from.
    """

    turned: RefineResult
    final: RefineResult
    camera: Tensor
    sample: Tensor

    def upright(self) -> Tensor:
        """(B, 22, 3, 3) local rotations of `final`, the root's upright in the world."""
        return upright(self.final.rotations, self.camera)


def fit_poses(
    poses: Tensor,
    image: Tensor,
    visibility: Tensor,
    world: Tensor,
    *,
    lifted: Lifted | None = None,
    refined: bool = True,
    orientation: OrientationSettings | None = None,
    settings: RefineSettings | None = None,
) -> FittedPoses:
    """Poses (B, S, 22, 3, 3) with the heading taken out of the root, image landmarks (B, 33, 2) in
    the person's square, visibility (B, 33), world landmarks (B, 33, 3) metres -> poses in the
    picture. float64, on the CPU. Raises ValueError as `refine` does.

    lifted: what `LandmarkLifter` reads out of the landmarks; it then takes the world landmarks'
    place. settings: of the refine step; for `lifted` landmarks others are the default.
    """
    people, samples = poses.shape[:2]
    landmarks = [x.detach().cpu().double() for x in (image, visibility, world)]
    drawn = poses.detach().cpu().double().flatten(0, 1)
    flat, trust, depths = (x.repeat_interleave(samples, dim=0) for x in landmarks)
    if lifted is None:
        made, cameras = turn_to_landmarks(drawn, flat, trust, depths, settings=orientation)
    else:
        made, cameras = turn_as_lifted(drawn, flat, trust, lifted.each(samples), orientation)
    each = len(made.after) // people  # rows of a person: samples times orientations
    order = made.after.unflatten(0, (people, each)).argsort(dim=1)
    order = order + torch.arange(people)[:, None] * each
    chosen = order[:, 0]
    turned = final = _rows(made, chosen)
    if refined:
        kept = order[:, :_REFINED].flatten()
        count = len(kept) // people
        seen = [x.repeat_interleave(count, dim=0) for x in landmarks]
        spread = None
        if lifted is not None:
            settings = settings or lifted_settings()
            again = lifted.each(count)
            seen[2], spread = again.points, again.spread
        fits = refine(made.rotations[kept], *seen, settings=settings, spread=spread)
        best = fits.after.unflatten(0, (people, count)).argmin(dim=1)
        best = best + torch.arange(people) * count
        final, chosen = _rows(fits, best), kept[best]
    sample = chosen % each // (each // samples)
    return FittedPoses(turned, final, without_azimuth(cameras[chosen]), sample)


def lifted_settings() -> RefineSettings:
    """How far things are trusted beside lifted landmarks: tuned on simulated people."""
    return RefineSettings(image=0.04, lifted=1.0, prior=18.0, root=10.0)


def upright(rotations: Tensor, camera: Tensor) -> Tensor:
    """Local rotations (B, 22, 3, 3) with the root's in camera axes, camera (B, 3, 3) world to
    camera axes -> the same with the root's in the world."""
    root = camera.transpose(-1, -2) @ rotations[:, 0]
    return torch.cat([root[:, None], rotations[:, 1:]], dim=1)


def above_ground(rotations: Tensor) -> Tensor:
    """Upright poses (B, 22, 3, 3) -> (B, 3) SMPL translation, metres: the pelvis over the origin
    and the lowest landmark of the mean body on the ground."""
    sizes = rotations.new_zeros(len(rotations), NUM_SIZES)
    lowest = pose_landmarks(rotations, sizes)[..., 1].amin(dim=1)
    pelvis = forward_kinematics(rotations, rotations.new_zeros(len(rotations), 3))[0][:, 0]
    trans = -pelvis
    trans[:, 1] -= lowest
    return trans


def _rows(result: RefineResult, index: Tensor) -> RefineResult:
    return RefineResult(**{f.name: getattr(result, f.name)[index] for f in fields(result)})
