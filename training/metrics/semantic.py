# SPDX-License-Identifier: Apache-2.0
"""Does a motion do what its prompt says? Judged by kinematics alone.

A judge takes a `Scene` (joint positions and heading measured once) and answers with a `Verdict`:
whether the statement holds and the number it was decided by.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import joint_index

from ..data.facts import bend_angles, headings
from ..data.signals import path_speed, smooth

ALONG_METRES = 1.0
TURN_DEGREES = 45.0
STANDING_METRES = 0.5
BOW_DEGREES = 40.0
JUMP_METRES = 0.15
CRAWL_METRES = 0.9
_MIN_RAISED_SECONDS = 0.25


@dataclass(frozen=True)
class Verdict:
    """One judgement: does the statement hold, and by what measure."""

    holds: bool
    statement: str
    value: float


@dataclass(frozen=True)
class Scene:
    """A motion measured once. positions (T, 22, 3) metres, yaw (T,) degrees left positive."""

    positions: np.ndarray
    yaw: np.ndarray
    fps: float

    @staticmethod
    def of(motion: Motion) -> "Scene":
        """Measure a motion."""
        return Scene.of_joints(motion.joint_positions()[:, :22], motion.fps)

    @staticmethod
    def of_joints(positions: np.ndarray, fps: float) -> "Scene":
        """Measure (T, 22, 3) joint positions."""
        yaw = np.degrees(smooth(headings(positions), 0.3, fps))
        return Scene(positions, yaw, fps)

    def joint(self, name: str) -> np.ndarray:
        """(T, 3) positions of one joint."""
        return self.positions[:, joint_index(name)]

    def travel(self) -> tuple[float, float]:
        """Metres the root goes (along, to the left of) the heading of each moment."""
        root = smooth(self.joint("pelvis")[:, [0, 2]], 0.4, self.fps)
        steps = np.diff(root, axis=0)
        yaw = np.radians(self.yaw[:-1])
        along = np.sum(steps * np.stack([np.sin(yaw), np.cos(yaw)], -1))
        left = np.sum(steps * np.stack([np.cos(yaw), -np.sin(yaw)], -1))
        return float(along), float(left)

    def displacement(self) -> float:
        """Metres on the ground from the first to the last frame."""
        root = self.joint("pelvis")[:, [0, 2]]
        return float(np.linalg.norm(root[-1] - root[0]))

    def speed(self) -> float:
        """Mean root speed while it moves, m/s; 0 when it never does."""
        pace = path_speed(smooth(self.joint("pelvis")[:, [0, 2]], 0.4, self.fps), self.fps)
        moving = pace > 0.2
        return float(pace[moving].mean()) if moving.any() else 0.0

    def raised_seconds(self, side: str) -> float:
        """How long a wrist is above its shoulder."""
        over = self.joint(f"{side}_wrist")[:, 1] > self.joint(f"{side}_shoulder")[:, 1]
        return float(over.sum() / self.fps)


Judge = Callable[[Scene], Verdict]


def goes_forward(scene: Scene) -> Verdict:
    """The root moves more than a metre along its heading."""
    along, left = scene.travel()
    holds = along > ALONG_METRES and along > abs(left)
    return Verdict(holds, f"moves > {ALONG_METRES:g} m along its heading", along)


def goes_backward(scene: Scene) -> Verdict:
    """The root moves against the heading."""
    along, left = scene.travel()
    return Verdict(along < -0.5 and -along > abs(left), "moves against its heading", along)


def turns(side: str) -> Judge:
    """The yaw changes by more than 45 degrees to the side."""
    sign = 1.0 if side == "left" else -1.0

    def judge(scene: Scene) -> Verdict:
        change = sign * float(scene.yaw[-1] - scene.yaw[0])
        return Verdict(change > TURN_DEGREES, f"turns > {TURN_DEGREES:g} deg {side}", change)

    return judge


def stands(scene: Scene) -> Verdict:
    """The root stays within half a metre."""
    moved = scene.displacement()
    return Verdict(moved < STANDING_METRES, f"stays within {STANDING_METRES:g} m", moved)


def raises(*sides: str) -> Judge:
    """Every named wrist rises above its shoulder."""

    def judge(scene: Scene) -> Verdict:
        held = min(scene.raised_seconds(side) for side in sides)
        names = " and ".join(sides)
        return Verdict(held >= _MIN_RAISED_SECONDS, f"{names} wrist above the shoulder", held)

    return judge


def keeps_down(side: str) -> Judge:
    """The wrist of that side stays below its shoulder."""

    def judge(scene: Scene) -> Verdict:
        held = scene.raised_seconds(side)
        return Verdict(held < _MIN_RAISED_SECONDS, f"{side} wrist stays below the shoulder", held)

    return judge


def bows(scene: Scene) -> Verdict:
    """The torso bends forward by more than 40 degrees."""
    bend = bend_angles(scene.positions)
    yaw = np.radians(scene.yaw)
    ahead = np.stack([np.sin(yaw), np.cos(yaw)], -1)
    lean = np.sum((scene.joint("neck") - scene.joint("pelvis"))[:, [0, 2]] * ahead, -1)
    most = float(np.where(lean > 0, bend, 0.0).max())
    return Verdict(most > BOW_DEGREES, f"bends > {BOW_DEGREES:g} deg forward", most)


def jumps(scene: Scene) -> Verdict:
    """The pelvis rises by more than 15 cm over its usual height."""
    height = scene.joint("pelvis")[:, 1]
    lift = float(height.max() - np.median(height))
    return Verdict(lift > JUMP_METRES, f"pelvis lifts > {JUMP_METRES * 100:g} cm", lift)


def crawls(scene: Scene) -> Verdict:
    """The head stays under 0.9 m (in nine frames of ten)."""
    head = float(np.percentile(scene.joint("head")[:, 1], 90))
    return Verdict(head < CRAWL_METRES, f"head under {CRAWL_METRES:g} m", head)


def faster(fast: Scene, slow: Scene) -> Verdict:
    """The first moves faster than the second."""
    gap = fast.speed() - slow.speed()
    return Verdict(gap > 0, "is the faster of the two", gap)


def one_hand(side: str) -> tuple[Judge, ...]:
    """That wrist rises, the other does not, and the figure stays where it is."""
    other = "right" if side == "left" else "left"
    return raises(side), keeps_down(other), stands


def both_hands() -> tuple[Judge, ...]:
    """Both wrists rise while the figure stays where it is."""
    return raises("left", "right"), stands


JUDGES: dict[str, tuple[Judge, ...]] = {
    "forward": (goes_forward,),
    "backward": (goes_backward,),
    "turn-left": (turns("left"),),
    "turn-right": (turns("right"),),
    "left-hand": one_hand("left"),
    "right-hand": one_hand("right"),
    "both-hands": both_hands(),
    "bow": (bows,),
    "jump": (jumps,),
    "crawl": (crawls,),
    "forward+right-hand": (goes_forward, raises("right")),
    "forward+left-hand": (goes_forward, raises("left")),
}
"""What a prompt file may ask for by name."""


@dataclass(frozen=True)
class Judgement:
    """All verdicts on one motion; it holds when every one does."""

    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        return all(v.holds for v in self.verdicts)


def judge_motion(motion: Motion, expect: str) -> Judgement:
    """Judge a motion by a name of `JUDGES`."""
    scene = Scene.of(motion)
    return Judgement(tuple(judge(scene) for judge in JUDGES[expect]))


def judge_pair(fast: Motion, slow: Motion) -> Verdict:
    """Judge two motions of which the first must be the faster."""
    return faster(Scene.of(fast), Scene.of(slow))
