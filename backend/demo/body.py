# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
# (bpy brings no types)
"""A smooth figure for the armature: balls along the bones in one skin. Runs in Blender."""

import bpy
import numpy as np

from blender_addon.bridge.axes import to_blender
from blender_addon.shared.skeleton import JOINT_NAMES, PARENTS, joint_index, rest_joint_positions

VOXEL = 0.016  # metres
BLEND = 0.08  # metres over which a vertex passes from one bone to the next
COLOURS = {
    "middle": (0.62, 0.64, 0.68, 1.0),
    "left": (0.80, 0.26, 0.22, 1.0),
    "right": (0.16, 0.38, 0.75, 1.0),
}
_SPACING = 0.25  # of the radius, between two balls

# from joint, to joint, offsets in metres (to the character's left, up, forward), radii
_LIMBS = [
    ("hip", "knee", (0, 0, 0), (0, 0, 0), 0.088, 0.056),
    ("knee", "ankle", (0, -0.02, 0), (0, 0, 0), 0.056, 0.038),
    ("ankle", "foot", (0, -0.025, -0.03), (0, 0.0, 0), 0.036, 0.036),
    ("foot", "foot", (0, 0.0, 0), (0, -0.005, 0.07), 0.036, 0.028),
    ("collar", "shoulder", (-0.02, 0.0, 0), (0, 0, 0), 0.075, 0.062),
    ("shoulder", "elbow", (0, 0, 0), (0, 0, 0), 0.056, 0.042),
    ("elbow", "wrist", (0, 0, 0), (0, 0, 0), 0.042, 0.028),
    ("wrist", "hand", (0, 0, 0), (0.06, 0, 0), 0.034, 0.022),
]
_TRUNK = [
    ("left_hip", "right_hip", (0, 0.05, 0), (0, 0.05, 0), 0.100, 0.100),
    ("pelvis", "spine2", (0.045, 0, 0.0), (0.05, 0, 0.02), 0.095, 0.095),
    ("pelvis", "spine2", (-0.045, 0, 0.0), (-0.05, 0, 0.02), 0.095, 0.095),
    ("spine2", "spine3", (0.06, 0, 0.02), (0.07, 0.09, 0.0), 0.098, 0.095),
    ("spine2", "spine3", (-0.06, 0, 0.02), (-0.07, 0.09, 0.0), 0.098, 0.095),
    ("spine3", "neck", (0, 0.1, 0), (0, 0, 0), 0.07, 0.056),
    ("neck", "head", (0, 0, 0), (0, 0.03, 0), 0.052, 0.055),
    ("head", "head", (0, 0.06, 0.0), (0, 0.105, 0.0), 0.086, 0.095),
    ("head", "head", (0, 0.03, 0.045), (0, 0.09, 0.03), 0.05, 0.07),
]


def add_body(armature: bpy.types.Object) -> bpy.types.Object:
    """Add the figure, skinned to the bones of an armature in its rest pose."""
    joints = rest_joint_positions()
    points, radii = _balls(joints)
    ground = np.array(armature.data.bones["pelvis"].head_local) - to_blender(joints[0])
    mesh = _merged_skin(to_blender(points) + ground, radii)
    body = bpy.data.objects.new("Body", mesh)
    armature.users_collection[0].objects.link(body)
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    weights = _weights(vertices.reshape(-1, 3), to_blender(joints) + ground)
    _add_groups(body, weights)
    _colour(mesh, np.argmax(weights, axis=1))
    body.parent = armature
    body.modifiers.new("Armature", "ARMATURE").object = armature
    return body


def _balls(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) centres in SMPL's axes and (N,) radii along all limbs, both sides."""
    points, radii = [], []
    chains = [(chain, "", 1.0) for chain in _TRUNK]
    chains += [(limb, side, s) for limb in _LIMBS for side, s in (("left_", 1), ("right_", -1))]
    for (start, end, at_start, at_end, r0, r1), side, sign in chains:
        mirror = np.array([sign, 1.0, 1.0])
        a = joints[joint_index(side + start)] + np.array(at_start) * mirror
        b = joints[joint_index(side + end)] + np.array(at_end) * mirror
        count = 2 + int(np.linalg.norm(b - a) / (_SPACING * min(r0, r1)))
        t = np.linspace(0, 1, count)[:, None]
        points.append(a * (1 - t) + b * t)
        radii.append((r0 * (1 - t) + r1 * t)[:, 0])
    return np.concatenate(points), np.concatenate(radii)


def _merged_skin(centres: np.ndarray, radii: np.ndarray) -> bpy.types.Mesh:
    """One closed, smooth mesh around all balls."""
    import bmesh

    ball = bmesh.new()
    bmesh.ops.create_icosphere(ball, subdivisions=2, radius=1.0)
    unit = np.array([v.co for v in ball.verts])
    faces = np.array([[v.index for v in f.verts] for f in ball.faces])
    ball.free()
    vertices = (centres[:, None] + unit * radii[:, None, None]).reshape(-1, 3)
    all_faces = (faces + len(unit) * np.arange(len(centres))[:, None, None]).reshape(-1, 3)
    rough = bpy.data.meshes.new("Body rough")
    rough.from_pydata(vertices.tolist(), [], all_faces.tolist())

    maker = bpy.data.objects.new("Body maker", rough)
    bpy.context.scene.collection.objects.link(maker)
    remesh = maker.modifiers.new("Remesh", "REMESH")
    remesh.mode, remesh.voxel_size, remesh.use_smooth_shade = "VOXEL", VOXEL, True
    smooth = maker.modifiers.new("Smooth", "SMOOTH")
    smooth.factor, smooth.iterations = 0.5, 8
    depsgraph = bpy.context.evaluated_depsgraph_get()
    mesh = bpy.data.meshes.new_from_object(maker.evaluated_get(depsgraph))
    mesh.name = "Body"
    bpy.data.objects.remove(maker)
    bpy.data.meshes.remove(rough)
    return mesh


def _weights(vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(V, 24) share of each bone: the nearest one, blended with its neighbours in the chain."""
    distance = np.empty((len(vertices), len(JOINT_NAMES)))
    for j in range(len(JOINT_NAMES)):
        children = [c for c, parent in enumerate(PARENTS) if parent == j]
        ends = joints[children] if children else joints[[j]]
        distance[:, j] = np.min([_to_segment(vertices, joints[j], e) for e in ends], axis=0)
    nearest = np.argmin(distance, axis=1)
    related = np.eye(len(JOINT_NAMES), dtype=bool)
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            related[j, parent] = related[parent, j] = True
    beyond = distance - distance[np.arange(len(vertices)), nearest][:, None]
    weights = np.clip(1 - beyond / BLEND, 0, 1) ** 2 * related[nearest]
    return weights / weights.sum(axis=1, keepdims=True)


def _to_segment(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    along = b - a
    length = max(float(along @ along), 1e-12)
    t = np.clip((points - a) @ along / length, 0, 1)
    return np.linalg.norm(points - (a + t[:, None] * along), axis=1)


def _add_groups(body: bpy.types.Object, weights: np.ndarray) -> None:
    for j, name in enumerate(JOINT_NAMES):
        group = body.vertex_groups.new(name=name)
        for vertex in np.flatnonzero(weights[:, j] > 1e-3):
            group.add([int(vertex)], float(weights[vertex, j]), "REPLACE")


def _colour(mesh: bpy.types.Mesh, nearest: np.ndarray) -> None:
    """Left limbs red, right limbs blue: a side can be told at a glance."""
    names = list(COLOURS)
    for name in names:
        material = bpy.data.materials.new(f"Body {name}")
        material.diffuse_color = COLOURS[name]
        mesh.materials.append(material)
    arms_and_legs = ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist", "hand")
    of_joint = np.zeros(len(JOINT_NAMES), int)
    for j, name in enumerate(JOINT_NAMES):
        side, _, part = name.partition("_")
        if part in arms_and_legs:
            of_joint[j] = names.index(side)
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    starts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_start", starts)
    mesh.polygons.foreach_set("material_index", of_joint[nearest[corners[starts]]].astype(np.int32))
