# SPDX-License-Identifier: GPL-3.0-or-later
"""The bones of a rig that are driven, posed over time: forward kinematics on arrays. No bpy here.

A bone's turn is its rotation away from rest in the rig's space, (T, 3, 3); bones in between that
are not driven stay at rest on whatever carries them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..shared.rotations import make_quaternions_continuous, matrix_to_quaternion
from .rig import Rig


@dataclass
class RigPose:
    """Turns of the driven bones, and the places of those that are moved as well.

    turns: bone index -> (T, 3, 3). root: the bone that moves the body.
    places: bone index -> (T, 3) where its head is; the root's is always there.
    """

    rig: Rig
    turns: dict[int, np.ndarray]
    root: int
    places: dict[int, np.ndarray]

    def carrier(self, bone: int) -> int:
        """The nearest driven bone that carries this one, -1 for none."""
        return next((b for b in self.rig.carried_by(bone) if b in self.turns), -1)

    def head(self, bone: int) -> np.ndarray:
        """(T, 3) where the head of any bone is.

        What hangs on no driven bone is held to the root: `local_locations` moves it there.
        """
        if bone in self.places:
            return self.places[bone]
        carrier = self.carrier(bone)
        if carrier < 0:
            carrier = self.root
        return self.point(carrier, self.rig.heads[bone])

    def point(self, bone: int, rest: np.ndarray) -> np.ndarray:
        """(T, 3) where a point that rests at (3,) `rest` is when it is fixed to a driven bone."""
        return self.head(bone) + self.turns[bone] @ (rest - self.rig.heads[bone])

    def local_quaternions(self) -> dict[int, np.ndarray]:
        """Bone index -> (T, 4), what Blender keys as rotation_quaternion; no change of sign."""
        found = {}
        for bone, turn in self.turns.items():
            carrier = self.carrier(bone) if self.rig.inherits[bone] else -1
            if carrier >= 0:
                turn = np.swapaxes(self.turns[carrier], -1, -2) @ turn
            axes = self.rig.axes[bone]
            found[bone] = make_quaternions_continuous(matrix_to_quaternion(axes.T @ turn @ axes))
        return found

    def local_locations(self, local: Mapping[int, bool]) -> dict[int, np.ndarray]:
        """Bone index -> (T, 3) of the bones with a place, and of those nothing driven carries.

        local: False for bones whose location is in the rig's space (use_local_location off).
        """
        found = {}
        for bone in self.turns:
            carrier = self.carrier(bone)
            if bone not in self.places and carrier >= 0:
                continue
            offset = self.head(bone) - self.rig.heads[bone]
            if carrier >= 0:
                base = self.point(carrier, self.rig.heads[bone])
                offset = np.einsum("tji,tj->ti", self.turns[carrier], self.places[bone] - base)
            found[bone] = offset @ self.rig.axes[bone] if local.get(bone, True) else offset
        return found
