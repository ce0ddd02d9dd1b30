# SPDX-License-Identifier: Apache-2.0
"""What a network has read out of landmarks: where they lie in depth, and how the pelvis faces."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lifted:
    """B people in camera axes (x right, y down, z away).

    points: (B, 33, 3) metres, landmarks of the mean body about the middle of the hips. spread:
    (B, 33, 3) metres, the mean of their absolute errors. root: (B, 3, 3) the pelvis's rotation.
    """

    points: Tensor
    spread: Tensor
    root: Tensor

    def each(self, times: int) -> "Lifted":
        """Every person so many times, one after another, for fitting: float64, on the CPU."""
        fields = (self.points, self.spread, self.root)
        moved = [x.detach().cpu().double() for x in fields]
        return Lifted(*(x.repeat_interleave(times, dim=0) for x in moved))

    def rows(self, index: Tensor) -> "Lifted":
        """The people at these rows: (K,) numbers, or (B,) bool."""
        return Lifted(self.points[index], self.spread[index], self.root[index])


def joined(people: Sequence[Lifted]) -> Lifted:
    """All of them, one after another."""
    return Lifted(
        torch.cat([p.points for p in people]),
        torch.cat([p.spread for p in people]),
        torch.cat([p.root for p in people]),
    )
