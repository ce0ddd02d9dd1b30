# SPDX-License-Identifier: Apache-2.0
"""MakeHuman's base mesh: vertices, faces by group, shapes, and a skeleton with SMPL's joints.

The mesh counts in decimetres, Y up, facing +Z, as SMPL does. A joint is the middle of a small
cube of the mesh. The rig "game engine" has one bone for each of SMPL's 22 joints, and fingers.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backend.errors import AssetError
from blender_addon.shared.skeleton import JOINT_NAMES, NUM_BODY_JOINTS

OBJ_FILE = "base.obj"
WEIGHTS_FILE = "weights.json"
TARGET_SUFFIX = ".target.gz"
_METRES = 0.1

# SMPL joint without its side -> (cube of the mesh, bone of the rig)
_PLACES = {
    "pelvis": ("pelvis", "pelvis"),
    "hip": ("upper-leg", "thigh"),
    "spine1": ("spine-4", "spine_01"),
    "knee": ("knee", "calf"),
    "spine2": ("spine-3", "spine_02"),
    "ankle": ("ankle", "foot"),
    "spine3": ("spine-2", "spine_03"),
    "foot": ("foot-1", "ball"),
    "neck": ("neck", "neck_01"),
    "collar": ("clavicle", "clavicle"),
    "head": ("head", "head"),
    "shoulder": ("shoulder", "upperarm"),
    "elbow": ("elbow", "lowerarm"),
    "wrist": ("hand", "hand"),
    "hand": ("finger-3-1", ""),
}
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")


@dataclass(frozen=True)
class BaseMesh:
    """vertices: (V, 3) metres, at rest with the arms half down; faces: group -> (F, 4) vertices;
    weights: (V, 22) shares of SMPL's joints, 1 in all; cubes: joint cube -> its vertices;
    targets: shape -> (V, 3) metres to add."""

    vertices: np.ndarray
    faces: Mapping[str, np.ndarray]
    weights: np.ndarray
    cubes: Mapping[str, np.ndarray]
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)

    def shaped(self, amounts: Mapping[str, float]) -> np.ndarray:
        """(V, 3) metres with a share of each named target. Raises AssetError for an unknown one."""
        out = self.vertices.copy()
        for name, amount in amounts.items():
            if name not in self.targets:
                raise AssetError(f"The figure has no shape '{name}'.")
            out += amount * self.targets[name]
        return out

    def joints(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) -> (24, 3) SMPL's joints of a shape; the hands are the middle fingers' roots."""
        names = [_cube(name) for name in JOINT_NAMES]
        return np.stack([self.middle(vertices, name) for name in names])

    def middle(self, vertices: np.ndarray, cube: str) -> np.ndarray:
        """(3,) where the joint cube of that name is. Raises AssetError for an unknown one."""
        if cube not in self.cubes:
            raise AssetError(f"The figure has no joint '{cube}'.")
        return vertices[self.cubes[cube]].mean(axis=0)


def read_base_mesh(folder: Path) -> BaseMesh:
    """The mesh in a folder of the asset `figure`. Raises AssetError when it cannot be read."""
    try:
        vertices, faces = read_obj((folder / OBJ_FILE).read_text("utf-8"))
        bones = json.loads((folder / WEIGHTS_FILE).read_text("utf-8"))["weights"]
        targets = {
            path.name.removesuffix(TARGET_SUFFIX): read_target(path, len(vertices))
            for path in sorted(folder.glob("*" + TARGET_SUFFIX))
        }
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise AssetError(
            f"The figure in {folder} cannot be read ({error}). Run `hmvlm fetch --force figure`."
        ) from error
    cubes = {name: np.unique(quads) for name, quads in faces.items() if name.startswith("joint-")}
    solid = {name: quads for name, quads in faces.items() if name not in cubes}
    return BaseMesh(vertices, solid, joint_weights(bones, len(vertices)), cubes, targets)


def read_obj(text: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Wavefront OBJ of quads in decimetres -> (V, 3) metres, group -> (F, 4) int32.

    Raises ValueError when a face is no quad.
    """
    vertices: list[list[float]] = []
    faces: dict[str, list[list[int]]] = {}
    group = ""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            quad = [int(corner.split("/")[0]) - 1 for corner in rest.split()]
            if len(quad) != 4:
                raise ValueError(f"a face of {len(quad)} corners")
            faces.setdefault(group, []).append(quad)
    quads = {name: np.array(rows, dtype=np.int32) for name, rows in faces.items()}
    return np.array(vertices) * _METRES, quads


def read_target(path: Path, count: int) -> np.ndarray:
    """A gzipped MakeHuman target of a mesh with `count` vertices -> (count, 3) metres."""
    moved = np.zeros((count, 3))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if words and not words[0].startswith("#"):
                moved[int(words[0])] = [float(x) * _METRES for x in words[1:4]]
    return moved


def joint_weights(bones: Mapping[str, list], count: int) -> np.ndarray:
    """Bone -> [vertex, weight] pairs -> (count, 22); fingers count for the wrist, the root bone
    for the pelvis. Raises KeyError for a rig without a bone that is needed."""
    out = np.zeros((count, NUM_BODY_JOINTS))
    owner = {_bone(name): j for j, name in enumerate(JOINT_NAMES[:NUM_BODY_JOINTS])}
    for bone in owner:
        if bone not in bones:
            raise KeyError(f"no bone {bone}")
    for bone, pairs in bones.items():
        side = bone[-2:]
        finger = bone.partition("_")[0] in _FINGERS
        joint = owner["hand" + side] if finger else owner.get(bone, 0)
        for vertex, weight in pairs:
            out[vertex, joint] += weight
    total = out.sum(axis=1, keepdims=True)
    return out / np.where(total > 0, total, 1.0)


def _cube(joint: str) -> str:
    side, _, part = joint.rpartition("_")
    place = _PLACES[part][0]
    return f"joint-{side[0]}-{place}" if side else f"joint-{place}"


def _bone(joint: str) -> str:
    side, _, part = joint.rpartition("_")
    place = _PLACES[part][1]
    return f"{place}_{side[0]}" if side else place
