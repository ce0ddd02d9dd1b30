# SPDX-License-Identifier: Apache-2.0
"""What a clip may be called: its label where the facts allow it, else what the facts show."""

from .caption_actions import KEYWORDS
from .facts import MotionFacts


def actions_of(content: str, facts: MotionFacts, human: list[str]) -> list[tuple[str, str]]:
    """(action, side) pairs that may be said of the clip: the label where the facts allow it."""
    text = content.lower().replace("_", "-")
    said = " ; ".join(human).lower()
    # the label first, then what people wrote, the index line before the free sentences
    keyword = next((k for k in map(_keyword, [text, *(h.lower() for h in human)]) if k), "")
    arms = [(_arm_action, ("wave", "raise", "bye", "respond")), (_guide_action, ("guide",))]
    for make, names in arms:
        if keyword in names:
            return make(text, facts, keyword)
    if keyword in ("walk", "run", "dash", "") or "walk-" in text:
        return locomotion(facts, keyword, text)
    if keyword == "bow":
        return _bow_action(facts)
    if keyword == "kick":
        sides = [s for s in ("left", "right") if facts.leg(s).kicks]
        return [("kick", "")] + ([("kick-side", sides[0])] if len(sides) == 1 else [])
    if keyword == "jump":
        return _jump_action(facts)
    if keyword == "dance" and ("arabesque" in said or "jete" in said or "pirouette" in said):
        return [("ballet", ""), ("dance", "")]
    if keyword == "sit" and facts.pelvis_min > 0.75:
        return locomotion(facts)
    if keyword == "crawl":
        return [("crawl", "")] if facts.head_mean < 1.0 else locomotion(facts, "", text)
    if keyword in ("getup-facedown", "getup-faceup"):
        return [(keyword, ""), ("getup", "")]
    return [(keyword, "")]


def _keyword(text: str) -> str:
    found = ((k, action) for k, action in KEYWORDS if k in text)
    return next((action for _, action in found), "")


def locomotion(facts: MotionFacts, keyword: str = "", text: str = "") -> list[tuple[str, str]]:
    """What a clip that only goes somewhere may be called, by measure."""
    pace = _pace(facts, keyword)
    turn = max(facts.yaw_left, facts.yaw_right)
    side = "left" if facts.yaw_left > facts.yaw_right else "right"
    if facts.travel == "still":
        if abs(facts.yaw) > 50:
            return [("turn-in-place", "left" if facts.yaw > 0 else "right")]
        raised = [s for s in ("left", "right") if facts.arm(s).raised_seconds > 0.3]
        if raised:
            return _arm_action("raise", facts, "raise")
        return [("gesture", "")] if facts.energy > 0.5 else [("stand", "")]
    if facts.travel == "backward":
        return [("run-back" if facts.speed > 2.0 else "walk-back", "")]
    if facts.travel in ("left", "right"):
        return [("sidestep", facts.travel)]
    if facts.travel == "mixed":
        slanted = facts.along > 0.5 and abs(facts.lateral) > 0.4 * facts.along and turn < 60
        if slanted:
            return [("diagonal", "left" if facts.lateral > 0 else "right")]
        return [("move", "")]
    if turn > 60 and abs(facts.yaw) > 45:
        side = "left" if facts.yaw > 0 else "right"
        if abs(facts.yaw) > 140:
            return [("turn-around" if pace == "walk" else "run-turn", side)]
        return [("walk-turn" if pace == "walk" else "run-turn", side)]
    drift = abs(facts.net_left) / max(facts.net_forward, 0.3)
    if drift > 0.3 and abs(facts.yaw) < 30 and pace == "walk":
        return [("diagonal", "left" if facts.net_left > 0 else "right")]
    return [(pace, "")]


def _pace(facts: MotionFacts, keyword: str) -> str:
    if keyword == "dash" or facts.speed > 3.2:
        return "dash" if facts.speed > 2.6 else "run"
    if keyword == "run":
        return "run" if facts.speed > 2.2 else "jog"
    if keyword == "walk" and facts.speed < 2.2:
        return "walk"
    return "run" if facts.gait == "run" else "walk"


def _arm_action(text: str, facts: MotionFacts, keyword: str) -> list[tuple[str, str]]:
    up = {
        s: facts.arm(s).top_over_shoulder > 0.03 and facts.arm(s).raised_seconds >= 0.35
        for s in ("left", "right")
    }
    half = {s: facts.arm(s).top_over_shoulder > -0.25 for s in ("left", "right")}
    asked = _asked_sides(text, facts)
    waves = max((facts.arm(s).waves for s in asked), default=0)
    # a hand that wags from the wrist moves no joint we measure: there the label is believed
    kind = "wave" if keyword in ("wave", "bye") or waves >= 3 else "raise"
    if not all(up[s] for s in asked):
        if not all(half[s] for s in asked):
            return [("stand", "")]
        return [(f"{kind}-both-low" if len(asked) == 2 else f"{kind}-low", asked[0])]
    out = [(f"{kind}-both" if len(asked) == 2 else kind, asked[0])]
    if keyword == "respond":
        out.append(("respond", asked[0]))
    return out


def _asked_sides(text: str, facts: MotionFacts) -> list[str]:
    if "both" in text:
        return ["left", "right"]
    for side in ("left", "right"):
        if side in text:
            return [side]
    tops = {s: facts.arm(s).top_over_shoulder for s in ("left", "right")}
    if min(tops.values()) > -0.12 and abs(tops["left"] - tops["right"]) < 0.25:
        return ["left", "right"]
    return [max(tops, key=lambda s: tops[s])]


def _guide_action(text: str, facts: MotionFacts, keyword: str) -> list[tuple[str, str]]:
    return [("guide", "left" if facts.left_arm.reach > facts.right_arm.reach else "right")]


def _bow_action(facts: MotionFacts) -> list[tuple[str, str]]:
    if facts.bend_max >= 42 and facts.bend_forward:
        return [("bow", "")]
    return [("bow-slight", "")] if facts.bend_max > 15 else [("stand", "")]


def _jump_action(facts: MotionFacts) -> list[tuple[str, str]]:
    if facts.jumps == 0 and facts.lift < 0.12:
        return locomotion(facts)
    if facts.jumps > 2:
        return [("jump-many", ""), ("jump", "")]
    if facts.travel == "forward":
        return [("jump-forward", ""), ("jump", "")]
    return [("jump", "")]
