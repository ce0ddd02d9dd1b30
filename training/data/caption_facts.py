# SPDX-License-Identifier: Apache-2.0
"""What the measured facts add to a sentence: speed, distance, time, counts, height, order."""

from dataclasses import dataclass

from .caption_words import NUMBERS
from .facts import MotionFacts

_LOCOMOTION = frozenset(
    ("walk", "run", "jog", "dash", "walk-back", "run-back", "diagonal", "sidestep", "walk-turn",
     "run-turn", "turn-around", "stealthy", "zombie", "uneven", "crawl")
)  # fmt: skip
_ARMS = frozenset(
    ("wave", "wave-both", "raise", "raise-both", "wave-low", "wave-both-low", "respond")
)
_STANDING = _ARMS | {
    "raise-low", "raise-both-low", "bow", "bow-slight", "guide", "call", "stand", "gesture",
}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """One fact that a sentence may mention, in several wordings; `required`: it must."""

    topic: str
    phrases: tuple[str, ...]
    required: bool = False


def number(value: float) -> str:
    """The nearest whole number as people write it."""
    whole = round(value)
    return NUMBERS[whole] if 0 <= whole < len(NUMBERS) else str(whole)


def modifiers_for(actions: list[tuple[str, str]], facts: MotionFacts) -> list[Option]:
    """What may be added to a sentence about these actions."""
    names = {name for name, _ in actions}
    sides = [side for _, side in actions if side]
    out = [_duration(facts)]
    if names & _LOCOMOTION:
        out += _going(facts, names)
        out += _order(facts)
        out += _arms_of_a_walk(facts)
    if names & _STANDING and facts.displacement < 0.4:
        out += _standing(facts)
    if names & _ARMS:
        out += _arm(facts, names, sides[0] if sides else "right")
    if "bow" in names:
        out += _bow(facts)
    if any(n.startswith("jump") for n in names):
        out += _jump(facts)
    out += _posture(facts, names)
    return [o for o in out if o.phrases]


def _duration(facts: MotionFacts) -> Option:
    n = number(facts.seconds)
    unit = "second" if n == "one" else "seconds"
    return Option(
        "time",
        (f"for about {n} {unit}", f"for {n} {unit}", f"for around {n} {unit}",
         f"over {n} {unit}", f"for roughly {round(facts.seconds)} s")
        if facts.seconds >= 1.5
        else ("briefly", "for a moment", "for a short moment"),
    )  # fmt: skip


def _going(facts: MotionFacts, names: set[str]) -> list[Option]:
    out: list[Option] = []
    metres = number(facts.path_length)
    plural = "metre" if metres == "one" else "metres"
    american = plural.replace("metre", "meter")
    out.append(
        Option(
            "distance",
            (f"for about {metres} {plural}", f"about {metres} {american}",
             f"for {metres} {american}", f"over a distance of {metres} {plural}",
             f"covering roughly {metres} {american}")
            + (("for a long way", "a long way") if facts.path_length > 8 else ())
            + (("a short way", "a short distance", "a bit") if facts.path_length < 2.5 else ()),
        )
    )  # fmt: skip
    out.append(_speed(facts, names))
    if "run" not in facts.gait and 2 <= facts.steps <= 15:
        n = number(facts.steps)
        out.append(
            Option(
                "distance",
                (f"taking {n} steps", f"in about {n} steps", f"for around {n} steps")
                + (("a few steps", "for a few steps") if facts.steps <= 6 else ()),
            )
        )  # fmt: skip
    if names & {"walk-turn", "run-turn", "turn-around"}:
        out += _turn(facts)
    elif names & {"walk", "run", "jog", "dash", "walk-back"}:
        if max(facts.yaw_left, facts.yaw_right) < 25:
            out.append(
                Option("turn", ("in a straight line", "straight", "without turning",
                                "along a straight line", "in a straight path"))
            )  # fmt: skip
        elif 30 < abs(facts.yaw) <= 60:
            side = "left" if facts.yaw > 0 else "right"
            out.append(
                Option("turn", (f"veering slightly {side}", f"drifting a little to the {side}",
                                f"bending slightly to the {side}"), required=True)
            )  # fmt: skip
    return out


def _speed(facts: MotionFacts, names: set[str]) -> Option:
    exact = (f"at about {facts.speed:.1f} m/s",)
    if names & {"run", "jog", "dash", "run-turn", "run-back"}:
        if facts.speed < 1.9:
            return Option("speed", ("slowly", "at a slow pace", "at low speed", "without hurry",
                                    "at a gentle pace"), required="run" in names)  # fmt: skip
        if facts.speed > 3.0:
            return Option("speed", ("fast", "very fast", "at high speed", "quickly",
                                    "at a fast pace", "as quick as can be", *exact))  # fmt: skip
        if "dash" in names:
            return Option("speed", ())
        return Option("speed", ("at a steady pace", "at a moderate pace", "at medium speed",
                                "steadily", *exact))  # fmt: skip
    if facts.speed < 0.55:
        return Option("speed", ("very slowly", "extremely slowly", "at a snail's pace",
                                "with slow steps", "slowly"), required="walk" in names)  # fmt: skip
    if facts.speed < 0.9:
        return Option("speed", ("slowly", "at a slow pace", "with slow steps", "unhurriedly",
                                "without hurry", "leisurely", "taking it slow", *exact))  # fmt: skip
    if facts.speed > 1.4:
        return Option("speed", ("quickly", "briskly", "at a brisk pace", "fast", "at a quick pace",
                                "with quick steps", "in a hurry", "swiftly", *exact))  # fmt: skip
    return Option("speed", ("at a normal pace", "at a steady pace", "at an easy pace",
                            "at walking speed", "at an even pace", "steadily", *exact))  # fmt: skip


def _turn(facts: MotionFacts) -> list[Option]:
    amount = abs(facts.yaw)
    if 70 < amount < 110:
        phrases = (
            "by about ninety degrees",
            "about 90 degrees",
            "a quarter turn",
        )
    elif amount >= 150:
        phrases = ("by about 180 degrees", "to face the other way")
    else:
        phrases = (f"by about {round(amount / 10) * 10} degrees",)
    kind = "turn-left" if facts.yaw > 0 else "turn-right"
    turns = [e for e in facts.events if e.kind == kind]
    out = [Option("turn", phrases)]
    if turns and turns[0].start > 1.2:
        n = number(turns[0].start)
        unit = "second" if n == "one" else "seconds"
        out.append(
            Option("order", (f"after walking straight for {n} {unit}", "after a few straight steps",
                             f"after about {n} {unit}", "after going straight at first"))
        )  # fmt: skip
    return out


def _order(facts: MotionFacts) -> list[Option]:
    moves = [e for e in facts.events if e.kind.startswith("move")]
    if not moves:
        return []
    out = []
    if moves[0].start > 0.6:
        out.append(
            Option("order", ("after standing for a moment", "after a short pause",
                             "starting from a standstill", "after waiting a moment",
                             "from a standing start"))
        )  # fmt: skip
    if facts.seconds - moves[-1].end > 0.5:
        out.append(
            Option("order", ("before coming to a stop", "before stopping", "before standing still",
                             "and then to a stop"))
        )  # fmt: skip
    return out


def _arms_of_a_walk(facts: MotionFacts) -> list[Option]:
    up = [s for s in ("left", "right") if facts.arm(s).raised_seconds > 0.5 * facts.seconds]
    if len(up) == 2:
        return [Option("arms", ("with both arms up", "with both hands raised"), required=True)]
    if up:
        return [
            Option("arms", (f"with the {up[0]} hand up", f"holding the {up[0]} hand up"),
                   required=True)
        ]  # fmt: skip
    return []


def _standing(facts: MotionFacts) -> list[Option]:
    return [
        Option(
            "place",
            ("while standing", "standing still", "on the spot", "while standing in place",
             "without moving {his} feet", "while standing still", "staying in place",
             "from a standing position", "without taking a step"),
        )
    ]  # fmt: skip


def _arm(facts: MotionFacts, names: set[str], side: str) -> list[Option]:
    both = "wave-both" in names or "raise-both" in names
    arm = facts.arm(side)
    other = facts.arm("right" if side == "left" else "left")
    out: list[Option] = []
    if arm.overhead_seconds > 0.3:
        out.append(
            Option("height", ("above {his} head", "over the head", "overhead", "high in the air",
                              "way up", "high up", "above head height"))
        )  # fmt: skip
    elif 0 < arm.top_over_shoulder < 0.2:
        out.append(
            Option("height", ("at shoulder height", "just above the shoulder", "not very high",
                              "about as high as the head"))
        )  # fmt: skip
    if not both and other.top_over_shoulder < -0.3:
        rest = "right" if side == "left" else "left"
        out.append(
            Option("other-arm", (f"while the {rest} arm hangs down", f"keeping the {rest} arm down",
                                 f"with the {rest} arm at {{his}} side"))
        )  # fmt: skip
    if any(n.startswith("wave") for n in names) and arm.waves >= 2:
        n = number(arm.waves)
        many = (
            (
                "several times",
                "a number of times",
                "repeatedly",
                "back and forth",
                "from side to side",
                "to and fro",
            )
            if arm.waves > 2
            else ("a couple of times",)
        )
        out.append(Option("count", (*many, f"{n} times", f"about {n} times")))  # fmt: skip
    if any(n.startswith("raise") for n in names):
        if arm.raises == 1 and arm.raised_seconds > 1.0:
            n = number(arm.raised_seconds)
            unit = "second" if n == "one" else "seconds"
            them = "them" if both else "it"
            out.append(
                Option("hold", (f"holding {them} up for {n} {unit}", f"keeping {them} there a while"))
            )  # fmt: skip
        if arm.raises > 1:
            out.append(Option("count", (f"{number(arm.raises)} times",)))
    return out


def _bow(facts: MotionFacts) -> list[Option]:
    degrees = round(facts.bend_max / 10) * 10
    deep = ("deeply", "very low", "far down", "low") if facts.bend_max > 55 else ("politely",)
    return [Option("depth", (*deep, f"by about {degrees} degrees"))]


def _jump(facts: MotionFacts) -> list[Option]:
    out = []
    if facts.lift > 0.35:
        out.append(Option("height", ("high", "very high", "high into the air")))
    elif facts.lift < 0.2:
        out.append(Option("height", ("a little", "not very high", "just a bit")))
    if facts.jumps == 1:
        out.append(Option("count", ("once", "one time")))
    elif facts.jumps == 2:
        out.append(Option("count", ("twice", "two times")))
    elif facts.jumps > 2:
        out.append(Option("count", (f"{number(facts.jumps)} times", "several times")))
    return out


def _posture(facts: MotionFacts, names: set[str]) -> list[Option]:
    out = []
    if names & {"bow", "bow-slight", "crawl", "getup", "roll", "stealthy", "sit"}:
        return out
    if facts.posture == "stooped" and not names & {"run", "dash", "jog"}:
        out.append(
            Option("posture", ("hunched over", "with a stooped back", "bent forward",
                               "stooping", "leaning forward", "with {his} back bent"))
        )  # fmt: skip
    elif facts.posture == "stooped":
        out.append(Option("posture", ("leaning forward", "leaning into it")))
    elif facts.posture == "leaning-back":
        out.append(Option("posture", ("leaning back a little", "with the chest out",
                                      "leaning backwards slightly")))  # fmt: skip
    elif facts.posture == "crouched":
        out.append(Option("posture", ("in a crouch", "with bent knees", "crouching low")))
    elif facts.posture == "upright" and facts.bend_max < 9 and names & {"walk", "walk-back"}:
        out.append(Option("posture", ("with an upright posture", "standing tall", "upright",
                                      "with a straight back")))  # fmt: skip
    return out
