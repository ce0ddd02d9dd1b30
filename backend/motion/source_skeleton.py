# SPDX-License-Identifier: Apache-2.0
"""Which joint of a source skeleton plays which part of the SMPL body.

Names are only asked for the ends (hands, feet, head); the chains between come from the
hierarchy, because "shoulder" is the collar in one convention and the upper arm in another.
"""

import re
from dataclasses import dataclass

from .bvh import BvhClip, BvhError

# SMPL has a wrist and a hand, an ankle and a "foot" that is its toe: the first name wins
_HAND = ("wrist", "hand")
_FOOT = ("ankle", "foot")
_TOE = ("toebase", "toes", "toe", "ball")
_HEAD = ("head", "neck1", "neck")


@dataclass(frozen=True)
class SourceBody:
    """Indices into the source's joints. A role the source lacks is None.

    spine runs from the joint after the pelvis to the chest; sides are "left" and "right".
    """

    pelvis: int
    spine: tuple[int, ...]
    neck: int
    head: int | None
    collar: dict[str, int | None]
    shoulder: dict[str, int]
    elbow: dict[str, int]
    wrist: dict[str, int]
    hip: dict[str, int]
    knee: dict[str, int]
    ankle: dict[str, int]
    toe: dict[str, int | None]

    @property
    def chest(self) -> int:
        return self.spine[-1] if self.spine else self.pelvis


def split_side(name: str) -> tuple[str, str]:
    """("left" | "right" | "", bare name) of LeftHand, hand_l, L_Hand, lHand, mixamorig:LeftHand."""
    bare = name.split(":")[-1]
    words = [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", bare)]
    for side, marks in (("left", ("left", "l")), ("right", ("right", "r"))):
        for mark in marks:
            if mark in words:
                words.remove(mark)
                return side, "".join(words)
    joined = "".join(words)
    for side in ("left", "right"):
        if joined.startswith(side):
            return side, joined[len(side) :]
    return "", joined


def find_body(clip: BvhClip) -> SourceBody:
    """Find the human body in a clip's skeleton.

    Raises BvhError that names the part which cannot be found.
    """
    names = [split_side(n) for n in clip.names]
    parents = clip.parents

    def end(side: str, words: tuple[str, ...], what: str) -> int:
        for word in words:
            for j, (s, bare) in enumerate(names):
                if s == side and bare == word:
                    return j
        raise BvhError(f"no {side + ' ' if side else ''}{what} among the joints {list(clip.names)}")

    def ancestors(j: int) -> list[int]:
        chain = []
        while j >= 0:
            chain.append(j)
            j = parents[j]
        return chain

    sides = ("left", "right")
    wrist = {s: end(s, _HAND, "hand") for s in sides}
    ankle = {s: end(s, _FOOT, "foot") for s in sides}
    head = end("", _HEAD, "head or neck")
    arms = [ancestors(wrist[s]) for s in sides]
    legs = [ancestors(ankle[s]) for s in sides]
    chest = next((j for j in arms[0] if j in arms[1]), None)
    pelvis = next((j for j in legs[0] if j in legs[1]), None)
    if chest is None or pelvis is None:
        raise BvhError("the arms or the legs do not join: not a human skeleton")
    spine = [j for j in ancestors(chest) if pelvis in ancestors(j) and j != pelvis][::-1]
    above = [j for j in ancestors(head)[::-1] if chest in ancestors(j) and j != chest]
    if not above:
        raise BvhError("the head does not stand on the chest: not a human skeleton")
    collar: dict[str, int | None] = {}
    parts: dict[str, dict[str, int]] = {k: {} for k in ("shoulder", "elbow", "hip", "knee")}
    for side, arm, leg in zip(sides, arms, legs, strict=True):
        arm, leg = arm[1 : arm.index(chest)], leg[1 : leg.index(pelvis)]
        if len(arm) < 2 or len(leg) < 2:
            raise BvhError(f"the {side} arm or leg has too few joints")
        parts["elbow"][side], parts["shoulder"][side] = arm[0], arm[1]
        collar[side] = arm[2] if len(arm) > 2 else None
        parts["knee"][side], parts["hip"][side] = leg[0], leg[1]
    toe: dict[str, int | None] = {}
    for side in sides:
        under = [j for j, p in enumerate(parents) if p == ankle[side]]
        named = [j for j in under if names[j][1] in _TOE]
        toe[side] = (named or [*under, None])[0]
    return SourceBody(
        pelvis=pelvis,
        spine=tuple(spine),
        neck=above[0],
        head=above[-1] if len(above) > 1 else None,
        collar=collar,
        shoulder=parts["shoulder"],
        elbow=parts["elbow"],
        wrist=wrist,
        hip=parts["hip"],
        knee=parts["knee"],
        ankle=ankle,
        toe=toe,
    )
