# SPDX-License-Identifier: Apache-2.0
"""A prepared data set that the tests act themselves, in memory."""

import random
from functools import cache
from pathlib import Path

from acted_motion import bowing, going, jumping, raising, waving

from backend.motion.representation import canonicalize
from blender_addon.shared.motion import Motion
from training.data.captions import write_captions
from training.data.facts import MotionFacts, measure
from training.data.prepared import PreparedClip

ACTS: tuple[tuple[str, Motion], ...] = (
    ("walk", going(4.0, 1.2)),
    ("run", going(3.0, 3.0)),
    ("walk-turn-left", going(5.0, 0.9, turn_degrees=90)),
    ("walk-turn-right", going(5.0, 0.9, turn_degrees=-90)),
    ("wave-left-hand", waving("left")),
    ("wave-right-hand", waving("right")),
    ("raise-up-both-hands", raising("left", "right")),
    ("bow", bowing(60)),
    ("jumping", jumping()),
)


@cache
def _motions() -> tuple[Motion, ...]:
    return tuple(canonicalize(motion) for _, motion in ACTS)


@cache
def _facts() -> tuple[MotionFacts, ...]:
    """Measured once a session: it takes longer than what most tests do with them."""
    return tuple(measure(motion) for motion in _motions())


@cache
def _clips(split: str) -> tuple[PreparedClip, ...]:
    return tuple(
        PreparedClip(
            id=f"acted/{content}",
            source="acted",
            split=split,
            mirrored=False,
            shard="acted",
            start=0,
            frames=motion.num_frames,
            content=content,
            style="normal",
            captions=write_captions(content, "normal", facts, [], random.Random(content), 24),
            facts=facts.to_dict(),
        )
        for (content, _), motion, facts in zip(ACTS, _motions(), _facts(), strict=True)
    )


class ActedClips:
    """Stands in for PreparedDataset: one clip of each act."""

    def __init__(self, folder: Path | None = None, split: str = "train") -> None:
        self.hash = "acted"
        self.clips = list(_clips(split))

    def __len__(self) -> int:
        return len(self.clips)

    def motion(self, index: int) -> Motion:
        return _motions()[index]
