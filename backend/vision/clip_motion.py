# SPDX-License-Identifier: Apache-2.0
"""A person seen through a clip, and the model's pose of each frame -> one motion in the world."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import REST_OFFSETS

from ..motion.foot_planting import plant_feet
from ..motion.kinematics import (
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_matrix,
    rotation_between,
    slerp,
)
from .clip_fit import ClipFit, ClipFitSettings, fit_clip
from .clip_orientation import ClipOrientationSettings, orient_clip
from .contacts import FOOT_POINTS
from .ground_path import GroundPath, PathSettings, ground_path, standing_path
from .landmark_body import NUM_SIZES, pose_landmarks
from .lifted import Lifted
from .seen_clip import SeenClip
from .skeleton33 import BONE_GROUPS

SENSOR_MM = 36.0
_FEET_SEEN = 0.3
_LEG_SIZE = 1 + BONE_GROUPS.index("legs")
_FEET = slice(27, 33)  # ankles, heels, toes

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class ClipMotionSettings:
    """Settings of each step."""

    orientation: ClipOrientationSettings = field(default_factory=ClipOrientationSettings)
    fit: ClipFitSettings = field(default_factory=ClipFitSettings)
    path: PathSettings = field(default_factory=PathSettings)


@dataclass(frozen=True)
class ClipMotion:
    """motion: T frames on the mean body, at the clip's rate, Y up, soles on y = 0, beginning over
    the origin; who looks into the camera faces +Z. camera: (3, 3) world to camera axes. in_place:
    whether there is no path because it was not asked for, or no feet were seen. joints_image:
    (T, 22, 2) pixels from the middle of the picture. error: (T,) the mean distance of the body's
    landmarks from those seen, by visibility, pixels; not a number in frames without a person.
    """

    motion: Motion
    fit: ClipFit
    path: GroundPath
    camera: np.ndarray
    in_place: bool
    joints_image: np.ndarray
    error: np.ndarray


def clip_motion(
    seen: SeenClip,
    poses: Tensor,
    lens: float = 35.0,
    in_place: bool = False,
    settings: ClipMotionSettings | None = None,
    on_progress: Progress = lambda fraction, message: None,
    lifted: Lifted | None = None,
) -> ClipMotion:
    """poses: (F, 22, 3, 3) upright and without a heading, of the F frames in which the person was
    found. lens: mm, on a 36 mm wide sensor along the picture's longer side. on_progress may raise
    to end it. lifted: what `LandmarkLifter` reads out of the landmarks of these frames (F rows); it
    then takes the world landmarks' place."""
    s = settings or ClipMotionSettings()
    focal = lens / SENSOR_MM * max(seen.size)
    upright = fill_poses(poses.detach().cpu().double(), seen.found)
    image, visibility, world, centre, half, found = (
        torch.from_numpy(x)
        for x in (seen.image, seen.visibility, seen.world, seen.centre, seen.half, seen.found)
    )
    spread = None
    if lifted is not None:
        # a gap gets what the last frame found has, and no trust: visibility is 0 there
        lifted = lifted.each(1).rows((found.cumsum(0) - 1).clamp_min(0))
        world, spread = lifted.points, lifted.spread

    def on_key(done: int, keys: int) -> None:
        on_progress(0.3 * done / keys, "Finding which way the person faces")

    ray = torch.cat([centre / focal, torch.ones_like(centre[:, :1])], dim=1)
    bend = rotation_between(ray.new_tensor([0.0, 0.0, 1.0]).expand_as(ray), ray)
    flat = torch.from_numpy(seen.in_square())
    where = orient_clip(
        upright, flat, visibility, world, found, bend, seen.fps, s.orientation, on_key, lifted
    )
    start = where.turned(upright)
    start = torch.cat([(where.camera @ start[:, 0])[:, None], start[:, 1:]], dim=1)

    def on_step(done: int, steps: int) -> None:
        on_progress(0.3 + 0.6 * done / steps, "Fitting the motion to the video")

    fit = fit_clip(start, image, visibility, world, half, focal, seen.fps, s.fit, on_step, spread)
    on_progress(0.9, "Finding the ground")
    turned = torch.cat([(where.camera.T @ fit.rotations[:, 0])[:, None], fit.rotations[:, 1:]], 1)
    body = pose_landmarks(turned, turned.new_zeros(len(turned), NUM_SIZES)).numpy()
    feet, lowest = body[:, FOOT_POINTS], body[..., 1].min(axis=1)
    in_place = in_place or bool(seen.visibility[seen.found, _FEET].mean() < _FEET_SEEN)
    if in_place:
        path = standing_path(lowest)
    else:
        # the motion plays on the mean body: its path is as long as that body's legs make it
        leg = float(torch.exp(fit.sizes[0] + fit.sizes[_LEG_SIZE]))
        path = ground_path(
            feet, lowest, fit.pelvis().numpy() / leg, where.camera.numpy(), seen.fps, s.path
        )
    local = turned.numpy()
    if path.planted.any():
        points = path.pelvis[:, None] + feet
        local = plant_feet(local, path.pelvis, points, path.planted, seen.fps)
    angles = matrix_to_axis_angle(torch.from_numpy(local)).float().numpy()
    off = np.linalg.norm(fit.landmarks_in_image().numpy() - seen.image, axis=-1)
    weight = seen.visibility / np.maximum(seen.visibility.sum(axis=1, keepdims=True), 1e-6)
    return ClipMotion(
        motion=Motion(angles, (path.pelvis - REST_OFFSETS[0]).astype(np.float32), seen.fps),
        fit=fit,
        path=path,
        camera=where.camera.numpy(),
        in_place=in_place,
        joints_image=fit.joints_in_image().numpy(),
        error=np.where(seen.found, (off * weight).sum(axis=1), np.nan),
    )


def fill_poses(poses: Tensor, found: np.ndarray) -> Tensor:
    """(F, 22, 3, 3) of the frames that were found, found (T,) bool, its ends True -> (T, 22, 3, 3),
    the others on the way between their neighbours."""
    at = np.flatnonzero(found)
    frames = np.arange(len(found))
    right = np.clip(np.searchsorted(at, frames), 1, max(len(at) - 1, 1))
    if len(at) == 1:
        return poses.expand(len(found), -1, -1, -1)
    low, high = at[right - 1], at[right]
    share = torch.from_numpy((frames - low) / (high - low)).to(poses.dtype)
    q = matrix_to_quaternion(poses)
    between = slerp(q[right - 1], q[right], share[:, None].expand(-1, q.shape[1]))
    return quaternion_to_matrix(between)
