# SPDX-License-Identifier: Apache-2.0
"""Postures that mocap of walking and gesturing people lacks, as ranges of joint angles.

A table maps a joint of the left side to degrees (x, y, z), as `backend.motion.joint_limits` counts
them: hip -x flexes, +y turns out, +z spreads; knee +x flexes; ankle +x points the toes; shoulder
-y goes forward, +z up; elbow -y flexes. The right side is mirrored.
"""

from dataclasses import dataclass

from blender_addon.shared.skeleton import joint_index

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_HIP, _KNEE, _ANKLE = (joint_index(f"left_{n}") for n in ("hip", "knee", "ankle"))
_COLLAR, _SHOULDER, _ELBOW, _WRIST = (
    joint_index(f"left_{n}") for n in ("collar", "shoulder", "elbow", "wrist")
)


@dataclass(frozen=True)
class Stance:
    """One posture. legs: names in LEGS, one for both sides or one for each; none keeps mocap's.

    lean, roll: degrees the pelvis is tilted forward (about X) and sideways (about Z); None keeps
    mocap's. arms: how often both arms are drawn from ARMS. weight: how often the stance is.
    """

    name: str
    weight: float
    legs: tuple[str, ...] = ()
    lean: tuple[float, float] | None = None
    roll: tuple[float, float] = (-8, 8)
    arms: float = 0.6


def _leg(hip: Box, knee: tuple[float, float], ankle: tuple[float, float] = (-10, 25)) -> dict:
    return {
        _HIP: hip,
        _KNEE: (knee, (-5, 5), (-3, 3)),
        _ANKLE: (ankle, (-12, 12), (-10, 10)),
    }


def _arm(shoulder: Box, elbow: tuple[float, float], collar: tuple[float, float] = (-5, 10)) -> dict:
    return {
        _COLLAR: ((-3, 3), (-12, 12), collar),
        _SHOULDER: shoulder,
        _ELBOW: ((-40, 40), elbow, (-5, 10)),
        _WRIST: ((-15, 15), (-15, 15), (-35, 35)),
    }


LEGS: dict[str, dict[int, Box]] = {
    "chair": _leg(((-110, -65), (-15, 30), (-8, 28)), (55, 115)),
    "crossed_over": _leg(((-115, -90), (-5, 35), (-15, 0)), (50, 100)),
    "long": _leg(((-110, -70), (-15, 35), (0, 35)), (0, 30)),
    "tailor": _leg(((-105, -75), (30, 60), (20, 50)), (95, 140)),
    "knees_up": _leg(((-132, -100), (-15, 15), (-5, 22)), (85, 140)),
    "kneel": _leg(((-15, 20), (-15, 15), (0, 18)), (80, 110), (30, 70)),
    "heels": _leg(((-85, -50), (-10, 25), (0, 25)), (120, 148), (40, 75)),
    "squat": _leg(((-132, -85), (-5, 30), (3, 35)), (85, 145), (-40, -5)),
    "stoop": _leg(((-100, -35), (-10, 20), (0, 18)), (0, 35), (-20, 15)),
    "crawl": _leg(((-110, -60), (-10, 15), (0, 18)), (60, 115), (10, 60)),
    "lie": _leg(((-50, 15), (-20, 35), (0, 25)), (0, 60), (10, 55)),
    "curl": _leg(((-125, -50), (-15, 20), (0, 20)), (40, 130), (0, 45)),
    "lunge": _leg(((-100, -60), (-10, 20), (0, 15)), (60, 110), (-30, 5)),
    "back": _leg(((0, 25), (-10, 15), (0, 12)), (5, 50), (-25, 20)),
    "kick": _leg(((-120, -50), (-15, 30), (0, 55)), (0, 50), (0, 50)),
    "stand": _leg(((-12, 10), (-5, 20), (0, 12)), (0, 15), (-8, 8)),
}

STANCES: tuple[Stance, ...] = (
    Stance("chair", 4.0, ("chair",), (-20, 20)),
    Stance("chair, one leg over", 0.8, ("chair", "crossed_over"), (-20, 10)),
    Stance("chair, one leg out", 0.8, ("chair", "long"), (-25, 10)),
    Stance("floor, legs out", 1.0, ("long",), (-30, 15)),
    Stance("floor, tailor", 1.2, ("tailor",), (-15, 20)),
    Stance("floor, knees up", 1.0, ("knees_up",), (-30, 10)),
    Stance("floor, one leg out", 0.6, ("long", "knees_up"), (-30, 10)),
    Stance("kneeling", 1.2, ("kneel",), (-10, 25)),
    Stance("on the heels", 1.0, ("heels",), (-10, 25)),
    Stance("on one knee", 1.2, ("kneel", "lunge"), (-10, 20)),
    Stance("squat", 1.5, ("squat",), (0, 45)),
    Stance("stoop", 1.2, ("stoop",), (25, 85)),
    Stance("hands and knees", 0.8, ("crawl",), (65, 100)),
    Stance("lunge", 1.0, ("lunge", "back"), (-10, 25)),
    Stance("kick", 0.6, ("kick", "stand"), (-25, 15)),
    Stance("on the back", 0.7, ("lie",), (-100, -75)),
    Stance("on the back, one leg up", 0.4, ("lie", "curl"), (-100, -75)),
    Stance("on the front", 0.6, ("lie",), (75, 100)),
    Stance("on the side", 0.4, ("curl",), (-15, 15), (75, 100)),
    Stance("on the other side", 0.4, ("curl",), (-15, 15), (-100, -75)),
    Stance("reaching", 3.0, arms=1.0),
)

ARMS: tuple[tuple[float, dict[int, Box]], ...] = (
    (2.0, _arm(((-40, 40), (-110, -60), (-35, 35)), (-45, 0))),  # forward
    (1.5, _arm(((-60, 30), (-70, 10), (40, 92)), (-50, 0), (5, 35))),  # up
    (1.0, _arm(((-50, 40), (-35, 25), (-25, 30)), (-40, 0))),  # to the side
    (1.0, _arm(((-40, 20), (-60, -20), (-80, -45)), (-40, 0))),  # down and forward
    (1.0, _arm(((-30, 30), (-115, -80), (-40, 20)), (-60, 0))),  # across
    (1.5, _arm(((-50, 30), (-65, -15), (-78, -50)), (-110, -45))),  # in the lap, on the hips
    (0.8, _arm(((-60, 20), (-80, -10), (-10, 60)), (-140, -95))),  # at the head
    (0.6, _arm(((-20, 50), (20, 65), (-85, -50)), (-60, 0))),  # back, to lean on
    (1.2, _arm(((-40, 40), (-40, 10), (-85, -60)), (-40, 0))),  # hanging
)
