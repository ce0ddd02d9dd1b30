# SPDX-License-Identifier: Apache-2.0
"""Four people made of the one mesh: shapes, clothes and colours by face.

Clothes are the mesh's own close-fitting helper layer; the skin under it is left out, so that none
of it shows through. Faces are coloured by the joints that carry them and by where they lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from blender_addon.shared.skeleton import joint_index

from .mesh import BaseMesh

MATERIALS = ("skin", "shirt", "trousers", "shoes", "hair", "eye", "iris", "lips")
Colour = tuple[float, float, float]
_HAIR_DEPTH = 0.014  # metres that the hair stands off the skull
# depth behind the eyes -> height over the eyes where the hair begins, metres
_HAIRLINE = ((0.0, 0.045, 0.08, 0.115), (0.062, 0.052, 0.03, -0.055))
_EARS = 0.074  # metres from the middle, where the ears stand out of the hair


@dataclass(frozen=True)
class Look:
    """shape: targets of the mesh and how much of each. colours: linear RGB from 0 to 1 of each
    material. bare_arms: a shirt with short sleeves."""

    shape: Mapping[str, float]
    colours: Mapping[str, Colour]
    bare_arms: bool = False


@dataclass(frozen=True)
class Figure:
    """A person at rest. vertices: (V, 3) metres; faces: (F, 4) int32; materials: (F,) int32, into
    MATERIALS; colours: (M, 3); weights: (V, 22); joints: (24, 3) metres; nose: its tip's vertex."""

    vertices: np.ndarray
    faces: np.ndarray
    materials: np.ndarray
    colours: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    nose: int


def _colours(skin: Colour, shirt: Colour, trousers: Colour, shoes: Colour, hair: Colour) -> dict:
    lips = (skin[0] * 0.85, skin[1] * 0.6, skin[2] * 0.6)
    white, iris = (0.9, 0.9, 0.88), (0.08, 0.05, 0.03)
    values = (skin, shirt, trousers, shoes, hair, white, iris, lips)
    return dict(zip(MATERIALS, values, strict=True))


LOOKS: tuple[Look, ...] = (
    Look(
        {"caucasian-male-young": 1.0},
        _colours(
            (0.80, 0.56, 0.45),
            (0.62, 0.12, 0.10),
            (0.08, 0.11, 0.20),
            (0.05, 0.05, 0.05),
            (0.12, 0.07, 0.04),
        ),
        bare_arms=True,
    ),
    Look(
        {"african-female-young": 1.0},
        _colours(
            (0.30, 0.17, 0.11),
            (0.85, 0.72, 0.25),
            (0.16, 0.22, 0.16),
            (0.80, 0.80, 0.80),
            (0.02, 0.02, 0.02),
        ),
    ),
    Look(
        {"asian-male-young": 1.0, "universal-male-young-averagemuscle-maxweight": 0.5},
        _colours(
            (0.74, 0.54, 0.40),
            (0.75, 0.77, 0.80),
            (0.24, 0.20, 0.15),
            (0.10, 0.06, 0.04),
            (0.02, 0.02, 0.02),
        ),
    ),
    Look(
        {"caucasian-female-young": 1.0, "universal-female-young-averagemuscle-minweight": 0.4},
        _colours(
            (0.84, 0.62, 0.52),
            (0.10, 0.30, 0.48),
            (0.03, 0.03, 0.03),
            (0.45, 0.05, 0.06),
            (0.42, 0.26, 0.10),
        ),
        bare_arms=True,
    ),
)


def make_figure(mesh: BaseMesh, look: Look) -> Figure:
    """The mesh in one person's shape and clothes."""
    vertices = mesh.shaped(look.shape)
    skin, skin_colours = _skin_faces(mesh, vertices, look)
    cloth, cloth_colours = _cloth_faces(mesh, look)
    eyes, eye_colours = _eye_faces(mesh, vertices)
    faces = np.concatenate([skin, cloth, eyes])
    materials = np.concatenate([skin_colours, cloth_colours, eye_colours]).astype(np.int32)
    nose = _nose(mesh, vertices)
    joints = mesh.joints(vertices)
    vertices = _with_hair(vertices, skin, skin[skin_colours == MATERIALS.index("hair")])
    used = np.unique(faces)
    return Figure(
        vertices=vertices[used],
        faces=np.searchsorted(used, faces).astype(np.int32),
        materials=materials,
        colours=np.array([look.colours[name] for name in MATERIALS]),
        weights=mesh.weights[used],
        joints=joints,
        nose=int(np.searchsorted(used, nose)),
    )


def _share(mesh: BaseMesh, faces: np.ndarray, *names: str) -> np.ndarray:
    """(F,) how much of each face the joints of these names carry, both sides."""
    joints = [joint_index(f"{side}_{name}") for name in names for side in ("left", "right")]
    return mesh.weights[faces].mean(axis=1)[:, joints].sum(axis=1)


def _skin_faces(mesh: BaseMesh, vertices: np.ndarray, look: Look) -> tuple[np.ndarray, np.ndarray]:
    faces = mesh.faces["body"]
    carried = mesh.weights[faces].mean(axis=1)
    head = carried[:, joint_index("head")]
    bare = head + carried[:, joint_index("neck")] + _share(mesh, faces, "wrist") > 0.02
    if look.bare_arms:
        bare |= _share(mesh, faces, "elbow") > 0.2
    faces, head = faces[bare], head[bare]
    middle = vertices[faces].mean(axis=1)
    eye = mesh.middle(vertices, "joint-l-eye")
    above, behind = middle[:, 1] - eye[1], eye[2] - middle[:, 2]
    hair = (head > 0.5) & (above > np.interp(behind, *_HAIRLINE))
    hair &= (np.abs(middle[:, 0]) < _EARS) | (above > 0.04)
    brow = (np.abs(above - 0.022) < 0.004) & (np.abs(np.abs(middle[:, 0]) - eye[0]) < 0.022)
    hair_like = hair | (brow & (head > 0.5) & (behind < 0.0))
    mouth = middle - mesh.middle(vertices, "joint-mouth")
    lips = (np.abs(mouth[:, 0]) < 0.024) & (np.abs(mouth[:, 1]) < 0.009) & (head > 0.2)
    lips &= behind < 0.005
    colours = np.where(lips, MATERIALS.index("lips"), MATERIALS.index("skin"))
    return faces, np.where(hair_like, MATERIALS.index("hair"), colours)


def _cloth_faces(mesh: BaseMesh, look: Look) -> tuple[np.ndarray, np.ndarray]:
    faces = mesh.faces["helper-tights"]
    if look.bare_arms:
        faces = faces[_share(mesh, faces, "elbow", "wrist") < 0.5]
    pelvis = mesh.weights[faces].mean(axis=1)[:, joint_index("pelvis")]
    feet = _share(mesh, faces, "ankle", "foot")
    legs = pelvis + _share(mesh, faces, "hip", "knee")
    colours = np.where(legs > 0.5, MATERIALS.index("trousers"), MATERIALS.index("shirt"))
    return faces, np.where(feet > 0.5, MATERIALS.index("shoes"), colours)


def _eye_faces(mesh: BaseMesh, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Balls, dark around the middle of their front."""
    faces, colours = [], []
    for side in "lr":
        quads = mesh.faces[f"helper-{side}-eye"]
        middle = vertices[quads].mean(axis=1)
        away = np.linalg.norm(middle[:, :2] - middle[:, :2].mean(axis=0), axis=1)
        dark = (away < 0.0065) & (middle[:, 2] > middle[:, 2].mean())
        faces.append(quads)
        colours.append(np.where(dark, MATERIALS.index("iris"), MATERIALS.index("eye")))
    return np.concatenate(faces), np.concatenate(colours)


def _nose(mesh: BaseMesh, vertices: np.ndarray) -> int:
    """The foremost vertex between eyes and mouth."""
    low, high = (mesh.middle(vertices, f"joint-{n}")[1] for n in ("mouth", "l-eye"))
    rows = np.unique(mesh.faces["body"])
    rows = rows[(vertices[rows, 1] > low) & (vertices[rows, 1] < high)]
    rows = rows[np.abs(vertices[rows, 0]) < 0.02]
    return int(rows[vertices[rows, 2].argmax()])


def _with_hair(vertices: np.ndarray, skin: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """The vertices with those inside the hair moved outwards."""
    corners = vertices[skin]
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    sums = np.zeros_like(vertices)
    for corner in range(4):
        np.add.at(sums, skin[:, corner], normals)
    inner = np.setdiff1d(hair, skin[~np.isin(skin, hair).all(axis=1)])
    out = vertices.copy()
    length = np.linalg.norm(sums[inner], axis=1, keepdims=True)
    out[inner] += _HAIR_DEPTH * sums[inner] / np.maximum(length, 1e-12)
    return out
