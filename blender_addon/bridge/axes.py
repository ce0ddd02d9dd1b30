# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where SMPL's axes (Y up, facing +Z) become Blender's (Z up, facing -Y)."""

import numpy as np

BLENDER_FROM_SMPL: np.ndarray = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
BLENDER_FROM_SMPL.setflags(write=False)


def to_blender(points: np.ndarray) -> np.ndarray:
    """(..., 3) SMPL points or directions -> Blender's axes, same units."""
    return points @ BLENDER_FROM_SMPL.T


def to_smpl(points: np.ndarray) -> np.ndarray:
    """(..., 3) Blender points or directions -> SMPL's axes, same units."""
    return points @ BLENDER_FROM_SMPL
