# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations in the modes a posed bone can be in, continuous over time. No bpy here."""

import numpy as np

from ..shared.rotations import matrix_to_euler, quaternion_to_matrix


def euler_angles(quaternions: np.ndarray, order: str) -> np.ndarray:
    """(T, 4) -> (T, 3) radians, x, y, z as Blender keys them; `order` such as "XYZ".

    Blender's XYZ turns about x first: the matrix is Rz Ry Rx. Of the two triples that give one
    rotation, and of full turns, each frame takes the nearest to the frame before.
    """
    turned = np.radians(matrix_to_euler(quaternion_to_matrix(quaternions), order[::-1]))
    places = ["XYZ".index(axis) for axis in order[::-1]]
    first = np.zeros_like(turned)
    first[:, places] = turned
    other = first + np.pi
    middle = places[1]
    other[:, middle] = np.pi - first[:, middle]
    out = first.copy()
    for t in range(1, len(out)):
        options = np.stack([first[t], other[t]])
        options += 2 * np.pi * np.round((out[t - 1] - options) / (2 * np.pi))
        out[t] = options[np.argmin(np.abs(options - out[t - 1]).sum(axis=-1))]
    return out


def axis_angles(quaternions: np.ndarray) -> np.ndarray:
    """(T, 4) -> (T, 4) angle in radians and axis, as Blender keys rotation_axis_angle.

    The axis keeps to one side, so that values between two frames do not swing round.
    """
    sine = np.linalg.norm(quaternions[:, 1:], axis=-1)
    angle = 2 * np.arctan2(sine, quaternions[:, 0])
    axis = np.tile([0.0, 1.0, 0.0], (len(quaternions), 1))
    turns = sine > 1e-9
    axis[turns] = quaternions[turns, 1:] / sine[turns, None]
    for t in range(1, len(axis)):
        if axis[t] @ axis[t - 1] < 0:
            axis[t], angle[t] = -axis[t], -angle[t]
    return np.concatenate([angle[:, None], axis], axis=-1)
