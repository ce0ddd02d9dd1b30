# SPDX-License-Identifier: Apache-2.0
"""Smooth motions that the tests make up."""

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import REST_OFFSETS


def smooth_motion(seconds: float = 3.0, fps: float = 20.0, seed: int = 0) -> Motion:
    """A walk on a curve with every joint swaying: 22 joints, facing +Z at first, Y up."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * fps)
    t = np.arange(frames) / fps
    poses = np.zeros((frames, 22, 3))
    for hertz in (0.3, 0.7, 1.1):
        phase = rng.uniform(0, 2 * np.pi, (22, 3))
        poses += 0.12 * np.sin(2 * np.pi * hertz * t[:, None, None] + phase)
    poses[:, 0] = np.stack([0.05 * np.sin(3 * t), 0.9 * t, 0.05 * np.cos(2 * t)], axis=-1)
    trans = np.stack([np.sin(0.9 * t), 1.15 + 0.03 * np.sin(6 * t), t - np.cos(t)], axis=-1)
    return Motion(poses, trans, fps)


def stepping_motion(seconds: float = 4.0, fps: float = 20.0, stride: float = 0.6) -> Motion:
    """A walk whose feet really are planted: each rolls over its toe, swings, and lands flat.

    The pelvis goes on at a steady pace, straight ahead (+Z); arms swing. Y up.
    """
    t = np.arange(round(seconds * fps)) / fps
    poses = np.zeros((len(t), 22, 3))
    trans = np.stack([0 * t, 0.9 - REST_OFFSETS[0, 1] + 0 * t, stride * t], axis=-1)
    hips = trans + REST_OFFSETS[0]
    for k, (hip, knee, ankle, foot) in enumerate(((1, 4, 7, 10), (2, 5, 8, 11))):
        phase = (t / 2.0 + 0.5 * k) % 1.0  # two seconds a cycle; planted for its first 60 %
        cycle = np.floor(t / 2.0 + 0.5 * k)
        swing = np.clip((phase - 0.6) / 0.4, 0.0, 1.0)
        eased = swing * swing * (3 - 2 * swing)
        toe_z = 2 * stride * (cycle - 0.5 * k + 0.3 + eased)
        toe_y = 0.025 + 0.08 * np.sin(np.pi * swing)
        pitch = 0.6 * np.clip((phase - 0.35) / 0.25, 0.0, 1.0) * (1 - eased)
        # the toe is where it has to be; the ankle follows from the foot's pitch, the rest from it
        y, z = REST_OFFSETS[foot, 1:]
        sole_y, sole_z = (
            np.cos(pitch) * y - np.sin(pitch) * z,
            np.sin(pitch) * y + np.cos(pitch) * z,
        )
        down = toe_y - sole_y - hips[:, 1] - REST_OFFSETS[hip, 1]
        ahead = toe_z - sole_z - hips[:, 2] - REST_OFFSETS[hip, 2]
        upper, lower = REST_OFFSETS[knee, 1:], REST_OFFSETS[ankle, 1:]
        a, b = np.linalg.norm(upper), np.linalg.norm(lower)
        reach = np.minimum(np.hypot(down, ahead), 0.999 * (a + b))
        bend = np.arccos((reach**2 - a * a - b * b) / (2 * a * b))
        inner = np.arccos((reach**2 + a * a - b * b) / (2 * a * reach))
        thigh = np.arctan2(ahead, -down) + inner
        poses[:, hip, 0] = np.arctan2(upper[1], -upper[0]) - thigh
        shin = thigh - bend
        poses[:, knee, 0] = np.arctan2(lower[1], -lower[0]) - shin - poses[:, hip, 0]
        poses[:, ankle, 0] = pitch - poses[:, hip, 0] - poses[:, knee, 0]
    swing = 0.4 * np.sin(np.pi * t)
    poses[:, 16] = np.stack([swing, 0 * t, -1.2 + 0 * t], axis=-1)
    poses[:, 17] = np.stack([-swing, 0 * t, 1.2 + 0 * t], axis=-1)
    poses[:, 9, 1] = 0.1 * np.sin(np.pi * t)
    return Motion(poses, trans, fps)
