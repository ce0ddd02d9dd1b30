# SPDX-License-Identifier: Apache-2.0
"""Smooth motions that the tests make up."""

import numpy as np

from blender_addon.shared.motion import Motion


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
