# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet that are planted in the source stay planted on the rig, whatever its proportions.

When it is planted is read off the source. On the rig the foot is moved back to one place, the leg
follows by two-bone inverse kinematics, and the hips come down where a leg would be too short.
No bpy here.
"""

from collections.abc import Mapping

import numpy as np

from ..shared.rotations import (
    matrix_to_quaternion,
    normalize,
    quaternion_to_matrix,
    rotation_between,
    slerp,
)
from ..shared.skeleton import FOOT_JOINTS, REST_OFFSETS
from .bone_names import SIDES
from .rest_frame import SOLE, RestFrame
from .rig_pose import RigPose

# the bounds by which the model's own motion features call a foot planted
_SPEED = 0.25  # m/s
_HEIGHT = np.array([0.13, 0.07, 0.13, 0.07])  # metres above the ground, ankle and toe
_SHORTEST_S = 0.1  # a contact shorter than this is none; a gap shorter than half of it neither
_BLEND_S = 0.2  # into and out of a planted place
_LOWER_S = 0.25  # the hips begin to sink this long before they have to be low
_STRAIGHT = 0.9995  # of a leg's length: how far a foot may be from its hip
_BENT = 0.05  # knees bent by less (of the thigh's length) are steered forward


def planted_points(positions: np.ndarray, fps: float) -> np.ndarray:
    """(T, J, 3) SMPL joints, metres, Y up -> (T, 2, 2) bool: left and right; ankle and toe planted.

    The ground is where the soles are when lowest, so a clip that floats a little still has it.
    """
    feet = positions[:, list(FOOT_JOINTS)]
    soles = feet[..., 1] - np.array([SOLE - REST_OFFSETS[10, 1], SOLE] * 2)
    ground = np.percentile(soles.min(axis=1), 5)
    speed = np.zeros(feet.shape[:2])
    if len(feet) > 1:
        speed[:-1] = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
        speed[-1] = speed[-2]
    planted = (speed < _SPEED) & (feet[..., 1] - ground < _HEIGHT)
    least = max(1, round(_SHORTEST_S * fps))
    for k in range(planted.shape[1]):
        _fill(planted[:, k], False, max(1, least // 2))
        _fill(planted[:, k], True, least)
    return planted.reshape(-1, 2, 2)


def lock_feet(
    pose: RigPose,
    frame: RestFrame,
    bones: Mapping[str, int],
    planted: np.ndarray,
    fps: float,
) -> RigPose:
    """The pose with its planted feet held. bones: SMPL joint -> bone index; planted: (T, 2, 2)."""
    turns, wanted = dict(pose.turns), {}
    for k, side in enumerate(SIDES):
        ankle, toe = bones[f"{side}_ankle"], bones.get(f"{side}_foot")
        held = _hold_level(turns[ankle], planted[:, k].all(axis=-1), fps)
        if toe is not None:
            turns[toe] = held @ np.swapaxes(turns[ankle], -1, -2) @ turns[toe]
            ball = pose.rig.heads[toe] - pose.rig.heads[ankle]
        else:
            joint = FOOT_JOINTS[2 * k + 1]
            smpl = frame.axes @ REST_OFFSETS[joint] * frame.scale
            ball = frame.alignment[FOOT_JOINTS[2 * k]] @ smpl
        turns[ankle] = held
        wanted[side] = _planted_path(pose.head(ankle), held @ ball, planted[:, k], fps)

    drop = np.zeros(len(planted))
    for side in SIDES:
        hip = pose.head(bones[f"{side}_hip"])
        drop = np.maximum(
            drop, _drop(hip, wanted[side], sum(_lengths(pose, bones, side)), frame.up)
        )
    place = pose.places[pose.root] - _eased(drop, fps)[:, None] * frame.up
    lowered = RigPose(pose.rig, pose.turns, pose.root, {**pose.places, pose.root: place})
    for side in SIDES:
        turns |= _leg(lowered, frame, bones, side, wanted[side])
    return RigPose(pose.rig, turns, pose.root, lowered.places)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of each run of True in (T,) flags, the end not included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _fill(flags: np.ndarray, value: bool, least: int) -> None:
    """Turn over, in place, the runs of `value` that are shorter than `least` frames."""
    for start, end in _runs(flags == value):
        # a gap at either end of the clip is no gap
        inside = start > 0 and end < len(flags)
        if end - start < least and (inside or value):
            flags[start:end] = not value


def _ease(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _fades(runs: list[tuple[int, int]], frames: int, fps: float) -> np.ndarray:
    """(R, T) weights: 1 inside each run, easing to 0 around it, never reaching into another."""
    blend = max(1, round(_BLEND_S * fps))
    weights = np.zeros((len(runs), frames))
    t = np.arange(frames)
    for i, (start, end) in enumerate(runs):
        before = start - runs[i - 1][1] if i else blend
        after = runs[i + 1][0] - end if i + 1 < len(runs) else blend
        rise = _ease(1 - (start - t) / (min(before, blend) + 1))
        fall = _ease(1 - (t - end + 1) / (min(after, blend) + 1))
        weights[i] = np.minimum(rise, fall)
    return weights


def _hold_level(turns: np.ndarray, flat: np.ndarray, fps: float) -> np.ndarray:
    """(T, 3, 3) the foot's turns, each flat stretch at its mean turn."""
    runs = _runs(flat)
    own = quaternion = matrix_to_quaternion(turns)
    for (start, end), weight in zip(runs, _fades(runs, len(turns), fps), strict=True):
        u, _, vt = np.linalg.svd(turns[start:end].sum(axis=0))
        mean = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
        held = np.broadcast_to(matrix_to_quaternion(mean), own.shape)
        near = weight > 0
        quaternion = np.where(near[:, None], slerp(quaternion, held, weight), quaternion)
    return quaternion_to_matrix(quaternion) if runs else turns


def _planted_path(
    ankle: np.ndarray, ball: np.ndarray, planted: np.ndarray, fps: float
) -> np.ndarray:
    """(T, 3) where the ankle is to be. ankle: (T, 3) unlocked; ball: (T, 3) from ankle to toe.

    While the toe is planted the ankle goes about the toe, else it stays itself. A whole contact
    is one chain of such steps, laid where it is nearest to the unlocked foot.
    """
    runs = _runs(planted.any(axis=-1))
    fades = _fades(runs, len(ankle), fps)
    out = ankle.copy()
    for (start, end), weight in zip(runs, fades, strict=True):
        path = np.zeros((end - start, 3))
        for t in range(1, end - start):
            # both frames on the toe: it stays; any other step keeps the ankle
            on_toe = planted[start + t, 1] and planted[start + t - 1, 1]
            step = ball[start + t - 1] - ball[start + t] if on_toe else 0.0
            path[t] = path[t - 1] + step
        path += np.median(ankle[start:end] - path, axis=0)
        out[start:end] = path
        before, after = path[0] - ankle[start], path[-1] - ankle[end - 1]
        t = np.arange(len(ankle))
        out += np.where((t < start)[:, None], weight[:, None] * before, 0.0)
        out += np.where((t >= end)[:, None], weight[:, None] * after, 0.0)
    return out


def _lengths(pose: RigPose, bones: Mapping[str, int], side: str) -> tuple[float, float]:
    heads = pose.rig.heads[[bones[f"{side}_{part}"] for part in ("hip", "knee", "ankle")]]
    upper, lower = np.linalg.norm(np.diff(heads, axis=0), axis=-1)
    return float(upper), float(lower)


def _drop(hip: np.ndarray, foot: np.ndarray, leg: float, up: np.ndarray) -> np.ndarray:
    """(T,) how far the hip must come down for the foot to be within a leg's length."""
    way = foot - hip
    height = way @ up
    level = np.sum(way * way, axis=-1) - height**2
    room = np.maximum((_STRAIGHT * leg) ** 2 - level, 0.0)
    return np.maximum(-height - np.sqrt(room), 0.0)


def _eased(drop: np.ndarray, fps: float) -> np.ndarray:
    """The drop spread over time, nowhere less than it was: a running maximum, then its mean."""
    half = max(1, round(_LOWER_S * fps / 2))
    window = 2 * half + 1
    padded = np.pad(drop, 2 * half, mode="edge")
    highest = np.lib.stride_tricks.sliding_window_view(padded, window).max(axis=-1)
    return np.convolve(highest, np.full(window, 1 / window), mode="valid")


def _leg(
    pose: RigPose, frame: RestFrame, bones: Mapping[str, int], side: str, foot: np.ndarray
) -> dict[int, np.ndarray]:
    """Turns of thigh and shin that bring the ankle to (T, 3) `foot`; the knee keeps its way."""
    thigh, shin, ankle = (bones[f"{side}_{part}"] for part in ("hip", "knee", "ankle"))
    upper, lower = _lengths(pose, bones, side)
    hip, knee, heel = pose.head(thigh), pose.head(shin), pose.head(ankle)
    reach = np.linalg.norm(foot - hip, axis=-1, keepdims=True)
    way = normalize(foot - hip)
    far = np.clip(reach, abs(upper - lower) * 1.001 + 1e-9, _STRAIGHT * (upper + lower))

    swing = rotation_between(normalize(heel - hip), way)
    bend = np.einsum("tij,tj->ti", swing, knee - hip)
    bend -= np.sum(bend * way, axis=-1, keepdims=True) * way
    forward = pose.turns[thigh] @ frame.alignment[1 + SIDES.index(side)] @ frame.axes[:, 2]
    forward -= np.sum(forward * way, axis=-1, keepdims=True) * way
    size = np.linalg.norm(bend, axis=-1, keepdims=True) / upper
    sure = _ease(size / _BENT)
    pole = normalize(sure * normalize(bend) + (1 - sure) * normalize(forward))

    along = (far**2 + upper**2 - lower**2) / (2 * far)
    across = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    new_knee = hip + along * way + across * pole
    new_heel = hip + far * way
    return {
        thigh: rotation_between(knee - hip, new_knee - hip) @ pose.turns[thigh],
        shin: rotation_between(heel - knee, new_heel - new_knee) @ pose.turns[shin],
    }
