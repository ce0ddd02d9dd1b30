# SPDX-License-Identifier: Apache-2.0
"""Edits of recorded motion that keep it plausible: laying over, joining, bending, repeating."""

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    axis_rotation,
    make_quaternions_continuous,
    matrix_to_axis_angle,
    quaternion_to_axis_angle,
    slerp,
)
from blender_addon.shared.skeleton import REST_OFFSETS, joint_index

from .facts import bend_angles, headings
from .signals import smooth

FADE_SECONDS = 0.3
_SPINE = tuple(joint_index(name) for name in ("spine1", "spine2", "spine3"))
_ARM = ("collar", "shoulder", "elbow", "wrist")


def overlay_arms(
    base: Motion, arms: Motion, sides: tuple[str, ...], start_seconds: float = 0.0
) -> Motion:
    """`base` with the local rotations of the named arms taken from `arms`.

    sides: "left", "right" or both. The arms' clip begins at `start_seconds` of the base and is
    faded in and out; the base's length, root and legs stay as they are. Both at the same fps.
    """
    if base.fps != arms.fps:
        raise ValueError(f"frame rates differ: {base.fps} and {arms.fps}")
    joints = [joint_index(f"{side}_{part}") for side in sides for part in _ARM]
    start = round(start_seconds * base.fps)
    count = min(arms.num_frames, base.num_frames - start)
    if count < 1:
        return base
    at = np.arange(count)
    fade = max(round(FADE_SECONDS * base.fps), 1)
    weight = np.ones(count)
    if start > 0:
        weight = np.minimum(weight, (at + 1) / (fade + 1))
    if start + count < base.num_frames:
        weight = np.minimum(weight, (count - at) / (fade + 1))
    weight = weight * weight * (3 - 2 * weight)
    below = axis_angle_to_quaternion(base.poses[start : start + count, joints].astype(np.float64))
    above = axis_angle_to_quaternion(arms.poses[:count, joints].astype(np.float64))
    mixed = slerp(below, above, np.broadcast_to(weight[:, None], above.shape[:-1]))
    poses = base.poses.copy()
    poses[start : start + count, joints] = quaternion_to_axis_angle(mixed)
    return Motion(poses, base.trans, base.fps, base.betas, base.gender)


def concatenate(a: Motion, b: Motion, blend_seconds: float = 0.4) -> Motion:
    """`a` and then `b`, which goes on where and as `a` ends.

    b is turned and moved to the last heading and place of a. Over `blend_seconds` its pose, height
    and speed grow out of those of a, so nothing jumps at the seam. Both at the same fps.
    """
    if a.fps != b.fps:
        raise ValueError(f"frame rates differ: {a.fps} and {b.fps}")
    turn = headings(a.joint_positions()[-1:, :22])[0] - headings(b.joint_positions()[:1, :22])[0]
    b = turned(b, float(turn))
    pelvis_a, pelvis_b = a.trans + REST_OFFSETS[0], b.trans + REST_OFFSETS[0]
    step = pelvis_a[-1] - pelvis_a[-2] if a.num_frames > 1 else np.zeros(3)
    step_b = pelvis_b[1] - pelvis_b[0] if b.num_frames > 1 else np.zeros(3)
    frames = b.num_frames
    left = 1 - np.minimum((np.arange(frames) + 1) / max(blend_seconds * a.fps, 1.0), 1.0)
    left = left * left * (3 - 2 * left)
    # the speed of a fades into that of b; what it covers meanwhile stays
    coast = np.cumsum(left[:, None] * (step - step_b)[[0, 2]], axis=0)
    coast -= coast[0]
    pelvis = pelvis_b.copy()
    pelvis[:, [0, 2]] += (pelvis_a[-1] + step - pelvis_b[0])[[0, 2]] + coast
    pelvis[:, 1] += left * (pelvis_a[-1, 1] - pelvis_b[0, 1])
    qa = axis_angle_to_quaternion(a.poses[-1].astype(np.float64))
    qb = make_quaternions_continuous(axis_angle_to_quaternion(b.poses.astype(np.float64)))
    # difference of the two poses at the seam, taken back little by little
    target = slerp(qb, np.broadcast_to(qa, qb.shape), np.broadcast_to(left[:, None], qb.shape[:-1]))
    poses = np.concatenate([a.poses, quaternion_to_axis_angle(target)])
    trans = np.concatenate([a.trans, pelvis - REST_OFFSETS[0]])
    return Motion(poses, trans, a.fps, a.betas, a.gender)


def repeated(motion: Motion, seconds: float) -> Motion:
    """The clip again and again, each time from the frame that fits the last one best, until it is
    `seconds` long."""
    out = motion
    while out.seconds < seconds:
        stop, start = best_seam(out, motion, min(1.0, motion.seconds / 3))
        longer = concatenate(cut_out(out, 0, stop), cut_out(motion, start, motion.num_frames))
        if longer.num_frames <= out.num_frames:
            return out
        out = longer
    return cut_out(out, 0, round(seconds * out.fps))


def reversed_in_time(motion: Motion) -> Motion:
    """The clip from its end to its beginning: a walk becomes a walk backwards."""
    return Motion(
        motion.poses[::-1].copy(), motion.trans[::-1].copy(), motion.fps, motion.betas,
        motion.gender,
    )  # fmt: skip


def bent_path(motion: Motion, degrees: float) -> Motion:
    """The clip with its path bent evenly by `degrees` in all (left positive)."""
    frames = motion.num_frames
    at = np.linspace(0, 1, frames)
    angle = np.radians(degrees) * at * at * (3 - 2 * at)
    spin = axis_rotation(angle, "Y")
    poses = motion.poses.astype(np.float64).copy()
    poses[:, 0] = matrix_to_axis_angle(spin @ axis_angle_to_matrix(poses[:, 0]))
    pelvis = motion.trans + REST_OFFSETS[0]
    steps = np.diff(pelvis, axis=0, prepend=pelvis[:1])
    path = pelvis[0] + np.cumsum(np.einsum("tij,tj->ti", spin, steps), axis=0)
    return Motion(poses, path - REST_OFFSETS[0], motion.fps, motion.betas, motion.gender)


def retimed(motion: Motion, factor: float) -> Motion:
    """The clip `factor` times as fast."""
    slower = Motion(motion.poses, motion.trans, motion.fps * factor, motion.betas, motion.gender)
    return slower.resampled(motion.fps)


def deeper_bow(motion: Motion, degrees: float) -> Motion:
    """The clip with up to `degrees` more bend of the spine: most where it is bent most."""
    bend = smooth(bend_angles(motion.joint_positions()[:, :22]), 0.3, motion.fps)
    share = (bend - bend.min()) / max(float(np.ptp(bend)), 1e-6)
    extra = axis_rotation(np.radians(degrees) * share / len(_SPINE), "X")
    poses = motion.poses.astype(np.float64).copy()
    for joint in _SPINE:
        poses[:, joint] = matrix_to_axis_angle(axis_angle_to_matrix(poses[:, joint]) @ extra)
    return Motion(poses, motion.trans, motion.fps, motion.betas, motion.gender)


def turned(motion: Motion, angle: float) -> Motion:
    """The clip turned about the vertical axis by `angle` radians."""
    spin = axis_rotation(np.array(angle), "Y")
    poses = motion.poses.astype(np.float64).copy()
    poses[:, 0] = matrix_to_axis_angle(spin @ axis_angle_to_matrix(poses[:, 0]))
    pelvis = (motion.trans + REST_OFFSETS[0]) @ spin.T
    return Motion(poses, pelvis - REST_OFFSETS[0], motion.fps, motion.betas, motion.gender)


def cut_out(motion: Motion, start: int, stop: int) -> Motion:
    """Frames start to stop of the clip, the last one left out."""
    return Motion(
        motion.poses[start:stop], motion.trans[start:stop], motion.fps, motion.betas, motion.gender
    )


def best_seam(a: Motion, b: Motion, seconds: float = 1.0) -> tuple[int, int]:
    """(stop of a, start of b): the frames within `seconds` of the ends whose poses fit best."""
    reach_a, reach_b = int(seconds * a.fps), int(0.5 * seconds * b.fps)
    first = max(a.num_frames - reach_a, 2)
    tail = _local_joints(cut_out(a, first - 1, a.num_frames))
    head = _local_joints(cut_out(b, 0, min(reach_b + 1, b.num_frames)))
    cost = np.linalg.norm(tail[:, None] - head[None], axis=-1).mean(-1)
    i, j = np.unravel_index(np.argmin(cost), cost.shape)
    return int(first + i), int(j)


def _local_joints(motion: Motion) -> np.ndarray:
    """(T, 22, 3) joints about the pelvis in the heading frame."""
    positions = motion.joint_positions()[:, :22]
    spin = axis_rotation(-headings(positions), "Y")
    local = positions - positions[:, :1] * np.array([1.0, 0.0, 1.0])
    return np.einsum("tij,tkj->tki", spin, local)
