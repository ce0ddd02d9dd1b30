# SPDX-License-Identifier: GPL-3.0-or-later
"""A human body in a skeleton of unknown names: ends by name or place, limbs by the hierarchy.

"Shoulder" is the collar in one convention and the upper arm in another, so the bones between the
ends are told by their lengths: the two longest of a limb are its upper and its lower half.
No bpy here.
"""

from dataclasses import dataclass

import numpy as np

from ..shared.rotations import normalize
from .bone_names import SIDES, is_mechanism, parse
from .rig import Rig

_HANDS = ("hand", "wrist", "palm")
_FEET = ("foot", "ankle", "feet")
_HEADS = ("head", "skull", "neckupper", "neck")


@dataclass(frozen=True)
class Found:
    """One joint's bone as the search sees it."""

    bone: int
    confidence: float
    reason: str


def search_body(rig: Rig) -> dict[str, Found]:
    """SMPL joint -> bone, as far as a body can be found; empty when none can."""
    hands = {side: _named_end(rig, side, _HANDS) for side in SIDES}
    feet = {side: _named_end(rig, side, _FEET) for side in SIDES}
    head = _named_end(rig, "", _HEADS)
    named = None not in (*hands.values(), *feet.values(), head)
    if named:
        confidence, reason = 0.8, "name of the end, then the hierarchy"
    else:
        ends = _ends_by_place(rig)
        if ends is None:
            return {}
        hands, feet, head = ends
        confidence, reason = 0.5, "place in the body"
    joints = _joints(rig, hands, feet, head, named)  # type: ignore[arg-type]
    return {joint: Found(bone, confidence, reason) for joint, bone in joints.items()}


def _named_end(rig: Rig, side: str, words: tuple[str, ...]) -> int | None:
    """The bone of that side whose name holds one of the words, the plainest name first."""
    best: tuple[int, int, int] | None = None
    for i, name in enumerate(rig.names):
        parsed = parse(name)
        if parsed.side != side or parsed.helper or is_mechanism(name):
            continue
        for rank, word in enumerate(words):
            if word in parsed.words or parsed.joined == word:
                key = (rank, len(parsed.words), i)
                best = key if best is None else min(best, key)
    return None if best is None else best[2]


def _joints(
    rig: Rig, hands: dict[str, int], feet: dict[str, int], head: int, named: bool
) -> dict[str, int]:
    arms = {side: list(rig.ancestors(hands[side])) for side in SIDES}
    legs = {side: list(rig.ancestors(feet[side])) for side in SIDES}
    chest = next((b for b in arms["left"] if b in arms["right"]), None)
    hips = next((b for b in legs["left"] if b in legs["right"]), None)
    if chest is None or hips is None:
        return {}
    trunk = list(rig.ancestors(chest))
    pelvis = next((b for b in trunk if b in legs["left"]), None)
    above = list(rig.ancestors(head))
    if pelvis is None or chest not in above:
        return {}
    joints = {"pelvis": pelvis}
    spine = trunk[: trunk.index(pelvis)][::-1]
    joints |= spread_spine(spine)
    neck = above[: above.index(chest)][::-1]
    if len(neck) > 1:
        joints["neck"] = neck[-2]
    if neck:
        joints["head"] = neck[-1]
    for side in SIDES:
        arm = arms[side][: arms[side].index(chest)][::-1]
        leg = legs[side][: legs[side].index(hips)][::-1]
        joints |= _limb(rig, arm, side, ("collar", "shoulder", "elbow", "wrist"), named)
        joints |= _limb(rig, leg, side, ("", "hip", "knee", "ankle"), named)
        ankle = joints.get(f"{side}_ankle")
        toes = [] if ankle is None else rig.children[ankle]
        if toes:
            joints[f"{side}_foot"] = max(toes, key=lambda b: (not parse(rig.names[b]).helper, -b))
    return joints


def spread_spine(spine: list[int]) -> dict[str, int]:
    """SMPL's three spine joints over any number of bones between pelvis and chest (included)."""
    count = len(spine)
    if count == 0:
        return {}
    joints = {"spine3": spine[-1]}
    if count == 2:
        joints["spine1"] = spine[0]
    elif count > 2:
        joints["spine1"] = spine[max(0, round(count / 3) - 1)]
        joints["spine2"] = spine[round(2 * count / 3) - 1]
    return joints


def _limb(
    rig: Rig, chain: list[int], side: str, parts: tuple[str, str, str, str], named: bool
) -> dict[str, int]:
    """The parts of a limb whose chain runs from the trunk to its end; {} when it is too short."""
    bones = [b for b in chain if not parse(rig.names[b]).helper or b == chain[-1]]
    if len(bones) < 3:
        return {}
    gaps = np.linalg.norm(np.diff(rig.heads[bones], axis=0), axis=-1)
    upper, lower = sorted(np.argsort(-gaps, kind="stable")[:2].tolist())
    if named and lower + 1 != len(bones) - 1 and bones[-1] != bones[lower + 1]:
        upper, lower = len(bones) - 3, len(bones) - 2  # the named end is right, the lengths odd
    found = {parts[1]: bones[upper], parts[2]: bones[lower], parts[3]: bones[lower + 1]}
    if parts[0] and upper > 0:
        found[parts[0]] = bones[upper - 1]
    return {f"{side}_{part}": bone for part, bone in found.items()}


def _ends_by_place(rig: Rig) -> tuple[dict[str, int], dict[str, int], int] | None:
    """Hands, feet and head by where the skeleton ends: two low ends, one high, two to the sides."""
    usable = [i for i, name in enumerate(rig.names) if not is_mechanism(name)]
    if len(usable) < 10:
        return None
    points = rig.heads[usable]
    size = np.ptp(points, axis=0)
    leaves = [i for i in usable if not rig.children[i]]
    best = None
    for up in np.argsort(-size)[:2]:  # a T-pose can be as wide as it is high
        for across in range(3):
            if across == up:
                continue
            ends = _ends_along(rig, leaves, points, int(up), across)
            if ends is not None and (best is None or ends[0] < best[0]):
                best = ends
    if best is None:
        return None
    return best[1], best[2], best[3]


def _ends_along(
    rig: Rig, leaves: list[int], points: np.ndarray, up: int, across: int
) -> tuple[float, dict[str, int], dict[str, int], int] | None:
    """The ends if `up` and `across` are those axes, led by how unlike the two sides are."""
    low, high = points[:, up].min(), points[:, up].max()
    middle = np.median(points[:, across])
    height = high - low
    side_of = {i: rig.tails[i, across] - middle for i in leaves}
    feet = [i for i in leaves if rig.heads[i, up] < low + 0.2 * height]
    heads = [i for i in leaves if rig.heads[i, up] > low + 0.75 * height]
    heads = [i for i in heads if abs(side_of[i]) < 0.1 * height]
    rest = [i for i in leaves if i not in feet and i not in heads]
    halves = [
        [[i for i in group if np.sign(side_of[i]) == s] for s in (1, -1)] for group in (rest, feet)
    ]
    if not heads or not all(all(half) for half in halves):
        return None
    hands = [max(half, key=lambda i: (_depth(rig, i), abs(side_of[i]))) for half in halves[0]]
    toes = [max(half, key=lambda i: _depth(rig, i)) for half in halves[1]]
    head = max(heads, key=lambda i: rig.heads[i, up])
    ends = np.array([rig.heads[hands], rig.heads[toes]])
    unlike = float(np.abs(ends[:, 0, up] - ends[:, 1, up]).sum()) / height
    unlike += float(np.abs(ends[..., across].sum(axis=1) - 2 * middle).sum()) / height
    # which of the two halves is the left one: toes point to the front
    ankles, wrists = _limb_ends(rig, toes), _limb_ends(rig, hands)
    if ankles is None or wrists is None:
        return None
    front = normalize((rig.tails[toes] - rig.heads[ankles]).sum(axis=0))
    upward, side = np.eye(3)[up], np.eye(3)[across]
    if (rig.heads[head, up] - rig.heads[toes[0], up]) < 0:
        upward = -upward
    left_first = float(np.dot(np.cross(upward, front), side)) > 0
    order = (0, 1) if left_first else (1, 0)
    return (
        unlike,
        {side: wrists[k] for side, k in zip(SIDES, order, strict=True)},
        {side: ankles[k] for side, k in zip(SIDES, order, strict=True)},
        head,
    )


def _depth(rig: Rig, bone: int) -> int:
    return sum(1 for _ in rig.ancestors(bone))


def _limb_ends(rig: Rig, leaves: list[int]) -> list[int] | None:
    """The wrists or ankles of the two limbs that end in `leaves`: where a second long bone ends."""
    chains = [list(rig.ancestors(leaf))[::-1] for leaf in leaves]
    shared = sum(1 for a, b in zip(*chains, strict=False) if a == b)
    ends = []
    for leaf, chain in zip(leaves, chains, strict=True):
        own = chain[shared:]
        if shared == 0 or len(own) < 3:
            return None
        places = np.concatenate([rig.heads[own], rig.tails[leaf][None]])
        gaps = np.linalg.norm(np.diff(places, axis=0), axis=-1)
        lower = max(np.argsort(-gaps[:-1], kind="stable")[:2].tolist())
        ends.append(own[min(lower + 1, len(own) - 1)])
    return ends
