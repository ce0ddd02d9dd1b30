# SPDX-License-Identifier: Apache-2.0
"""Reading and writing BVH, the text format that motion-capture tools exchange."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    euler_to_matrix,
    matrix_to_euler,
)
from blender_addon.shared.skeleton import JOINT_NAMES, NUM_BODY_JOINTS, PARENTS, REST_OFFSETS

_MAX_JOINTS = 1024


class BvhError(ValueError):
    """A file that is not a usable BVH; the message names the line."""


@dataclass(frozen=True)
class BvhClip:
    """A skeleton and T frames of it, in the file's own unit of length.

    names, parents: J joints, each after its parent. offsets: (J, 3). end_sites: joint name -> (3,).
    rotations: (T, J, 3, 3) local. positions: (T, J, 3) local: the offset, or the file's channels.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    rotations: np.ndarray
    positions: np.ndarray
    frame_time: float
    end_sites: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        return 1.0 / self.frame_time

    def world(self) -> tuple[np.ndarray, np.ndarray]:
        """World (positions (T, J, 3), rotations (T, J, 3, 3)) of every joint."""
        positions, rotations = [], []
        for j, parent in enumerate(self.parents):
            if parent < 0:
                positions.append(self.positions[:, j])
                rotations.append(self.rotations[:, j])
            else:
                step = np.einsum("tij,tj->ti", rotations[parent], self.positions[:, j])
                positions.append(positions[parent] + step)
                rotations.append(rotations[parent] @ self.rotations[:, j])
        return np.stack(positions, 1), np.stack(rotations, 1)


@dataclass
class _Joint:
    name: str
    parent: int
    offset: list[float]
    channels: list[str]


class _Lines:
    """The file's lines with their numbers, blank ones skipped."""

    def __init__(self, text: str) -> None:
        self._lines = [(n, line.split()) for n, line in enumerate(text.splitlines(), 1)]
        self._lines = [(n, words) for n, words in self._lines if words]
        self._at = 0

    def next(self, what: str) -> tuple[int, list[str]]:
        if self._at >= len(self._lines):
            raise BvhError(f"the file ends where {what} should be")
        self._at += 1
        return self._lines[self._at - 1]

    def rest(self) -> list[tuple[int, list[str]]]:
        return self._lines[self._at :]


def read_bvh(path: str | Path) -> BvhClip:
    """Read a BVH file. Raises BvhError, which names the file and the line."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BvhError(f"{path}: not a text file, so not a BVH") from error
    except OSError as error:
        raise BvhError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return parse_bvh(text)
    except BvhError as error:
        raise BvhError(f"{path}: {error}") from None


def parse_bvh(text: str) -> BvhClip:
    """Parse the text of a BVH file. Raises BvhError with the line number."""
    lines = _Lines(text)
    number, words = lines.next("HIERARCHY")
    if words[0].upper() != "HIERARCHY":
        raise BvhError(f"line {number}: a BVH begins with HIERARCHY, not {words[0][:40]!r}")
    joints, ends = _parse_hierarchy(lines)
    number, words = lines.next("the number of frames")
    if words[0].lower() != "frames:" or len(words) != 2 or not _is_count(words[1]):
        raise BvhError(f"line {number}: expected 'Frames: N'")
    count = int(words[1])
    if count == 0:
        raise BvhError(f"line {number}: the clip has 0 frames")
    number, words = lines.next("the frame time")
    if [w.lower() for w in words[:2]] != ["frame", "time:"] or len(words) != 3:
        raise BvhError(f"line {number}: expected 'Frame Time: SECONDS'")
    frame_time = _numbers(number, words[2:], 1, "the frame time")[0]
    if not 1e-4 < frame_time < 10:
        raise BvhError(f"line {number}: a frame time of {frame_time} seconds cannot be right")
    values = _parse_frames(lines, count, sum(len(j.channels) for j in joints))
    return _build_clip(joints, ends, values, frame_time)


def _numbers(line: int, words: list[str], count: int, what: str) -> list[float]:
    try:
        values = [float(w) for w in words]
    except ValueError as error:
        raise BvhError(f"line {line}: {what} holds something that is not a number") from error
    if len(values) != count:
        raise BvhError(f"line {line}: {what} needs {count} numbers, found {len(values)}")
    if not np.isfinite(values).all():
        raise BvhError(f"line {line}: {what} holds a number that is not finite")
    return values


def _is_count(word: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", word) is not None


def _parse_hierarchy(lines: _Lines) -> tuple[list[_Joint], dict[str, np.ndarray]]:
    joints: list[_Joint] = []
    ends: dict[str, np.ndarray] = {}
    stack: list[int] = []  # index of the open joint, or -1 for an End Site
    while True:
        number, words = lines.next("MOTION")
        key = words[0].upper()
        if key == "MOTION":
            if stack:
                raise BvhError(f"line {number}: MOTION before every brace is closed")
            if not joints:
                raise BvhError(f"line {number}: the hierarchy has no joints")
            return joints, ends
        if key in ("ROOT", "JOINT"):
            if len(joints) >= _MAX_JOINTS:
                raise BvhError(f"line {number}: more than {_MAX_JOINTS} joints")
            if (key == "ROOT") != (not stack) or (stack and stack[-1] < 0):
                raise BvhError(f"line {number}: {key} is not allowed here")
            name = " ".join(words[1:]) or f"joint_{len(joints)}"
            joints.append(_Joint(name, stack[-1] if stack else -1, [0.0] * 3, []))
            stack.append(len(joints) - 1)
            _expect_brace(lines)
        elif key == "END":
            if not stack or stack[-1] < 0:
                raise BvhError(f"line {number}: an End Site is not allowed here")
            stack.append(-1)
            _expect_brace(lines)
        elif key == "OFFSET" and stack:
            values = _numbers(number, words[1:], 3, "OFFSET")
            if stack[-1] < 0:
                ends[joints[stack[-2]].name] = np.array(values)
            else:
                joints[stack[-1]].offset = values
        elif key == "CHANNELS" and stack and stack[-1] >= 0:
            joints[stack[-1]].channels = _parse_channels(number, words)
        elif key == "}" and stack:
            stack.pop()
        else:
            raise BvhError(f"line {number}: {words[0][:40]!r} is not expected here")


def _expect_brace(lines: _Lines) -> None:
    number, words = lines.next("'{'")
    if words != ["{"]:
        raise BvhError(f"line {number}: expected '{{'")


def _parse_channels(number: int, words: list[str]) -> list[str]:
    if len(words) < 2 or not _is_count(words[1]) or int(words[1]) != len(words) - 2:
        raise BvhError(f"line {number}: CHANNELS does not list as many names as it says")
    channels = [w.lower() for w in words[2:]]
    for c in channels:
        if c[:1] not in "xyz" or c[1:] not in ("position", "rotation"):
            raise BvhError(f"line {number}: unknown channel {c!r}")
    if len(set(channels)) != len(channels):
        raise BvhError(f"line {number}: a channel is named twice")
    return channels


def _parse_frames(lines: _Lines, count: int, width: int) -> np.ndarray:
    rows = lines.rest()
    if len(rows) < count:
        raise BvhError(f"the file promises {count} frames and holds {len(rows)}: it is cut short")
    values = np.empty((count, width))
    for t, (number, words) in enumerate(rows[:count]):
        values[t] = _numbers(number, words, width, "the frame")
    return values


def _build_clip(
    joints: list[_Joint], ends: dict[str, np.ndarray], values: np.ndarray, frame_time: float
) -> BvhClip:
    frames = len(values)
    offsets = np.array([j.offset for j in joints])
    rotations = np.tile(np.eye(3), (frames, len(joints), 1, 1))
    positions = np.tile(offsets, (frames, 1, 1))
    at = 0
    for i, joint in enumerate(joints):
        block = values[:, at : at + len(joint.channels)]
        at += len(joint.channels)
        turns = [k for k, c in enumerate(joint.channels) if c.endswith("rotation")]
        if turns:
            order = "".join(joint.channels[k][0] for k in turns)
            rotations[:, i] = euler_to_matrix(block[:, turns], order)
        for k, c in enumerate(joint.channels):
            if c.endswith("position"):
                positions[:, i, "xyz".index(c[0])] = block[:, k]
    return BvhClip(
        tuple(j.name for j in joints),
        tuple(j.parent for j in joints),
        offsets,
        rotations,
        positions,
        frame_time,
        ends,
    )


def write_bvh(motion: Motion, path: str | Path) -> None:
    """Write a motion as BVH: SMPL's 22 joints, Y up, centimetres, ZXY rotations in degrees."""
    local = axis_angle_to_matrix(motion.poses[:, :NUM_BODY_JOINTS].astype(np.float64))
    angles = matrix_to_euler(local, "ZXY")
    pelvis = (motion.trans + REST_OFFSETS[0]) * 100
    children: dict[int, list[int]] = {j: [] for j in range(NUM_BODY_JOINTS)}
    for j in range(1, NUM_BODY_JOINTS):
        children[PARENTS[j]].append(j)
    lines, order = ["HIERARCHY"], []

    def emit(j: int, depth: int) -> None:
        pad = "  " * depth
        order.append(j)
        offset = REST_OFFSETS[j] * 100 if j else np.zeros(3)
        move = "Xposition Yposition Zposition " if j == 0 else ""
        lines.extend(
            [
                f"{pad}{'JOINT' if j else 'ROOT'} {JOINT_NAMES[j]}",
                f"{pad}{{",
                f"{pad}  OFFSET " + " ".join(f"{v:.5f}" for v in offset),
                f"{pad}  CHANNELS {6 if j == 0 else 3} {move}Zrotation Xrotation Yrotation",
            ]
        )
        for child in children[j]:
            emit(child, depth + 1)
        if not children[j]:
            tip = _tip(j)
            lines.extend(
                [
                    f"{pad}  End Site",
                    f"{pad}  {{",
                    f"{pad}    OFFSET " + " ".join(f"{v:.5f}" for v in tip),
                    f"{pad}  }}",
                ]
            )
        lines.append(f"{pad}}}")

    emit(0, 0)
    frame_time = f"{1 / motion.fps:.8f}"
    lines += ["MOTION", f"Frames: {motion.num_frames}", f"Frame Time: {frame_time}"]
    table = np.concatenate([pelvis, angles[:, order].reshape(motion.num_frames, -1)], axis=1)
    lines += [" ".join(f"{v:.5f}" for v in row) for row in table]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tip(joint: int) -> np.ndarray:
    """(3,) centimetres: where the bone of a joint without children ends."""
    name = JOINT_NAMES[joint]
    hand = {"left_wrist": "left_hand", "right_wrist": "right_hand"}.get(name)
    if hand:
        return REST_OFFSETS[JOINT_NAMES.index(hand)] * 100
    return np.array([0.0, 12.0, 3.0]) if name == "head" else np.array([0.0, 0.0, 6.0])
