# SPDX-License-Identifier: Apache-2.0
"""What the readers yield."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from blender_addon.shared.skeleton import REST_OFFSETS


@dataclass(frozen=True)
class Caption:
    """A sentence about a motion and its words with their part of speech ("walk/VERB")."""

    text: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class CaptionedMotion:
    """A motion of HumanML3D's form with its sentences.

    features: (T, 12 J - 1) as published, not normalised; joints: (T, J, 3) in the data set's own
    unit, Y up; fps: frames a second; mirrored: one of the set's own mirror images.
    """

    name: str
    split: str
    mirrored: bool
    features: np.ndarray
    joints: np.ndarray
    fps: float
    captions: tuple[Caption, ...]


@dataclass(frozen=True)
class SubjectMotion:
    """A motion of one subject, SMPL, Y up, metres."""

    name: str
    subject: str
    motion: Motion


@dataclass(frozen=True)
class PosedImage:
    """A person in an image, in the camera's frame: x right, y down, z ahead, metres.

    image: the picture, or a video of which `frame` is the frame's number (else None).
    poses: (24, 3) axis-angle; trans: (3,) SMPL translation; betas: (10,).
    intrinsics: (3, 3), pixels. keypoints: (K, 3) pixels and confidence, K = 0 where none are
    published. joints: (J, 3) metres, J = 0 where none are published.
    """

    name: str
    split: str
    subject: str
    image: Path
    frame: int | None
    poses: np.ndarray
    trans: np.ndarray
    betas: np.ndarray
    gender: str
    intrinsics: np.ndarray
    keypoints: np.ndarray
    joints: np.ndarray


@dataclass(frozen=True)
class VideoAnswer:
    """One question about a video and its answer; part: the sub-folder the video is from."""

    video: Path
    part: str
    question: str
    answer: str


@dataclass(frozen=True)
class Turn:
    """One message; role is "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """A conversation with a model. flagged: moderation objected; redacted: names were removed."""

    id: str
    model: str
    language: str
    turns: tuple[Turn, ...]
    flagged: bool
    redacted: bool


def into_camera(
    poses: np.ndarray, trans: np.ndarray, rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """World (24, 3) SMPL poses and (3,) trans -> the same in a camera's frame.

    rotation (3, 3), translation (3,) metres: camera = rotation @ world + translation. SMPL turns
    about the pelvis, which is taken to be the mean body's.
    """
    turned = poses.copy()
    turned[0] = matrix_to_axis_angle(rotation @ axis_angle_to_matrix(poses[0]))
    pelvis = rotation @ (trans + REST_OFFSETS[0]) + translation
    return turned, pelvis - REST_OFFSETS[0]
