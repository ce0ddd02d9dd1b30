# SPDX-License-Identifier: GPL-3.0-or-later
"""One clip as it was asked for: its prompts, where it begins and ends, what is done to it.

No bpy here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..shared.motion import Motion
from .client import ClientError
from .in_place import in_place
from .loop import closed_in_place, looped
from .requests import Request, Target
from .root_path import follow_path
from .sequence import CONTEXT_SECONDS, appended, ending_in, going_on, tail

MAX_SECONDS = 30.0
MAX_CHARS = 1000
_TIME_STEP = 0.2  # seconds: the model ends on whole steps of these


@dataclass(frozen=True)
class Step:
    """One prompt of a clip. seconds: None lets the model choose."""

    prompt: str
    seconds: float | None


@dataclass(frozen=True)
class Finish:
    """What is done to a motion before it is keyed.

    path: (x, z) points in metres, in the axes of SMPL, that it is led along; closed: round and
    round. in_place: without the way over the ground. loop: cut to a cycle that closes.
    """

    path: tuple[tuple[float, float], ...] = ()
    closed: bool = False
    in_place: bool = False
    loop: bool = False


@dataclass(frozen=True)
class Order:
    """One clip. start: what it goes on from, as it stands in the scene; end: the pose it ends in.

    group: the clips that were asked for at once. number: which of them this is, from 1.
    preview: show it on the rig while it is being made.
    """

    steps: tuple[Step, ...]
    seed: int
    finish: Finish = Finish()
    start: Motion | None = None
    end: Motion | None = None
    group: str = ""
    number: int = 1
    preview: bool = False

    @property
    def name(self) -> str:
        """The prompts in a row."""
        return ", then ".join(step.prompt for step in self.steps)

    def requests(self, target: Target | None) -> tuple[Request, ...]:
        """What the backend is asked, in this order. Raises ClientError for what it would refuse."""
        return tuple(self._request(part, target) for part in range(len(self.steps)))

    def going_on(self, request: Request, before: Motion) -> Request:
        """The request of a later prompt, once the motion of the one before is there."""
        return replace(request, start=tail(before))

    def whole(self, parts: Sequence[Motion]) -> Motion:
        """The motions of all prompts as the one clip that was asked for."""
        motion, finish = self.so_far(parts), self.finish
        if finish.path:
            motion = follow_path(motion, np.array(finish.path), finish.closed)
        if finish.in_place:
            motion = in_place(motion)
        if finish.loop:
            motion = looped(motion)
            motion = closed_in_place(motion) if finish.in_place else motion
        elif self.end is not None:
            motion = ending_in(motion, self.end)
        return motion

    def so_far(self, parts: Sequence[Motion]) -> Motion:
        """The parts that are there, one after another, from where the clip begins.

        What is done to a clip (path, in place, loop) comes only when it is whole.
        """
        motion = parts[0] if self.start is None else going_on(self.start, parts[0])
        for part in parts[1:]:
            motion = appended(motion, part)
        return motion

    def _request(self, part: int, target: Target | None) -> Request:
        step = self.steps[part]
        goes_on = part > 0 or self.start is not None
        ends = part == len(self.steps) - 1 and self.end is not None
        seconds = step.seconds
        if len(step.prompt) > MAX_CHARS:
            raise ClientError(f"A prompt may have {MAX_CHARS} characters: write a shorter one.")
        if seconds is not None:
            most = MAX_SECONDS - (CONTEXT_SECONDS if goes_on else 0.0)
            if seconds > most:
                raise ClientError(
                    f"A motion that goes on from another may last {most:g} seconds: ask for less."
                )
            seconds += CONTEXT_SECONDS if goes_on else 0.0
            if ends:  # the pose is in the model's last step, which must not be cut
                seconds = round(_TIME_STEP * math.ceil(seconds / _TIME_STEP - 1e-6), 3)
        return Request(
            step.prompt,
            seconds,
            self.seed,
            target,
            start=tail(self.start) if part == 0 and self.start is not None else None,
            end=tail(self.end) if ends and self.end is not None else None,
            order=self,
            part=part,
        )
