# SPDX-License-Identifier: Apache-2.0
"""New training clips out of recorded ones: what no recording shows in one piece.

The recordings hold a walk or a wave, never both. Laying the arms of one clip over the legs of
another, putting two clips one after the other, playing a walk backwards and bending a path give
motions for sentences that combine them.
"""

import math
import random
from collections import defaultdict

from blender_addon.shared.motion import Motion

from .caption_compound import GOING, Part, compound_captions
from .captions import style_key, write_captions
from .clip_actions import actions_of
from .facts import MotionFacts, measure
from .motion_edits import (
    bent_path,
    best_seam,
    concatenate,
    cut_out,
    deeper_bow,
    overlay_arms,
    repeated,
    retimed,
    reversed_in_time,
)

MAX_SECONDS = 10.0
_CAPTIONS = 16
Source = tuple[Motion, str, str, MotionFacts]
Composite = tuple[Motion, str, str, list[str]]


class _Pool:
    """The sources by what they can be used for."""

    def __init__(self, sources: list[Source]) -> None:
        self.groups: dict[str, list[tuple[Source, tuple[str, str]]]] = defaultdict(list)
        for source in sources:
            motion, content, _, facts = source
            if not content or motion.seconds < 1.2:
                continue
            action = actions_of(content, facts, [])[0]
            for group in _groups(action[0], facts):
                self.groups[group].append((source, action))

    def pick(
        self, group: str, rng: random.Random, style: str | None = None, even: bool = False
    ) -> tuple[Source, tuple[str, str]] | None:
        """A source of the group, of the given style where there is one.

        even: every action as often as any other, however few its clips.
        """
        found = self.groups.get(group, [])
        if style is not None:
            found = [f for f in found if style_key(f[0][2]) == style_key(style)] or found
        if not found:
            return None
        by_action = defaultdict(list)
        for item in found:
            by_action[item[1]].append(item)
        actions = sorted(by_action)
        # between by number and all alike: common ones stay common, rare ones are not lost
        weights = [1.0 if even else math.sqrt(len(by_action[a])) for a in actions]
        return rng.choice(by_action[rng.choices(actions, weights)[0]])


def _groups(action: str, facts: MotionFacts) -> list[str]:
    out = []
    quiet = facts.left_arm.raised_seconds + facts.right_arm.raised_seconds == 0
    if action in GOING and quiet:
        out += ["going"]
        if action in ("walk", "run", "jog", "dash", "walk-back"):
            out.append("straight")
        if action == "walk":
            out.append("walk")
    if action in ("wave", "wave-both", "raise", "raise-both") and facts.displacement < 0.4:
        out += ["arms", "standing"]
    if action in ("bow", "guide", "call"):
        out.append("standing")
    if action in ("bow", "bow-slight"):
        out.append("bows")
    if action in ("jump", "jump-forward", "jump-many", "kick", "punch", "bow", "crawl",
                  "cartwheel", "dance", "backflip", "spinkick", "roll", "stealthy", "zombie",
                  "sidestep", "washwindow", "walk-back", "traffic", "slash", "basketball",
                  "soccer"):  # fmt: skip
        out.append("rare")
    return out


def composites(sources: list[Source], rng: random.Random, count: int) -> list[Composite]:
    """`count` new clips (motion, content, style, captions) of at most ten seconds.

    sources: (motion, content, style, facts) of one split, all at the same fps. Fewer come back
    when the sources have nothing to combine.
    """
    pool = _Pool(sources)
    makers = (
        (_make_overlay, 0.36), (_make_sequence, 0.18), (_make_backward, 0.08), (_make_bent, 0.10),
        (_make_retimed, 0.06), (_make_deeper_bow, 0.04), (_make_repeated, 0.18),
    )  # fmt: skip
    out: list[Composite] = []
    for _ in range(count * 5):
        if len(out) >= count:
            break
        make = rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
        made = make(pool, rng)
        if made is not None:
            out.append(made)
    return out


def _style_for(a: Source, b: Source) -> str:
    """The style both clips share; empty where they differ."""
    return a[2] if style_key(a[2]) == style_key(b[2]) else ""


def _label(action: tuple[str, str]) -> str:
    name, side = action
    return f"{name}-{side}" if side and "both" not in name else name


def _make_overlay(pool: _Pool, rng: random.Random) -> Composite | None:
    below = pool.pick("walk" if rng.random() < 0.35 else "going", rng)
    if below is None:
        return None
    above = pool.pick("arms", rng, below[0][2] if rng.random() < 0.7 else None)
    if above is None:
        return None
    base, arms = below[0], above[0]
    name, side = above[1]
    sides = ("left", "right") if name.endswith("both") else (side,)
    motion = cut_out(base[0], 0, min(base[0].num_frames, int(MAX_SECONDS * base[0].fps)))
    slack = motion.seconds - arms[0].seconds
    start = rng.uniform(0, slack) if slack > 0 and rng.random() < 0.6 else 0.0
    mixed = overlay_arms(motion, arms[0], sides, start)
    facts = measure(mixed)
    if any(facts.arm(s).top_over_shoulder < 0.02 for s in sides):
        return None
    first, second = Part(*below[1], base[3]), Part(*above[1], arms[3])
    style = _style_for(base, arms)
    captions = compound_captions(first, second, "while", style, rng, _CAPTIONS)
    return mixed, f"{_label(below[1])}+{_label(above[1])}", style, captions


def _make_sequence(pool: _Pool, rng: random.Random) -> Composite | None:
    order = rng.choices(
        (("going", "standing"), ("standing", "going"), ("going", "going"),
         ("standing", "standing"), ("going", "rare")),
        (0.42, 0.2, 0.16, 0.14, 0.08),
    )[0]  # fmt: skip
    first = "walk" if order[0] == "going" and rng.random() < 0.35 else order[0]
    one = pool.pick(first, rng)
    if one is None:
        return None
    two = pool.pick(order[1], rng, one[0][2] if rng.random() < 0.7 else None)
    if two is None or two[1] == one[1]:
        return None
    a = _shortened(one[0][0], one[1], rng, first=True)
    b = _shortened(two[0][0], two[1], rng, first=False)
    stop, start = best_seam(a, b)
    joined = concatenate(cut_out(a, 0, stop), cut_out(b, start, b.num_frames))
    if joined.seconds > MAX_SECONDS:
        return None
    facts_a, facts_b = measure(cut_out(a, 0, stop)), measure(cut_out(b, start, b.num_frames))
    actions_a, actions_b = (
        actions_of(one[0][1], facts_a, []), actions_of(two[0][1], facts_b, []),
    )  # fmt: skip
    if one[1] not in actions_a or two[1] not in actions_b:
        return None  # the cut took away what the clip was about
    style = _style_for(one[0], two[0])
    captions = compound_captions(
        Part(*one[1], facts_a), Part(*two[1], facts_b), "then", style, rng, _CAPTIONS
    )
    return joined, f"{_label(one[1])}>{_label(two[1])}", style, captions


def _shortened(
    motion: Motion, action: tuple[str, str], rng: random.Random, *, first: bool
) -> Motion:
    """A part of what goes on and on, so that neither of two actions is only a moment beside the
    other: walking may begin and end anywhere, waving keeps the end that is not at the seam."""
    if action[0] in GOING:
        frames = int(rng.uniform(2.5, 5.5) * motion.fps)
        start = rng.randrange(max(motion.num_frames - frames, 0) + 1)
        return cut_out(motion, start, start + frames)
    if action[0] in ("wave", "wave-both"):
        frames = int(rng.uniform(2.5, 4.5) * motion.fps)
        # the arm is taken down before the next action, and lifted after the one before
        return (
            cut_out(motion, max(motion.num_frames - frames, 0), motion.num_frames)
            if first
            else cut_out(motion, 0, frames)
        )
    return motion


def _make_backward(pool: _Pool, rng: random.Random) -> Composite | None:
    found = pool.pick("walk", rng)
    if found is None:
        return None
    (motion, _, style, _), _ = found
    back = reversed_in_time(
        cut_out(motion, 0, min(motion.num_frames, int(MAX_SECONDS * motion.fps)))
    )
    facts = measure(back)
    if facts.travel != "backward" or facts.speed > 1.4:
        return None
    captions = write_captions("walk-back", style, facts, [], rng, _CAPTIONS)
    return back, "walk-back", style, captions


def _make_bent(pool: _Pool, rng: random.Random) -> Composite | None:
    found = pool.pick("straight", rng)
    if found is None:
        return None
    (motion, content, style, _), _ = found
    motion = cut_out(motion, 0, min(motion.num_frames, int(MAX_SECONDS * motion.fps)))
    degrees = rng.choice((-1, 1)) * rng.uniform(65, 130)
    bent = bent_path(motion, degrees)
    facts = measure(bent)
    captions = write_captions(content, style, facts, [], rng, _CAPTIONS)
    side = "left" if degrees > 0 else "right"
    return bent, f"{found[1][0]}-turn-{side}", style, captions


def _make_deeper_bow(pool: _Pool, rng: random.Random) -> Composite | None:
    found = pool.pick("bows", rng)
    if found is None:
        return None
    motion, content, style, before = found[0]
    wanted = rng.uniform(48, 75) - before.bend_max
    if wanted < 5 or motion.seconds > MAX_SECONDS:
        return None
    # the neck is only part of the way up the spine, so the line to it bends less
    deep = deeper_bow(motion, 1.5 * wanted)
    facts = measure(deep)
    if facts.bend_max < 45:
        return None
    return deep, content, style, write_captions(content, style, facts, [], rng, _CAPTIONS)


def _make_repeated(pool: _Pool, rng: random.Random) -> Composite | None:
    """A longer clip of one action: a crawl of three seconds does not show how to crawl for six."""
    group = rng.choices(("rare", "straight", "arms", "bows"), (0.5, 0.3, 0.14, 0.06))[0]
    found = pool.pick(group, rng, even=group == "rare")
    if found is None:
        return None
    (motion, content, style, _), action = found
    if motion.seconds > 0.8 * MAX_SECONDS:
        return None
    again = repeated(motion, rng.uniform(1.25 * motion.seconds, MAX_SECONDS))
    facts = measure(again)
    if again.seconds < 1.2 * motion.seconds or action not in actions_of(content, facts, []):
        return None
    return again, content, style, write_captions(content, style, facts, [], rng, _CAPTIONS)


def _make_retimed(pool: _Pool, rng: random.Random) -> Composite | None:
    found = pool.pick("rare", rng, even=True)
    if found is None:
        return None
    (motion, content, style, _), action = found
    again = retimed(motion, rng.uniform(0.8, 1.25))
    if again.seconds > MAX_SECONDS:
        return None
    facts = measure(again)
    if action not in actions_of(content, facts, []):
        return None
    return again, content, style, write_captions(content, style, facts, [], rng, _CAPTIONS)
