# SPDX-License-Identifier: GPL-3.0-or-later
"""A curve object as the line on the ground that a motion is led along."""

import bpy
import numpy as np

from ..core.rest_frame import rest_frame
from ..shared.skeleton import rest_joint_positions
from .armature import is_smpl_armature
from .axes import to_smpl
from .errors import BridgeError
from .rig import read_rig
from .rig_mapping import rig_settings


def ground_path(
    scene: bpy.types.Scene, armature: bpy.types.Object, curve: bpy.types.Object
) -> tuple[tuple[tuple[float, float], ...], bool]:
    """((x, z) points of the curve's first spline, whether it is closed), as SMPL sees them.

    That is: metres of a body of SMPL's size in the armature's own space. Raises BridgeError.
    """
    points, closed = curve_points(curve)
    world = np.array(curve.matrix_world)
    there = np.linalg.inv(np.array(armature.matrix_world)) @ world
    local = points @ there[:3, :3].T + there[:3, 3]
    if is_smpl_armature(armature):
        seen = to_smpl(local)
    else:
        rig = read_rig(armature)
        bones = rig_settings(scene, armature).bones
        frame = rest_frame(rig, {j: rig.index[b] for j, b in bones.items() if b})
        seen = (local - frame.hips) @ frame.axes / frame.scale
        seen = seen + rest_joint_positions(3)[1:3].mean(axis=0)
    flat = seen[:, (0, 2)]
    if np.linalg.norm(np.diff(flat, axis=0), axis=-1).sum() < 0.5:
        raise BridgeError(
            f"'{curve.name}' is shorter than half a metre on the ground: choose a longer curve."
        )
    return tuple((float(x), float(z)) for x, z in flat), closed


def curve_points(curve: bpy.types.Object) -> tuple[np.ndarray, bool]:
    """((N, 3) points of the first spline in the curve's own space, whether it is closed)."""
    if curve.type != "CURVE" or not curve.data.splines:
        raise BridgeError(f"'{curve.name}' has no spline: choose a curve to walk along.")
    data = curve.data.copy()
    thing = bpy.data.objects.new("HMVLM path", data)
    try:
        while len(data.splines) > 1:
            data.splines.remove(data.splines[-1])
        data.dimensions, data.extrude, data.bevel_depth, data.offset = "3D", 0.0, 0.0, 0.0
        data.bevel_object = None
        closed = data.splines[0].use_cyclic_u
        mesh = thing.to_mesh()
        values = np.zeros(len(mesh.vertices) * 3, dtype=np.float32)
        mesh.vertices.foreach_get("co", values)
        thing.to_mesh_clear()
    finally:
        bpy.data.objects.remove(thing)
        bpy.data.curves.remove(data)
    points = values.reshape(-1, 3).astype(np.float64)
    if len(points) < 2:
        raise BridgeError(f"'{curve.name}' has a single point: choose a curve to walk along.")
    return points, closed
