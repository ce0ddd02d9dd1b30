# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session is asked for, and what comes back, as plain data. No bpy here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ..shared.codec import motion_arrays
from ..shared.motion import Motion
from .jobs import Job

if TYPE_CHECKING:
    from .order import Order


@dataclass(frozen=True)
class Target:
    """Where a motion goes, as plain data: the armature may be gone when it arrives.

    into_action: together with the keys that the armature's action has before and after it.
    armature_uid, scene_uid: their numbers while the file is open, whatever their names become; 0
    for none.
    """

    armature: str
    scene: str
    start_frame: int
    fit_range: bool = True
    into_action: bool = False
    armature_uid: int = 0
    scene_uid: int = 0


class Ask(Protocol):
    """A job of any task, as a frozen dataclass; `asks` has those that are not text to motion.

    files: the parameters that are paths of files on this computer.
    """

    task: ClassVar[str]
    files: ClassVar[tuple[str, ...]]

    @property
    def target(self) -> Target | None: ...

    def params(self) -> dict[str, Any]: ...

    def arrays(self) -> dict[str, np.ndarray]: ...

    def arrived(self, job: Job) -> "Arrived | Answered":
        """What a finished job brings; MotionError when that is not what was asked for."""
        ...


@dataclass(frozen=True)
class Request:
    """What the user asked for. seconds: None lets the model choose.

    start: a motion to go on from, which begins the result; end: one whose last pose ends it.
    order: the clip that this is a part of, which says what is done to the motion. part: which of
    its prompts this is; each later one goes on from the motion of the one before.
    """

    task: ClassVar[str] = "text_to_motion"
    files: ClassVar[tuple[str, ...]] = ()
    prompt: str
    seconds: float | None
    seed: int
    target: Target | None
    start: Motion | None = None
    end: Motion | None = None
    order: "Order | None" = None
    part: int = 0

    def params(self) -> dict[str, Any]:
        """The parameters of the backend's text_to_motion task."""
        params = {"prompt": self.prompt, "seconds": self.seconds, "seed": self.seed}
        for name, motion in (("start", self.start), ("end", self.end)):
            if motion is not None:
                params[f"{name}_fps"] = float(motion.fps)
        return params

    def arrays(self) -> dict[str, np.ndarray]:
        """The motions that it begins and ends with, for the wire."""
        arrays = {}
        for name, motion in (("start", self.start), ("end", self.end)):
            if motion is not None:
                arrays |= motion_arrays(motion, f"{name}_")
        return arrays

    def arrived(self, job: Job) -> "Arrived":
        """The motion. Raises MotionError."""
        return Arrived(self, job.motion())


@dataclass(frozen=True)
class Arrived:
    """A motion that the backend made, still to be keyed.

    earlier: one of the same group that could not be keyed either.
    """

    request: Request
    motion: Motion
    earlier: "Arrived | None" = None


@dataclass(frozen=True)
class Answered:
    """What another task brought: the values and arrays of its result, and its text."""

    request: Ask
    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    text: str = ""
