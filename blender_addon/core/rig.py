# SPDX-License-Identifier: GPL-3.0-or-later
"""A target skeleton at rest, as plain numbers. No bpy here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Rig:
    """N bones at rest, in the armature's own space and unit; whatever axis is up.

    parents: (N,) index of each bone's parent, -1 for none.
    carriers: (N,) the bone that turns and moves it: its parent, or what its constraints copy.
    heads, tails: (N, 3). axes: (N, 3, 3) rest axes as columns (Blender's bone.matrix_local).
    inherits: (N,) False for bones that do not turn with their parent.
    free: (N,) whether keys alone pose it: no constraints of its own.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    carriers: tuple[int, ...]
    heads: np.ndarray
    tails: np.ndarray
    axes: np.ndarray
    inherits: tuple[bool, ...]
    free: tuple[bool, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Bone name -> index."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """(N,) the indices of each bone's children."""
        found: list[list[int]] = [[] for _ in self.names]
        for i, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(i)
        return tuple(map(tuple, found))

    def ancestors(self, bone: int) -> Iterator[int]:
        """The bone itself, its parent, and so on to the root."""
        while bone >= 0:
            yield bone
            bone = self.parents[bone]

    def carried_by(self, bone: int) -> Iterator[int]:
        """What carries the bone, what carries that, and so on; a circle ends where it closes."""
        seen = {bone}
        bone = self.carriers[bone]
        while bone >= 0 and bone not in seen:
            seen.add(bone)
            yield bone
            bone = self.carriers[bone]
