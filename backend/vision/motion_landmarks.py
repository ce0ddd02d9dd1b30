# SPDX-License-Identifier: Apache-2.0
"""The landmarks that a motion would show to a camera standing before it, free of mistakes."""

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix

from ..motion.representation import canonicalize
from .skeleton33 import NUM_LANDMARKS, mean_bodies, place_landmarks, pose_bodies

_SEEN = 0.95  # how sure BlazePose is of a point in plain view
_FOCAL = 2.5  # in half heights of the picture: 44 degrees
_FILL = 0.8
_CAMERA = np.diag([1.0, -1.0, -1.0])  # on +Z: right is +X, down is -Y, away is -Z
_NEAREST_M = 2.0


def motion_landmarks(
    motion: Motion, frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frames (F,) of a motion -> image (F, 33, 2) in half heights of the picture, visibility
    (F, 33), world (F, 33, 3), as BlazePose gives them.

    The mean body; the camera stands level on the side that the first frame faces, far enough away
    to have all of these frames in its picture.
    """
    shown = canonicalize(motion)
    rotations = axis_angle_to_matrix(shown.poses[frames, :22])
    rotations[:, 0] = _CAMERA @ rotations[:, 0]
    bodies = mean_bodies(len(frames))
    points = place_landmarks(*pose_bodies(rotations, bodies), bodies.landmark_offsets)
    way = shown.trans[frames] @ _CAMERA.T
    placed = points + (way - way.mean(axis=0))[:, None]
    distance = max(
        _FOCAL * float(np.abs(placed[..., :2]).max()) / _FILL - float(placed[..., 2].min()),
        _NEAREST_M - float(placed[..., 2].min()),
    )
    image = _FOCAL * placed[..., :2] / (placed[..., 2:] + distance)
    return image, np.full((len(frames), NUM_LANDMARKS), _SEEN), points
