# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip that stays where it begins: for games, which move the character. No bpy here."""

import numpy as np

from ..shared.motion import Motion
from .blend import body, pelvis_path, with_root
from .trajectory import base_line


def in_place(motion: Motion) -> Motion:
    """The motion without its way over the ground; heights, turns and the sway of the hips stay."""
    motion = body(motion)
    path = pelvis_path(motion)
    way = base_line(path[:, (0, 2)], motion.fps)
    path[:, (0, 2)] -= way - way[0]
    return with_root(motion, np.array(0.0), path)
