# SPDX-License-Identifier: Apache-2.0
"""SMPL rotations to a posed figure: linear blend skinning on a skeleton with its own proportions.

A figure does not rest in SMPL's T-pose. `alignment` turns its limbs from its own rest into that
pose by the bones' directions; after that SMPL's rotations apply as they are, so every bone of the
figure points where SMPL's points, and its joints after posing are the exact truth.
"""

import numpy as np

from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS, REST_OFFSETS, joint_index

# a limb's joint -> the joint its bone leads to
_LIMBS = {
    joint_index(f"{side}_{joint}"): joint_index(f"{side}_{end}")
    for side in ("left", "right")
    for joint, end in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("wrist", "hand"),
    )
}


def alignment(joints: np.ndarray) -> np.ndarray:
    """Rest joints (24, 3) metres -> (22, 3, 3): each joint's turn from the figure's rest to the
    T-pose. Down a limb turns add up, so that no bone is twisted against the one above it; trunk,
    head and feet rest alike in both and are not turned."""
    turns = np.tile(np.eye(3), (NUM_BODY_JOINTS, 1, 1))
    for joint, end in sorted(_LIMBS.items()):
        above = turns[PARENTS[joint]]
        own = above @ (joints[end] - joints[joint])
        turns[joint] = shortest_turn(own, REST_OFFSETS[end]) @ above
    return turns


def shortest_turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(3, 3) rotation that takes the direction of `start` (3,) to that of `end` (3,) the shortest
    way. Raises ValueError for opposite directions, where there is no one such way."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    cosine = float(a @ b)
    if cosine < -1 + 1e-9:
        raise ValueError("opposite directions")
    x, y, z = np.cross(a, b)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def pose_joints(rotations: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local SMPL rotations (22, 3, 3), rest joints (24, 3) -> turns of the figure's joints from
    their rest (22, 3, 3), posed joints (24, 3) metres with the pelvis at the origin."""
    aligned = alignment(joints)
    world = rotations.copy()
    posed = np.zeros_like(joints)
    turns = np.empty_like(aligned)
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            posed[j] = posed[parent] + turns[parent] @ (joints[j] - joints[parent])
        if j < NUM_BODY_JOINTS:
            if parent >= 0:
                world[j] = world[parent] @ rotations[j]
            turns[j] = world[j] @ aligned[j]
    return turns, posed


def skin(
    vertices: np.ndarray,
    weights: np.ndarray,
    joints: np.ndarray,
    turns: np.ndarray,
    posed: np.ndarray,
) -> np.ndarray:
    """Rest vertices (V, 3), weights (V, 22), rest joints (24, 3), and `pose_joints` of them ->
    posed vertices (V, 3) metres."""
    moved = posed[:NUM_BODY_JOINTS] - (turns @ joints[:NUM_BODY_JOINTS, :, None])[..., 0]
    blended = np.tensordot(weights, turns, axes=1)
    return (blended @ vertices[..., None])[..., 0] + weights @ moved
