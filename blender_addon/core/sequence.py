# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips one after another as one, and clips that go on from a pose or end in one. No bpy here.

The model begins a continued motion with what it was given to go on from, as its tokenizer holds it:
CONTEXT_FRAMES of the answer are the past again, and are dropped.
"""

from dataclasses import replace

import numpy as np

from ..shared.motion import Motion
from .blend import (
    BLEND_SECONDS,
    body,
    eased_from,
    eased_to,
    frames_of,
    joined,
    placed,
)

MODEL_FPS = 20.0
CONTEXT_FRAMES = 20  # whole time steps of the model, of 4 frames each
CONTEXT_SECONDS = CONTEXT_FRAMES / MODEL_FPS


def tail(motion: Motion) -> Motion:
    """The last CONTEXT_FRAMES at the model's rate; a shorter motion waits in its first pose."""
    last = frames_of(body(motion).resampled(MODEL_FPS), -CONTEXT_FRAMES)
    missing = CONTEXT_FRAMES - last.num_frames
    return replace(
        last,
        poses=np.concatenate([np.repeat(last.poses[:1], missing, axis=0), last.poses]),
        trans=np.concatenate([np.repeat(last.trans[:1], missing, axis=0), last.trans]),
    )


def going_on(before: Motion, after: Motion, context: int = CONTEXT_FRAMES) -> Motion:
    """`after` from where `before` ends: its first frame is the last frame of `before`.

    context: how many frames of `after` are the end of `before` again; 0 for an unrelated clip.
    Heading and place on the ground are met exactly, the pose is eased over BLEND_SECONDS.
    """
    before, after = body(before), body(after)
    anchor = min(max(context, 1) - 1, after.num_frames - 1)
    rest = frames_of(after, anchor)
    return eased_from(placed(rest, 0, before, before.num_frames - 1), before, BLEND_SECONDS)


def appended(before: Motion, after: Motion, context: int = CONTEXT_FRAMES) -> Motion:
    """The two as one clip, at the rate of `before`; no frame stands twice at the seam."""
    before = body(before)
    after = body(after).resampled(before.fps)
    return joined(before, frames_of(going_on(before, after, context), 1))


def ending_in(motion: Motion, pose: Motion, seconds: float = BLEND_SECONDS) -> Motion:
    """The motion with its last frame in the last pose of `pose`, standing where it ends."""
    motion, pose = body(motion), body(pose)
    last = motion.num_frames - 1
    there = placed(frames_of(pose, -1), 0, motion, last)
    return eased_to(motion, there, seconds)
