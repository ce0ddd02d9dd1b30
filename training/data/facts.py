# SPDX-License-Identifier: Apache-2.0
"""Numbers measured from a motion: what a caption may say about it and what a judge may ask of it.

Everything is read from the (T, 22, 3) joint positions, so it works for any source of motion.
Y up, metres, seconds, degrees; +X is the character's left when it faces +Z; a turn to the left is
a positive rotation about Y.
"""

from dataclasses import asdict, dataclass

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import joint_index

from .limb_facts import ArmFacts, LegFacts, measure_arm, measure_leg
from .signals import count_swings, path_speed, runs_of, smooth

_J = joint_index
STILL_SPEED = 0.25
"""Metres a second of the smoothed pelvis below which the figure counts as standing."""
TURN_RATE = 25.0
"""Degrees a second of the smoothed heading above which the figure counts as turning."""


@dataclass(frozen=True)
class Event:
    """Something that goes on from `start` to `end` (seconds)."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True)
class MotionFacts:
    """What was measured. Distances in metres, speeds in m/s, angles in degrees."""

    seconds: float
    # where it goes
    travel: str  # "still", "forward", "backward", "left", "right" or "mixed"
    path_length: float
    displacement: float
    net_forward: float  # along the heading of the first frame
    net_left: float
    along: float  # summed along the heading of each moment
    lateral: float
    speed: float  # while it moves
    top_speed: float
    gait: str  # "stand", "step", "walk" or "run"
    steps: int
    cadence: float  # steps a minute while it moves
    flight: float  # share of the moving time with both feet off the ground
    # how it turns
    yaw: float  # first to last frame, left positive, not wrapped
    yaw_left: float  # the largest turn to the left between any two moments
    yaw_right: float
    # arms and legs
    left_arm: ArmFacts
    right_arm: ArmFacts
    left_leg: LegFacts
    right_leg: LegFacts
    hands_near_face_seconds: float
    # body
    bend_max: float  # pelvis-to-neck line against the vertical
    bend_mean: float
    bend_forward: bool
    bows: int
    lift: float  # highest pelvis over its median height
    jumps: int
    pelvis_min: float
    pelvis_mean: float
    head_min: float
    head_mean: float
    head_forward: float  # head ahead of the pelvis, mean
    knee_bend: float  # mean over both knees, 0 is straight
    energy: float  # mean speed of the wrists and ankles about the pelvis
    upside_down: bool
    posture: str  # "upright", "stooped", "leaning-back", "crouched", "low", "all-fours", "lying"
    events: tuple[Event, ...]

    def arm(self, side: str) -> ArmFacts:
        """The facts of "left" or "right" arm."""
        return self.left_arm if side == "left" else self.right_arm

    def leg(self, side: str) -> LegFacts:
        """The facts of "left" or "right" leg."""
        return self.left_leg if side == "left" else self.right_leg

    def to_dict(self) -> dict:
        """Plain numbers, strings and lists, as JSON takes them."""
        out = asdict(self)
        out["events"] = [asdict(e) for e in self.events]
        return out

    @staticmethod
    def from_dict(fields: dict) -> "MotionFacts":
        """The inverse of `to_dict`."""
        nested = {
            "left_arm": ArmFacts(**fields["left_arm"]),
            "right_arm": ArmFacts(**fields["right_arm"]),
            "left_leg": LegFacts(**fields["left_leg"]),
            "right_leg": LegFacts(**fields["right_leg"]),
            "events": tuple(Event(**e) for e in fields["events"]),
        }
        return MotionFacts(**{**fields, **nested})


def headings(positions: np.ndarray) -> np.ndarray:
    """(T, 22, 3) -> (T,) direction the body faces, radians about Y, unwrapped, 0 is +Z."""
    across = positions[:, _J("left_hip")] - positions[:, _J("right_hip")]
    across = across + positions[:, _J("left_shoulder")] - positions[:, _J("right_shoulder")]
    # forward = left x up
    return np.unwrap(np.arctan2(-across[:, 2], across[:, 0]))


def bend_angles(positions: np.ndarray) -> np.ndarray:
    """(T, 22, 3) -> (T,) angle of the line from pelvis to neck against the vertical, degrees."""
    spine = positions[:, _J("neck")] - positions[:, _J("pelvis")]
    return np.degrees(np.arccos(np.clip(spine[:, 1] / np.linalg.norm(spine, axis=-1), -1, 1)))


def measure(motion: Motion) -> MotionFacts:
    """The facts of a motion."""
    return measure_joints(motion.joint_positions()[:, :22], motion.fps)


def measure_joints(positions: np.ndarray, fps: float) -> MotionFacts:
    """(T, 22, 3) joint positions at `fps` -> the facts."""
    frames = len(positions)
    pelvis, head = positions[:, _J("pelvis")], positions[:, _J("head")]
    yaw = headings(positions)
    slow_yaw = smooth(yaw, 0.4, fps)
    root = smooth(pelvis[:, [0, 2]], 0.5, fps)
    velocity = np.gradient(root, axis=0) * fps if frames > 1 else np.zeros_like(root)
    ahead = np.stack([np.sin(slow_yaw), np.cos(slow_yaw)], -1)
    left = np.stack([np.cos(slow_yaw), -np.sin(slow_yaw)], -1)
    along = float(np.sum(velocity * ahead) / fps)
    lateral = float(np.sum(velocity * left) / fps)
    pace = path_speed(root, fps)
    path = float(pace.sum() / fps)
    net = pelvis[-1, [0, 2]] - pelvis[0, [0, 2]]
    moving = pace > STILL_SPEED
    moving_seconds = moving.sum() / fps
    speed = float(pace[moving].mean()) if moving.any() else 0.0
    airborne = _airborne(positions)
    flight = float((airborne & moving).sum() / max(moving.sum(), 1))
    swings = count_swings(positions[:, [_J("left_ankle"), _J("right_ankle")]], fps)
    turned = np.degrees(slow_yaw)
    bend = smooth(bend_angles(positions), 0.2, fps)
    head_ahead = np.sum((head - pelvis)[:, [0, 2]] * ahead, -1)
    jumps, lift = _jumps(pelvis[:, 1], airborne, fps)
    arms = {side: measure_arm(positions, ahead, side, fps) for side in ("left", "right")}
    near_face = [
        np.linalg.norm(positions[:, _J(f"{side}_wrist")] - head, axis=-1) < 0.28
        for side in ("left", "right")
    ]
    travel = _travel(along, lateral, path, float(np.linalg.norm(net)))
    posture = _posture(positions, bend, head_ahead)
    return MotionFacts(
        seconds=frames / fps,
        travel=travel,
        path_length=path,
        displacement=float(np.linalg.norm(net)),
        net_forward=float(net @ ahead[0]),
        net_left=float(net @ left[0]),
        along=along,
        lateral=lateral,
        speed=speed,
        top_speed=float(pace.max()),
        gait=_gait(travel, speed, flight, swings),
        steps=swings,
        cadence=float(60 * swings / moving_seconds) if moving_seconds > 0.5 else 0.0,
        flight=flight,
        yaw=float(turned[-1] - turned[0]),
        yaw_left=float(np.max(turned - np.minimum.accumulate(turned))),
        yaw_right=float(np.max(np.maximum.accumulate(turned) - turned)),
        left_arm=arms["left"],
        right_arm=arms["right"],
        left_leg=measure_leg(positions, "left", fps),
        right_leg=measure_leg(positions, "right", fps),
        hands_near_face_seconds=float(np.any(near_face, axis=0).sum() / fps),
        bend_max=float(bend.max()),
        bend_mean=float(bend.mean()),
        bend_forward=bool(head_ahead[np.argmax(bend)] > 0),
        bows=_bows(bend, head_ahead, fps),
        lift=lift,
        jumps=jumps,
        pelvis_min=float(pelvis[:, 1].min()),
        pelvis_mean=float(pelvis[:, 1].mean()),
        head_min=float(head[:, 1].min()),
        head_mean=float(head[:, 1].mean()),
        head_forward=float(head_ahead.mean()),
        knee_bend=_knee_bend(positions),
        energy=_energy(positions, fps),
        upside_down=bool(bend.max() > 130),
        posture=posture,
        events=_events(pace, velocity, ahead, left, turned, bend, head_ahead, arms, fps),
    )


def _airborne(positions: np.ndarray) -> np.ndarray:
    """(T,) True while both feet are clear of their own lowest level."""
    clear = []
    for side in ("left", "right"):
        ankle, toe = positions[:, _J(f"{side}_ankle"), 1], positions[:, _J(f"{side}_foot"), 1]
        over_ankle = ankle - np.percentile(ankle, 10)
        over_toe = toe - np.percentile(toe, 10)
        clear.append((over_ankle > 0.05) & (over_toe > 0.04))
    return clear[0] & clear[1]


def _jumps(height: np.ndarray, airborne: np.ndarray, fps: float) -> tuple[int, float]:
    lift = height - np.median(height)
    up = [
        (a, b) for a, b in runs_of(airborne, fps, shortest=0.1, gap=0.05) if lift[a:b].max() > 0.1
    ]
    return len(up), float(lift.max())


def _travel(along: float, lateral: float, path: float, net: float) -> str:
    if path < 0.6 or (net < 0.35 and path < 1.2):
        return "still"
    if abs(along) >= 0.6 * path:
        return "forward" if along > 0 else "backward"
    if abs(lateral) >= 0.6 * path:
        return "left" if lateral > 0 else "right"
    return "mixed"


def _gait(travel: str, speed: float, flight: float, swings: int) -> str:
    if travel == "still":
        return "step" if swings > 3 else "stand"
    if speed > 2.2 or (speed > 1.8 and flight > 0.12):
        return "run"
    return "walk"


def _bows(bend: np.ndarray, head_ahead: np.ndarray, fps: float) -> int:
    deep = (bend > 35) & (head_ahead > 0)
    spans = runs_of(deep, fps, shortest=0.2, gap=0.2)
    # a bow goes down and comes up again
    return sum(bend[: a + 1].min() < 25 and bend[b - 1 :].min() < 25 for a, b in spans)


def _knee_bend(positions: np.ndarray) -> float:
    bends = []
    for side in ("left", "right"):
        thigh = positions[:, _J(f"{side}_knee")] - positions[:, _J(f"{side}_hip")]
        shin = positions[:, _J(f"{side}_ankle")] - positions[:, _J(f"{side}_knee")]
        cos = np.sum(thigh * shin, -1) / (
            np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
        )
        bends.append(np.degrees(np.arccos(np.clip(cos, -1, 1))))
    return float(np.mean(bends))


def _energy(positions: np.ndarray, fps: float) -> float:
    if len(positions) < 2:
        return 0.0
    ends = [_J(n) for n in ("left_wrist", "right_wrist", "left_ankle", "right_ankle")]
    local = smooth(positions[:, ends] - positions[:, :1], 0.1, fps)
    return float(np.linalg.norm(np.gradient(local, axis=0) * fps, axis=-1).mean())


def _posture(positions: np.ndarray, bend: np.ndarray, head_ahead: np.ndarray) -> str:
    head, pelvis = positions[:, _J("head"), 1], positions[:, 0, 1]
    typical, hips = float(np.median(head)), float(np.median(pelvis))
    tilt = float(np.median(bend))
    if typical < 0.5 and hips < 0.4:
        return "lying"
    if typical < 0.95 and tilt > 45:
        return "all-fours"
    if hips < 0.6:
        return "low"
    if hips < 0.78:
        return "crouched"
    if tilt > 16 and np.median(head_ahead) > 0.12:
        return "stooped"
    if tilt > 15 and np.median(head_ahead) < -0.1:
        return "leaning-back"
    return "upright"


def _events(
    pace: np.ndarray,
    velocity: np.ndarray,
    ahead: np.ndarray,
    left: np.ndarray,
    turned: np.ndarray,
    bend: np.ndarray,
    head_ahead: np.ndarray,
    arms: dict[str, ArmFacts],
    fps: float,
) -> tuple[Event, ...]:
    """What happens when: moving, turning, raised hands, bending; ordered by start."""
    events: list[Event] = []
    for a, b in runs_of(pace > STILL_SPEED, fps, shortest=0.5, gap=0.4):
        way = velocity[a:b]
        forth, side = float(np.sum(way * ahead[a:b])), float(np.sum(way * left[a:b]))
        if abs(forth) >= abs(side):
            kind = "move-forward" if forth > 0 else "move-backward"
        else:
            kind = "move-left" if side > 0 else "move-right"
        events.append(Event(kind, a / fps, b / fps))
    rate = np.gradient(turned) * fps if len(turned) > 1 else np.zeros_like(turned)
    for kind, signal in (("turn-left", rate), ("turn-right", -rate)):
        for a, b in runs_of(signal > TURN_RATE, fps, shortest=0.3, gap=0.3):
            if abs(turned[b - 1] - turned[a]) > 35:
                events.append(Event(kind, a / fps, b / fps))
    for side, arm in arms.items():
        if arm.raises:
            events.append(Event(f"raise-{side}", arm.raised_from, arm.raised_until))
    for a, b in runs_of((bend > 35) & (head_ahead > 0), fps, shortest=0.2, gap=0.2):
        events.append(Event("bend", a / fps, b / fps))
    return tuple(sorted(events, key=lambda e: e.start))
