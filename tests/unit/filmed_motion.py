# SPDX-License-Identifier: Apache-2.0
"""Motions as a standing camera films them: landmarks in pixels, with a landmark model's noise."""

from dataclasses import dataclass

import numpy as np
import torch

from backend.vision.crops import Square
from backend.vision.landmarks import Landmarks
from backend.vision.lifted import Lifted
from backend.vision.skeleton33 import LEFT_HIP, RIGHT_HIP, mean_bodies, place_landmarks, pose_bodies
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix, axis_rotation
from blender_addon.shared.skeleton import REST_OFFSETS
from training.data.depth_errors import DepthErrorSettings, along_limbs, wrong_world_landmarks
from training.data.simulated_cameras import Draws, camera_turns

SIZE = (1280, 720)
_LIFTED_OFF = 0.04


@dataclass(frozen=True)
class Filmed:
    """tracked: what the landmark model saw. poses: (T, 22, 3, 3) upright, the heading taken out, as
    the model would say, noisy. joints: (T, 22, 3) metres, the truth in the world. camera: (3, 3)
    world to camera. lifted: as a network would put the landmarks right in depth, a little off."""

    tracked: list[Landmarks]
    poses: torch.Tensor
    joints: np.ndarray
    camera: np.ndarray
    lifted: Lifted


def film(
    motion: Motion,
    azimuth: float = 30.0,
    elevation: float = 8.0,
    lens: float = 35.0,
    noise: float = 0.013,
    pose_noise: float = 8.0,
    seed: int = 0,
) -> Filmed:
    """noise: mean distance of a landmark from its place, a share of the person's square, drawn anew
    in each frame but for a third. pose_noise: degrees, of each joint in each frame."""
    rng = np.random.default_rng(seed)
    frames = motion.num_frames
    local = axis_angle_to_matrix(motion.poses[:, :22].astype(np.float64))
    bodies = mean_bodies(frames)
    turns, joints = pose_bodies(local, bodies)
    pelvis = motion.trans.astype(np.float64) + REST_OFFSETS[0]
    camera = camera_turns(np.radians([azimuth]), np.radians([elevation]), np.zeros(1))[0]
    points = place_landmarks(turns, joints)
    in_camera = (pelvis - (pelvis.max(axis=0) + pelvis.min(axis=0)) / 2) @ camera.T
    wide = np.abs(in_camera).max() + 1.3
    focal = lens / 36 * SIZE[0]
    distance = max(focal * wide / (SIZE[1] / 2) / 0.95, 2.5)
    seen = points @ camera.T
    placed = seen + in_camera[:, None] + [0.0, 0.0, distance]
    image = focal * placed[..., :2] / placed[..., 2:] + np.array(SIZE) / 2
    square = np.ptp(image, axis=1).max(axis=-1) / 0.8
    draws = Draws(rng, 1, frames)
    spread = noise / np.sqrt(np.pi / 2) * square[:, None, None]
    image = image + spread * along_limbs(draws.normal(33, 2, kept=1 / 3), 0.6)
    world = wrong_world_landmarks(draws, seen, DepthErrorSettings())
    yaw = np.arctan2(-local[:, 0, 2, 0], local[:, 0, 0, 0])
    said = local.copy()
    said[:, 0] = axis_rotation(-yaw, "Y") @ said[:, 0]
    wrong = np.radians(pose_noise) * rng.standard_normal((frames, 22, 3)) / np.sqrt(3)
    said = said @ axis_angle_to_matrix(wrong)
    hips = world[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)
    tracked = [
        Landmarks(
            image=np.concatenate([image[t], np.zeros((33, 1))], axis=1),
            world=(world - hips)[t],
            visibility=np.full(33, 0.97),
            presence=np.ones(33),
            score=0.95,
            square=Square(image[t].mean(axis=0), float(square[t])),
        )
        for t in range(frames)
    ]
    true = joints[:, :22] + pelvis[:, None]
    about = seen - seen[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)
    off = _LIFTED_OFF * rng.standard_normal(about.shape)
    lifted = (about + off, np.full(about.shape, _LIFTED_OFF), camera @ local[:, 0])
    return Filmed(
        tracked,
        torch.from_numpy(said),
        true,
        camera,
        Lifted(*(torch.from_numpy(x) for x in lifted)),
    )
