# SPDX-License-Identifier: Apache-2.0
"""Legs bent so that planted heels and toes stay in one place on the ground."""

import numpy as np
from scipy.ndimage import uniform_filter1d

from blender_addon.shared.motion import forward_kinematics
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    normalize,
    rotation_between,
)
from blender_addon.shared.skeleton import REST_OFFSETS

_LEGS = ((1, 4, 7), (2, 5, 8))  # hip, knee, ankle: left, right
_FADE_S = 0.25
_STRAIGHT = 0.9995  # of a leg's length: how far a foot may be from its hip
_BENT = np.radians(6.0)  # a knee bent by less bends about its own hinge


def plant_feet(
    local: np.ndarray, pelvis: np.ndarray, points: np.ndarray, planted: np.ndarray, fps: float
) -> np.ndarray:
    """Local rotations (T, 22, 3, 3), the root's in the world; pelvis (T, 3) metres, the ground at
    0; left heel and toe, right heel and toe (T, 4, 3) in the world; planted (T, 4) bool -> the
    rotations with planted points held. Feet keep their turn in the world, and the pelvis its path.
    """
    trans = pelvis - REST_OFFSETS[0]
    positions, turns = forward_kinematics(local, trans)
    out = local.copy()
    for k, leg in enumerate(_LEGS):
        pair = slice(2 * k, 2 * k + 2)
        moved = _corrections(points[:, pair], planted[:, pair], fps)
        wanted = positions[:, leg[2]] + moved
        out[:, leg] = _leg(positions, turns, leg, wanted)
    return out


def _corrections(points: np.ndarray, planted: np.ndarray, fps: float) -> np.ndarray:
    """Heel and toe (T, 2, 3), planted (T, 2) -> (T, 3): how far the foot has to be moved."""
    weight = np.zeros(planted.shape)
    wanted = np.zeros(points.shape)
    for i in range(planted.shape[1]):
        # a contact fades in and out over three frames, so that heel and toe take turns gently
        weight[:, i] = uniform_filter1d(planted[:, i].astype(float), 3, mode="nearest")
        wanted[:, i] = _anchors(points[:, i], planted[:, i]) - points[:, i]
    total = weight.sum(axis=1)
    moved = (weight[..., None] * wanted).sum(axis=1) / np.maximum(total, 1e-9)[:, None]
    return _faded(moved, total > 0, fps)


def _anchors(point: np.ndarray, planted: np.ndarray) -> np.ndarray:
    """(T, 3), (T,) bool -> (T, 3) where the point stands in its contact, or in the one that is
    nearest in time; on the ground. Itself where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], planted, [False]]))).reshape(-1, 2)
    if len(edges) == 0:
        return point
    places = np.array([np.median(point[a:b], axis=0) * [1.0, 0.0, 1.0] for a, b in edges])
    frames = np.arange(len(point))[:, None]
    away = np.maximum(np.maximum(edges[:, 0] - frames, frames - (edges[:, 1] - 1)), 0)
    return places[away.argmin(axis=1)]


def _faded(moved: np.ndarray, held: np.ndarray, fps: float) -> np.ndarray:
    """(T, 3) that counts where `held` (T,), and eases to 0 away from there."""
    at = np.flatnonzero(held)
    if len(at) == 0:
        return np.zeros_like(moved)
    out = np.where(held[:, None], moved, 0.0)
    length = _FADE_S * fps
    for t in np.flatnonzero(~held):
        right = int(np.searchsorted(at, t))
        for side in (right - 1, right):
            if 0 <= side < len(at):
                # by halves of a short gap, so that two contacts do not pull at once
                room = (at[right] - at[right - 1]) / 2 if 0 < right < len(at) else length
                x = np.clip(1 - abs(int(at[side]) - t) / max(min(length, room), 1.0), 0.0, 1.0)
                out[t] += x * x * (3 - 2 * x) * moved[at[side]]
    return out


def _leg(
    positions: np.ndarray, turns: np.ndarray, leg: tuple[int, int, int], wanted: np.ndarray
) -> np.ndarray:
    """World positions (T, J, 3) and rotations (T, J, 3, 3), where the ankle is to be (T, 3) ->
    local rotations (T, 3, 3, 3) of hip, knee and ankle."""
    hip, knee, ankle = (positions[:, j] for j in leg)
    thigh, shin, foot = (turns[:, j] for j in leg)
    upper, lower = knee - hip, ankle - knee
    long, short = (np.linalg.norm(v, axis=-1) for v in (upper, lower))
    reach = np.clip(
        np.linalg.norm(wanted - hip, axis=-1),
        np.abs(long - short) * 1.001 + 1e-6,
        _STRAIGHT * (long + short),
    )
    # the knee first, until the leg is as long as it has to be ...
    cosine = (reach**2 - long**2 - short**2) / (2 * long * short)
    new = np.arccos(np.clip(cosine, -1.0, 1.0))
    across = np.cross(upper, lower)
    old = np.arctan2(np.linalg.norm(across, axis=-1), np.sum(upper * lower, axis=-1))
    own = thigh[:, :, 0]  # SMPL's knee flexes about +X
    own = own - np.sum(own * normalize(upper), axis=-1, keepdims=True) * normalize(upper)
    sure = np.clip(old / _BENT, 0.0, 1.0)[:, None]
    hinge = normalize(sure * normalize(across) + (1 - sure) * normalize(own))
    turn = axis_angle_to_matrix(hinge * (new - old)[:, None])
    # ... then the hip, until it points there
    tip = upper + np.einsum("tij,tj->ti", turn, lower)
    swing = rotation_between(tip, wanted - hip)
    parent = turns[:, 0]
    new_thigh, new_shin = swing @ thigh, swing @ turn @ shin
    back = [np.swapaxes(r, -1, -2) for r in (parent, new_thigh, new_shin)]
    return np.stack([back[0] @ new_thigh, back[1] @ new_shin, back[2] @ foot], axis=1)
