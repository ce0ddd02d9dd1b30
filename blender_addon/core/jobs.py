# SPDX-License-Identifier: GPL-3.0-or-later
"""One job as the client sees it: a small state machine fed with the server's events.

No bpy, no sockets here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from ..shared import protocol
from ..shared.codec import motion_from_arrays
from ..shared.motion import Motion, MotionError


class JobState(StrEnum):
    """SENDING while its files go to another machine, SENT until the server accepts; the last three
    are final."""

    SENDING = "sending"
    SENT = "sent"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass
class MotionChunk:
    """Frames that arrived before the whole result: the motion from `start_frame` on."""

    start_frame: int
    motion: Motion


@dataclass
class Job:
    """What is known about a job; its methods are the only things that change it."""

    job_id: str
    task: str
    state: JobState = JobState.SENT
    cancel_requested: bool = False
    position: int = 0
    fraction: float = 0.0
    message: str = ""
    text: str = ""
    chunks: list[MotionChunk] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    error: protocol.Error | None = None

    @property
    def finished(self) -> bool:
        return self.state in FINAL

    def sending(self, fraction: float, message: str) -> None:
        """How much of its files is on the other machine."""
        if not self.finished:
            self.state, self.fraction, self.message = JobState.SENDING, fraction, message

    def sent(self) -> None:
        """All of it is under way: from here on the server tells."""
        self.state, self.fraction, self.message = JobState.SENT, 0.0, ""

    def apply(self, event: Any, arrays: Mapping[str, np.ndarray] | None = None) -> bool:
        """Take in one event; False when it changes nothing (a final job stays as it is)."""
        if self.finished or getattr(event, "job_id", None) != self.job_id:
            return False
        arrays = dict(arrays or {})
        match event:
            case protocol.Accepted():
                if self.state in (JobState.SENT, JobState.QUEUED):
                    self.state, self.position = JobState.QUEUED, event.position
            case protocol.Progress():
                self.state = JobState.RUNNING
                self.fraction = min(1.0, max(self.fraction, event.fraction))
                self.message = event.message
            case protocol.Chunk():
                self.state = JobState.RUNNING
                self.text += event.text
                if "poses" in arrays:
                    motion = motion_from_arrays(arrays, _frame_rate(event.values))
                    self.chunks.append(MotionChunk(event.start_frame, motion))
            case protocol.Result():
                self.state, self.fraction = JobState.DONE, 1.0
                self.values, self.arrays = dict(event.values), arrays
            case protocol.Error():
                self.state, self.error = JobState.FAILED, event
                self.message = event.message
            case protocol.Cancelled():
                self.state, self.message = JobState.CANCELLED, "Cancelled."
            case _:
                return False
        return True

    def motion_so_far(self) -> Motion | None:
        """The frames that have arrived, from the first on without a gap; None without any."""
        found: list[Motion] = []
        count = 0
        for chunk in self.chunks:
            if chunk.start_frame != count:
                break
            found.append(chunk.motion)
            count += chunk.motion.num_frames
        if not found:
            return None
        poses = np.concatenate([motion.poses for motion in found])
        return Motion(poses, np.concatenate([motion.trans for motion in found]), found[0].fps)

    def motion(self) -> Motion:
        """The motion of a finished text-to-motion job; MotionError when there is none."""
        return motion_from_arrays(self.arrays, _frame_rate(self.values))


def _frame_rate(values: Mapping[str, Any]) -> float:
    fps = values.get("fps")
    if not isinstance(fps, int | float):
        raise MotionError("the motion comes without its frame rate")
    return float(fps)
