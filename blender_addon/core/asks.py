# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of the backend beside text to motion, as plain data. No bpy here.

Each is a job of one task: its parameters, its arrays, and how its result is read.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..shared.codec import motion_arrays, motion_from_arrays
from ..shared.motion import Motion, MotionError
from .jobs import Job
from .requests import Answered, Arrived, Ask, Request, Target

NUM_JOINTS = 22


def answered(request: Ask, job: Job) -> Answered:
    """A finished job's values, arrays and text; the text that was streamed when it names none."""
    text = job.values.get("text", job.text)
    if not isinstance(text, str):
        raise MotionError("the text of the answer is no text")
    return Answered(request, job.values, job.arrays, text)


def made_motion(answer: Answered, target: Target | None, name: str = "") -> Arrived | None:
    """The motion in an answer, as one to key on `target`; None when it holds none.

    name: the action's, where the answer names no prompt.
    """
    if "poses" not in answer.arrays:
        return None
    motion = motion_from_arrays(answer.arrays, float(answer.values["fps"]))
    prompt, seed = answer.values.get("prompt", name), answer.values.get("seed", 0)
    return Arrived(Request(str(prompt), None, int(seed), target), motion)


def part_params(start: float, seconds: float) -> dict[str, Any]:
    """The part of a clip that is meant: from the second `start` on, 0 `seconds` to its end."""
    return ({"start": start} if start > 0 else {}) | ({"seconds": seconds} if seconds > 0 else {})


@dataclass(frozen=True)
class PeopleAsk:
    """Who is in a picture. Result: boxes (K, 4), scores (K,), picture (the bytes of a JPEG), size.

    path: a file; pixels: (height, width, 3) uint8 in place of one. pose_after: with one person,
    go on to the pose.
    """

    task: ClassVar[str] = "people"
    files: ClassVar[tuple[str, ...]] = ("image",)
    path: str = ""
    pixels: np.ndarray | None = None
    pose_after: bool = True
    target: Target | None = None

    def params(self) -> dict[str, Any]:
        return {} if self.pixels is not None else {"image": self.path}

    def arrays(self) -> dict[str, np.ndarray]:
        return {} if self.pixels is None else {"image": self.pixels}

    def arrived(self, job: Job) -> Answered:
        """Raises MotionError when the lists do not fit together."""
        found = answered(self, job)
        boxes, scores = found.arrays.get("boxes"), found.arrays.get("scores")
        size, picture = found.values.get("size"), found.arrays.get("picture")
        usable = (
            boxes is not None
            and scores is not None
            and picture is not None
            and boxes.shape == (len(scores), 4)
            and isinstance(size, list)
            and len(size) == 2
        )
        if not usable:
            raise MotionError("the list of people in the picture is incomplete")
        return found


@dataclass(frozen=True)
class PoseAsk:
    """The pose of one person in a picture, for the frame and the armature of `target`.

    box: left, top, right, bottom in pixels, of the one who is meant; the largest when None.
    selected_only: key only selected bones. keep_place, keep_heading: see `placing`.
    picture: what shows it in Blender, by name; size: (width, height) that its pixels count in.
    """

    task: ClassVar[str] = "pose"
    files: ClassVar[tuple[str, ...]] = ("image",)
    path: str = ""
    pixels: np.ndarray | None = None
    box: tuple[float, ...] | None = None
    selected_only: bool = False
    keep_place: bool = True
    keep_heading: bool = False
    picture: str = ""
    size: tuple[int, int] = (1, 1)
    target: Target | None = None

    def params(self) -> dict[str, Any]:
        given = {} if self.pixels is not None else {"image": self.path}
        return given | ({} if self.box is None else {"box": list(self.box)})

    def arrays(self) -> dict[str, np.ndarray]:
        return {} if self.pixels is None else {"image": self.pixels}

    def arrived(self, job: Job) -> Answered:
        """Raises MotionError when there is no pose in it."""
        job.motion()
        joints = job.arrays.get("joints_image")
        if joints is None or joints.shape != (NUM_JOINTS, 2):
            raise MotionError("the pose comes without its joints in the picture")
        return answered(self, job)


@dataclass(frozen=True)
class DescribeAsk:
    """A clip in words, or the answer to a question about it. start, seconds: see `part_params`."""

    task: ClassVar[str] = "describe"
    files: ClassVar[tuple[str, ...]] = ("video",)
    path: str
    question: str = ""
    target: Target | None = None
    start: float = 0.0
    seconds: float = 0.0

    def params(self) -> dict[str, Any]:
        asked = {"video": self.path, "ask": self.question}
        return asked | part_params(self.start, self.seconds)

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    def arrived(self, job: Job) -> Answered:
        return answered(self, job)


@dataclass(frozen=True)
class DescribeMotionAsk:
    """An animation in words.

    action: whose description the text becomes, "" for none's; action_uid: its number while the
    file is open.
    """

    task: ClassVar[str] = "describe_motion"
    files: ClassVar[tuple[str, ...]] = ()
    motion: Motion
    action: str = ""
    action_uid: int = 0
    question: str = ""
    target: Target | None = None

    def params(self) -> dict[str, Any]:
        return {"fps": float(self.motion.fps), "ask": self.question}

    def arrays(self) -> dict[str, np.ndarray]:
        return motion_arrays(self.motion)

    def arrived(self, job: Job) -> Answered:
        return answered(self, job)


@dataclass(frozen=True)
class TrackAsk:
    """The motion of the person in a clip, to be keyed like a generated one.

    name: the action's. in_place: without the way that the person goes. start, seconds: see
    `part_params`.
    """

    task: ClassVar[str] = "track"
    files: ClassVar[tuple[str, ...]] = ("video",)
    path: str
    name: str
    in_place: bool = False
    target: Target | None = None
    start: float = 0.0
    seconds: float = 0.0

    def params(self) -> dict[str, Any]:
        asked = {"video": self.path, "in_place": self.in_place}
        return asked | part_params(self.start, self.seconds)

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    def arrived(self, job: Job) -> Answered:
        """Raises MotionError when there is no motion in it."""
        job.motion()
        return answered(self, job)


@dataclass(frozen=True)
class ChatAsk:
    """The next answer in a conversation; a motion that it makes goes to `target`.

    messages: as the backend's chat task takes them, the user's turn last. seconds: of a motion,
    None lets the model choose.
    """

    task: ClassVar[str] = "chat"
    files: ClassVar[tuple[str, ...]] = ()
    messages: tuple[dict[str, Any], ...]
    seed: int = 0
    seconds: float | None = None
    target: Target | None = None

    def params(self) -> dict[str, Any]:
        return {"messages": list(self.messages), "seed": self.seed, "seconds": self.seconds}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    def arrived(self, job: Job) -> Answered:
        """Raises MotionError when the answer is not a message, or its motion is of no use."""
        message = job.values.get("message")
        if not isinstance(message, dict) or message.get("role") != "assistant":
            raise MotionError("the answer is no message of the assistant")
        if "poses" in job.arrays:
            job.motion()
        return answered(self, job)
