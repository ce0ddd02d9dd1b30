# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a clip, held until all are there. No bpy here."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..shared.motion import Motion
from .jobs import MotionChunk
from .order import Order, joined_parts, whole_clip
from .session import Arrived, Request


class Gatherer:
    """Takes motions as they arrive; gives clips. Parts of one clip come one after another."""

    def __init__(self) -> None:
        self._order: Order | None = None
        self._parts: list[Motion] = []

    def take(self, arrived: Arrived) -> Arrived | None:
        """The finished clip, once its last part is there; what was not ordered passes through."""
        order = arrived.request.order
        if order is None:
            return arrived
        parts = [*self.parts(arrived.request), arrived.motion]
        if len(parts) < len(order.steps):
            self._order, self._parts = order, parts
            return None
        self._order, self._parts = None, []
        return replace(arrived, motion=whole_clip(order, parts))

    def parts(self, request: Request) -> list[Motion]:
        """The motions of the same clip that came before this request's."""
        return list(self._parts) if request.order is self._order else []

    def so_far(self, request: Request, chunks: Sequence[MotionChunk]) -> Motion | None:
        """The clip as far as it has come, these frames of the request under way included.

        None while there is nothing to see. What is done to the whole clip (path, loop, in place)
        comes only when it is whole.
        """
        frames = joined_chunks(chunks)
        if frames is None or request.order is None:
            return frames
        return joined_parts(request.order, [*self.parts(request), frames])


def joined_chunks(chunks: Sequence[MotionChunk]) -> Motion | None:
    """The frames of the chunks that follow each other from the first frame on; None without."""
    found: list[Motion] = []
    count = 0
    for chunk in chunks:
        if chunk.start_frame != count:
            break
        found.append(chunk.motion)
        count += chunk.motion.num_frames
    if not found:
        return None
    poses = np.concatenate([motion.poses for motion in found])
    return Motion(poses, np.concatenate([motion.trans for motion in found]), found[0].fps)
