# SPDX-License-Identifier: Apache-2.0
"""A picture of a person to a pose: landmarks, the model's five codes, orientation, refine step."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from blender_addon.shared.motion import Motion

from ..errors import Cancelled, InvalidInput
from ..model.decoding import SamplingOptions
from ..model.hmvlm import Hmvlm
from ..model.loading import vision_tower
from ..model.pose_decoding import offer_poses
from ..model.vision_projector import landmark_features
from ..motion.kinematics import matrix_to_axis_angle
from ..motion.representation import FPS
from ..vision.blazepose import BlazePose
from ..vision.crops import Square, cut
from ..vision.images import Picture
from ..vision.landmarks import Landmarks, as_picture, estimate_landmarks
from ..vision.person_square import person_square, to_square
from ..vision.pose_fitting import FittedPoses, above_ground, fit_poses
from .requests import PoseParams, validate_pose

_UPSIDE_DOWN = np.radians(135.0)

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class PoseResult:
    """motion: the pose as one frame, Y up, upright, standing on the ground at the origin; who looks
    into the camera faces +Z. camera: (3, 3) world to camera axes (x right, y down, z away), and
    root_camera: (3,) axis-angle of the pelvis in these. landmarks: what BlazePose found, in the
    picture and in its mirror image, pixels of the picture; joints_image: (22, 2) pixels, the pose's
    joints. error_pixels: mean distance of the pose's landmarks from BlazePose's, weighed by
    visibility. codes: (P,). alpha: (E,). fitted: the pose (B = 1) before and after the refine step,
    in camera axes.
    """

    motion: Motion
    camera: np.ndarray
    root_camera: np.ndarray
    landmarks: Landmarks
    joints_image: np.ndarray
    error_pixels: float
    codes: np.ndarray
    alpha: list[float]
    seed: int
    fitted: FittedPoses


def pose_estimation(
    model: Hmvlm,
    params: PoseParams,
    networks: BlazePose | None = None,
    on_progress: Progress = lambda fraction, message: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> PoseResult:
    """The pose of one person in a picture.

    networks: loaded for this call when None. Raises InvalidInput for a request or a picture that
    cannot be used, AssetError for weights that read no pictures, Cancelled once is_cancelled().
    """
    validate_pose(params)
    model.seeing()
    alpha = model.pose_alpha()
    on_progress(0.05, "Looking for the person")
    picture = as_picture(params.image)
    landmarks = estimate_landmarks(picture, params.box, networks, both_ways=True)
    if abs(landmarks.square.angle) > _UPSIDE_DOWN:
        raise InvalidInput(
            "The person is upside down in the picture, which no pose was learned for. Turn the "
            "picture by 180 degrees."
        )
    centre, half = person_square(landmarks.image[:, :2], landmarks.visibility, picture.size)
    image, visibility, world = _tensors(landmarks, centre, half)
    if is_cancelled():
        raise Cancelled
    on_progress(0.3, "Reading the pose")
    seen = _seen(model, picture, (centre, float(half)), (image, visibility, world))
    codes, poses = _offer(model, seen, alpha, params)
    if is_cancelled():
        raise Cancelled
    on_progress(0.6, "Fitting the pose to the picture")
    fitted = fit_poses(
        poses[None], image, visibility, world, lifted=model.lift(seen), refined=params.refine
    )
    on_progress(1.0, "Done")
    return _result(fitted, codes, landmarks, (centre, float(half)), alpha, params.seed)


def _tensors(landmarks: Landmarks, centre: np.ndarray, half: np.ndarray) -> list[Tensor]:
    """Image landmarks (1, 33, 2) in the person's square, visibility (1, 33), world (1, 33, 3)."""
    flat = to_square(landmarks.image[:, :2], centre, half)
    return [
        torch.from_numpy(x).float()[None] for x in (flat, landmarks.visibility, landmarks.world)
    ]


def _seen(
    model: Hmvlm, picture: Picture, square: tuple[np.ndarray, float], landmarks: tuple[Tensor, ...]
) -> Tensor:
    """What the model's projector reads: the landmarks, or patches of the square around them."""
    vision = model.config.vision
    assert vision is not None
    if vision.kind == "landmarks":
        return landmark_features(*landmarks).to(model.device)
    tower = vision_tower(model)
    scale = picture.scale
    crop = Square(square[0] / scale, 2 * square[1] / float(scale.mean()))
    return tower.patches(cut(picture.pixels, crop, tower.size)[None])


def _offer(model: Hmvlm, seen: Tensor, alpha: Tensor, params: PoseParams) -> tuple[Tensor, Tensor]:
    """(S, P) codes and (S, 22, 3, 3) poses."""
    with torch.inference_mode():
        states = model.pose_states(seen, alpha.to(model.device))
    options = SamplingOptions(params.temperature, params.top_p)
    codes, poses = offer_poses(model, states, options, params.seed, params.samples)
    return codes[0].cpu(), poses[0].cpu().clone()


def _result(
    fitted: FittedPoses,
    codes: Tensor,
    landmarks: Landmarks,
    square: tuple[np.ndarray, float],
    alpha: Tensor,
    seed: int,
) -> PoseResult:
    centre, half = square
    upright = fitted.upright()
    motion = Motion(
        matrix_to_axis_angle(upright).float().numpy(),
        above_ground(upright).float().numpy(),
        float(FPS),
    )
    points = fitted.final.landmarks_in_image()[0].numpy() * half + centre
    off = np.linalg.norm(points - landmarks.image[:, :2], axis=-1)
    weight = landmarks.visibility / max(landmarks.visibility.sum(), 1e-6)
    return PoseResult(
        motion=motion,
        camera=fitted.camera[0].numpy(),
        root_camera=matrix_to_axis_angle(fitted.final.rotations[0, 0]).numpy(),
        landmarks=landmarks,
        joints_image=fitted.final.joints_in_image()[0].numpy() * half + centre,
        error_pixels=float((off * weight).sum()),
        codes=codes[int(fitted.sample[0])].numpy(),
        alpha=[float(a) for a in alpha[0]],
        seed=seed,
        fitted=fitted,
    )
