# SPDX-License-Identifier: GPL-3.0-or-later
"""An order as text, so that an action can carry it in the file and be made again. No bpy here."""

import base64
from typing import Any

import msgspec
import numpy as np

from ..shared.motion import Motion, MotionError
from .order import Finish, Order, Step

VERSION = 1


class HistoryError(ValueError):
    """Text that is not an order; the message says what to do."""


class _Clip(msgspec.Struct, frozen=True):
    """poses, trans: float32, little-endian, base64."""

    frames: int
    fps: float
    poses: str
    trans: str


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    version: int
    steps: tuple[Step, ...]
    seed: int
    finish: Finish = Finish()
    start: _Clip | None = None
    end: _Clip | None = None


def order_to_text(order: Order) -> str:
    """The order as JSON: all that its motion depends on, but not where it goes."""
    kept = _Kept(
        VERSION, order.steps, order.seed, order.finish, _packed(order.start), _packed(order.end)
    )
    return msgspec.json.encode(kept).decode()


def order_from_text(text: str) -> Order:
    """The inverse of `order_to_text`. Raises HistoryError."""
    try:
        kept = msgspec.json.decode(text.encode(), type=_Kept)
        if kept.version > VERSION:
            raise HistoryError(
                "It was made with a newer HMVLM: update the add-on to make it again."
            )
        if not kept.steps:
            raise HistoryError("It holds no prompt: write one and generate.")
        start, end = _unpacked(kept.start), _unpacked(kept.end)
    except (msgspec.MsgspecError, MotionError, ValueError) as error:
        if isinstance(error, HistoryError):
            raise
        raise HistoryError(
            f"How this clip was made is not readable ({error}): write the prompt anew."
        ) from error
    return Order(kept.steps, kept.seed, kept.finish, start, end)


def _packed(motion: Motion | None) -> _Clip | None:
    if motion is None:
        return None
    return _Clip(motion.num_frames, motion.fps, _text(motion.poses[:, :22]), _text(motion.trans))


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def _unpacked(clip: _Clip | None) -> Motion | None:
    if clip is None:
        return None
    return Motion(
        _array(clip.poses, (clip.frames, 22, 3)), _array(clip.trans, (clip.frames, 3)), clip.fps
    )


def _array(text: str, shape: tuple[int, ...]) -> Any:
    values = np.frombuffer(base64.b64decode(text, validate=True), "<f4").reshape(shape)
    return values.astype(np.float64)
