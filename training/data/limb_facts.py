# SPDX-License-Identifier: Apache-2.0
"""Facts about one arm or one leg."""

from dataclasses import dataclass

import numpy as np

from blender_addon.shared.skeleton import joint_index

from .signals import runs_of, smooth

_J = joint_index


@dataclass(frozen=True)
class ArmFacts:
    """One arm: heights in metres relative to the shoulder or the head, times in seconds."""

    raised_seconds: float
    overhead_seconds: float
    raised_from: float
    raised_until: float
    raises: int
    top_over_shoulder: float
    top_over_head: float
    waves: int
    reach: float
    thrusts: int


@dataclass(frozen=True)
class LegFacts:
    """One leg: the ankle's highest point over the floor, and fast lifts of the foot."""

    top: float
    kicks: int


def measure_arm(positions: np.ndarray, ahead: np.ndarray, side: str, fps: float) -> ArmFacts:
    """(T, 22, 3) positions, (T, 2) unit heading -> the facts of one arm."""
    wrist, shoulder = positions[:, _J(f"{side}_wrist")], positions[:, _J(f"{side}_shoulder")]
    elbow, head = positions[:, _J(f"{side}_elbow")], positions[:, _J("head")]
    over_shoulder = smooth(wrist[:, 1] - shoulder[:, 1], 0.15, fps)
    over_head = smooth(wrist[:, 1] - head[:, 1], 0.15, fps)
    raised = over_shoulder > 0
    spans = runs_of(raised, fps, shortest=0.2, gap=0.3)
    reach = smooth(np.sum((wrist - shoulder)[:, [0, 2]] * ahead, -1), 0.1, fps)
    out = np.gradient(reach) * fps if len(reach) > 1 else np.zeros_like(reach)
    level = np.abs(wrist[:, 1] - shoulder[:, 1]) < 0.35
    thrusts = [
        (a, b)
        for a, b in runs_of((out > 1.5) & level, fps, shortest=0.05, gap=0.05)
        if reach[a : min(b + 3, len(reach))].max() > 0.35
    ]
    return ArmFacts(
        raised_seconds=float(raised.sum() / fps),
        overhead_seconds=float((over_head > 0).sum() / fps),
        raised_from=spans[0][0] / fps if spans else -1.0,
        raised_until=spans[-1][1] / fps if spans else -1.0,
        raises=len(spans),
        top_over_shoulder=float(over_shoulder.max()),
        top_over_head=float(over_head.max()),
        waves=_waves(wrist, elbow, shoulder, ahead, fps),
        reach=float(reach.max()),
        thrusts=len(thrusts),
    )


def _waves(
    wrist: np.ndarray, elbow: np.ndarray, shoulder: np.ndarray, ahead: np.ndarray, fps: float
) -> int:
    """Swings to and fro of a lifted hand, counted as half of the reversals over 6 cm."""
    lifted = (wrist[:, 1] > elbow[:, 1]) & (wrist[:, 1] > shoulder[:, 1] - 0.25)
    left = np.stack([ahead[:, 1], -ahead[:, 0]], -1)
    side = np.sum((wrist - shoulder)[:, [0, 2]] * left, -1)
    best = 0
    for signal in (side, wrist[:, 1] - shoulder[:, 1]):
        reversals = 0
        for a, b in runs_of(lifted, fps, shortest=0.5, gap=0.2):
            reversals += _reversals(smooth(signal[a:b], 0.1, fps), 0.06)
        best = max(best, reversals // 2)
    return best


def _reversals(signal: np.ndarray, threshold: float) -> int:
    """How often the signal turns back by more than `threshold` (hysteresis)."""
    if len(signal) == 0:
        return 0
    count, direction, extreme = 0, 0, signal[0]
    for value in signal:
        if (direction >= 0 and value > extreme) or (direction <= 0 and value < extreme):
            if direction == 0:
                if abs(value - extreme) > threshold:
                    direction = 1 if value > extreme else -1
                    extreme = value
                continue
            extreme = value
        elif direction != 0 and abs(value - extreme) > threshold:
            count, direction, extreme = count + 1, -direction, value
    return count


def measure_leg(positions: np.ndarray, side: str, fps: float) -> LegFacts:
    """(T, 22, 3) positions -> the facts of one leg."""
    ankle, hip = positions[:, _J(f"{side}_ankle")], positions[:, _J(f"{side}_hip")]
    other = positions[:, _J(f"{'right' if side == 'left' else 'left'}_knee"), 1]
    knee = positions[:, _J(f"{side}_knee")]
    local = ankle - positions[:, _J("pelvis")]
    velocity = np.gradient(smooth(local, 0.1, fps), axis=0) * fps if len(local) > 1 else local * 0
    fast = np.linalg.norm(velocity, axis=-1) > 2.5
    # a kick straightens the knee with the foot high; a run folds it behind
    straight = np.linalg.norm(ankle - hip, axis=-1) > 0.85 * (
        np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)
    )
    high = (ankle[:, 1] > other) & straight
    spans = runs_of(high, fps, shortest=0.05, gap=0.3)
    near = [(max(a - int(0.4 * fps), 0), b + int(0.2 * fps)) for a, b in spans]
    kicks = sum(bool(fast[a:b].any()) for a, b in near)
    return LegFacts(top=float(ankle[:, 1].max()), kicks=kicks)
