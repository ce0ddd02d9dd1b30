# SPDX-License-Identifier: Apache-2.0
"""Poses for the landmark simulation: mocap frames, and poses that mocap lacks.

Four kinds, all within human joint limits and none with a limb inside another:
mocap as it is; body parts of different frames put together; the parts of `pose_kinds` (sitting,
kneeling, squatting, lying, reaching ...) on a mocap body; and joints turned anywhere within their
limits. Feet and seat need not touch anything: a camera sees no forces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from backend.errors import AssetError
from backend.motion import kinematics
from backend.motion.joint_limits import (
    clamp,
    joint_angles,
    limit_ranges,
    limit_violation,
    rotations_from_angles,
)
from backend.vision.skeleton33 import mean_bodies, pose_bodies
from blender_addon.shared.rotations import axis_angle_to_matrix, axis_rotation
from blender_addon.shared.skeleton import BODY_PARTS, MIRROR_JOINTS, NUM_BODY_JOINTS

from .pose_kinds import ARMS, LEGS, STANCES, Stance
from .prepared import PreparedDataset

_GLITCH = np.radians(15.0)  # frames further beyond a limit than this are capture errors
_MIRROR = np.array(MIRROR_JOINTS[:NUM_BODY_JOINTS])
_FLIP = np.array([1.0, -1.0, -1.0])  # of an axis-angle or of joint angles, in a mirror


@dataclass(frozen=True)
class WideningSettings:
    """How often each kind is drawn; mocap as it is takes the rest.

    jitter: degrees, standard deviation of what `limits` poses add to a mocap pose's angles.
    reach: how much of a joint's range (about its middle) `limits` poses draw uniformly from.
    redraws: rounds of drawing anew what interpenetrates, before mocap is taken instead.
    """

    recombined: float = 0.25
    kinds: float = 0.30
    limits: float = 0.10
    jitter: float = 15.0
    reach: float = 0.75
    redraws: int = 3


@dataclass(frozen=True)
class PoseBank:
    """Mocap frames. poses: (M, 22, 3) float32 axis-angle, root upright in the world (Y up)."""

    poses: np.ndarray

    def __post_init__(self) -> None:
        if self.poses.ndim != 3 or self.poses.shape[1:] != (NUM_BODY_JOINTS, 3):
            raise ValueError(f"poses must be (M, 22, 3), got {self.poses.shape}")
        if len(self.poses) == 0:
            raise AssetError("No poses to draw from: the prepared data set or split is empty.")

    @staticmethod
    def from_axis_angles(poses: np.ndarray) -> "PoseBank":
        """(M, 22, 3) axis-angle -> a bank of the human ones, held to the joint limits."""
        rotations = _rotations(poses)
        human = limit_violation(rotations).abs().amax(dim=(1, 2)) < _GLITCH
        kept = np.asarray(poses, dtype=np.float32)[human.numpy()]
        outside = (limit_violation(rotations[human]).abs().amax(dim=2) > 0).numpy()
        if outside.any():
            held = kinematics.matrix_to_axis_angle(clamp(rotations[human]))
            kept[outside] = held.numpy()[outside]
        return PoseBank(kept)

    @staticmethod
    def from_prepared(dataset: PreparedDataset, every: int = 4) -> "PoseBank":
        """Every `every`-th frame of each clip that is no mirror image (drawing mirrors at random).

        Raises AssetError when there is none.
        """
        rows = [
            dataset.motion(i).poses[::every]
            for i, clip in enumerate(dataset.clips)
            if not clip.mirrored
        ]
        if not rows:
            raise AssetError("No poses to draw from: the prepared data set or split is empty.")
        return PoseBank.from_axis_angles(np.concatenate(rows))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, 22, 3) axis-angle, float64, half of them mirrored."""
        poses = self.poses[rng.integers(len(self.poses), size=count)].astype(np.float64)
        mirrored = poses[:, _MIRROR] * _FLIP
        return np.where(rng.random((count, 1, 1)) < 0.5, mirrored, poses)


def draw_poses(
    bank: PoseBank, rng: np.random.Generator, count: int, settings: WideningSettings | None = None
) -> np.ndarray:
    """`count` local rotations (N, 22, 3, 3), root upright in the world, in mixed order."""
    s = settings or WideningSettings()
    shares = [s.recombined, s.kinds, s.limits]
    kinds = rng.choice(4, size=count, p=[1 - sum(shares), *shares])
    poses = axis_angle_to_matrix(bank.draw(rng, count))
    makers = {1: recombine, 2: take_kinds, 3: within_limits}
    for kind, make in makers.items():
        open_rows = np.flatnonzero(kinds == kind)
        for _ in range(s.redraws + 1):
            if len(open_rows) == 0:
                break
            made = make(bank, rng, len(open_rows), s)
            good = ~interpenetrates(made)
            poses[open_rows[good]] = made[good]
            open_rows = open_rows[~good]
    return poses


def recombine(
    bank: PoseBank, rng: np.random.Generator, count: int, settings: WideningSettings
) -> np.ndarray:
    """(N, 22, 3, 3): torso, arms and legs each from another frame, or both legs from the same."""
    poses = bank.draw(rng, count)
    for part in ("left_arm", "right_arm", "left_leg", "right_leg"):
        joints = list(BODY_PARTS[part])
        poses[:, joints] = bank.draw(rng, count)[:, joints]
    together = np.flatnonzero(rng.random(count) < 0.5)
    legs = np.array([*BODY_PARTS["left_leg"], *BODY_PARTS["right_leg"]])
    poses[np.ix_(together, legs)] = bank.draw(rng, len(together))[:, legs]
    return axis_angle_to_matrix(poses)


def within_limits(
    bank: PoseBank, rng: np.random.Generator, count: int, settings: WideningSettings
) -> np.ndarray:
    """(N, 22, 3, 3): a mocap pose shaken, with some limbs drawn anywhere within their limits."""
    poses = axis_angle_to_matrix(bank.draw(rng, count))
    angles = joint_angles(torch.from_numpy(poses)).numpy()
    low, high = (x.numpy() for x in limit_ranges(torch.float64))
    shaken = angles + rng.normal(0.0, np.radians(settings.jitter), angles.shape)
    shaken[:, 0] = angles[:, 0]
    middle, half = (low[1:] + high[1:]) / 2, (high[1:] - low[1:]) / 2 * settings.reach
    anywhere = middle + half * rng.uniform(-1, 1, (count, NUM_BODY_JOINTS - 1, 3))
    for part in ("left_arm", "right_arm", "left_leg", "right_leg"):
        joints = np.array(BODY_PARTS[part])
        rows = np.flatnonzero(rng.random(count) < 0.35)
        shaken[np.ix_(rows, joints)] = anywhere[np.ix_(rows, joints - 1)]
    return _from_angles(np.clip(shaken, low, high), poses[:, 0])


def take_kinds(
    bank: PoseBank,
    rng: np.random.Generator,
    count: int,
    settings: WideningSettings,
    stances: Sequence[Stance] = STANCES,
) -> np.ndarray:
    """(N, 22, 3, 3): the stances of `pose_kinds` on mocap torsos, arms of mocap or of `ARMS`."""
    poses = axis_angle_to_matrix(bank.draw(rng, count))
    angles = joint_angles(torch.from_numpy(poses)).numpy()
    root = poses[:, 0].copy()
    stance = rng.choice(len(stances), size=count, p=_weights([k.weight for k in stances]))
    for number, kind in enumerate(stances):
        rows = np.flatnonzero(stance == number)
        if kind.legs:
            _set_sides(angles, rows, [LEGS[name] for name in kind.legs], rng)
        if kind.lean is not None:
            lean = np.radians(rng.uniform(*kind.lean, len(rows)))
            roll = np.radians(rng.uniform(*kind.roll, len(rows)))
            root[rows] = axis_rotation(lean, "X") @ axis_rotation(roll, "Z")
        acting = rows[rng.random(len(rows)) < kind.arms]
        choice = rng.choice(len(ARMS), size=(len(acting), 2), p=_weights([w for w, _ in ARMS]))
        for arm, (_, ranges) in enumerate(ARMS):
            for side in (0, 1):
                _set_side(angles, acting[choice[:, side] == arm], ranges, side, rng)
    low, high = (x.numpy() for x in limit_ranges(torch.float64))
    angles[:, 1:] += rng.normal(0.0, np.radians(4.0), angles[:, 1:].shape)
    return _from_angles(np.clip(angles, low, high), root)


def interpenetrates(rotations: np.ndarray, slack: float = 0.035) -> np.ndarray:
    """(N, 22, 3, 3) -> (N,) bool: some limb lies more than `slack` metres inside another part.

    Limbs are checked at their joints and middles against capsules round the trunk, the head and
    the other limbs of the mean body.
    """
    _, p = pose_bodies(rotations, mean_bodies(len(rotations)))
    crown = p[:, 15] + 1.2 * (p[:, 15] - p[:, 12])
    bad = np.zeros(len(p), dtype=bool)
    trunk = [(p[:, 0], p[:, 9], 0.115), (p[:, 9], p[:, 12], 0.09), (p[:, 15], crown, 0.095)]
    for hip, knee, ankle, foot, elbow, wrist, hand in _LIMBS:
        arm = [p[:, elbow], (p[:, elbow] + p[:, wrist]) / 2, p[:, wrist], p[:, hand]]
        leg = [p[:, knee], (p[:, knee] + p[:, ankle]) / 2, p[:, ankle], p[:, foot]]
        thigh = (p[:, hip] * 0.6 + p[:, knee] * 0.4, p[:, knee], 0.07)
        shank = (p[:, knee], p[:, ankle], 0.05)
        bad |= _inside(np.stack([*arm, *leg], axis=1), trunk, slack)
        bad |= _inside(np.stack(arm[2:], axis=1), [thigh, shank], slack)
        other_hip, other_knee, other_ankle = (MIRROR_JOINTS[j] for j in (hip, knee, ankle))
        start = p[:, other_hip] * 0.6 + p[:, other_knee] * 0.4
        others = [
            (start, p[:, other_knee], 0.12),
            (p[:, other_knee], p[:, other_ankle], 0.085),
        ]
        bad |= _inside(np.stack(leg, axis=1), others, slack)
        bad |= _inside(np.stack(arm[2:], axis=1), [(a, b, r - 0.04) for a, b, r in others], slack)
    return bad


# hip, knee, ankle, foot, elbow, wrist, hand of the left and the right side
_LIMBS = ((1, 4, 7, 10, 18, 20, 22), (2, 5, 8, 11, 19, 21, 23))


def _inside(
    points: np.ndarray, capsules: list[tuple[np.ndarray, np.ndarray, float]], slack: float
) -> np.ndarray:
    """Points (N, K, 3) -> (N,): any is deeper than `slack` in a capsule (start, end, radius)."""
    bad = np.zeros(len(points), dtype=bool)
    for start, end, radius in capsules:
        along = (end - start)[:, None]
        from_start = points - start[:, None]
        t = (from_start * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9)
        nearest = from_start - np.clip(t, 0.0, 1.0)[..., None] * along
        bad |= ((nearest**2).sum(-1) < (radius - slack) ** 2).any(axis=1)
    return bad


def _set_sides(
    angles: np.ndarray, rows: np.ndarray, options: list[dict], rng: np.random.Generator
) -> None:
    """Both legs: one option for both, or the first for one side and the second for the other."""
    swap = rng.random(len(rows)) < 0.5
    first, last = options[0], options[-1]
    for chosen, (left, right) in ((~swap, (first, last)), (swap, (last, first))):
        _set_side(angles, rows[chosen], left, 0, rng)
        _set_side(angles, rows[chosen], right, 1, rng)


def _set_side(
    angles: np.ndarray, rows: np.ndarray, ranges: dict, side: int, rng: np.random.Generator
) -> None:
    """Draw the angles of a table (left joint -> ranges of x, y, z in degrees) on a side."""
    for joint, box in ranges.items():
        low, high = np.radians(np.array(box, dtype=float)).T
        drawn = rng.uniform(low, high, (len(rows), 3))
        angles[rows, MIRROR_JOINTS[joint] if side else joint] = drawn * (_FLIP if side else 1.0)


def _weights(weights: list[float]) -> np.ndarray:
    return np.array(weights) / np.sum(weights)


def _rotations(poses: np.ndarray) -> torch.Tensor:
    return kinematics.axis_angle_to_matrix(torch.from_numpy(np.asarray(poses, dtype=np.float32)))


def _from_angles(angles: np.ndarray, root: np.ndarray) -> np.ndarray:
    made = rotations_from_angles(torch.from_numpy(angles)).numpy()
    made[:, 0] = root
    return made
