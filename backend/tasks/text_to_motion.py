# SPDX-License-Identifier: Apache-2.0
"""A sentence to a motion: from the request to frames, streamed as they are decoded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from blender_addon.shared.motion import Motion

from ..errors import Cancelled, InvalidInput
from ..model.decoding import (
    DEFAULT_MAX_STEPS,
    MotionDecoder,
    MotionRequest,
    SamplingOptions,
    generate_motion,
)
from ..model.hmvlm import Hmvlm
from ..model.processing import FRAMES_PER_STEP, seconds_to_steps, steps_to_seconds
from ..motion.representation import FPS, canonicalize, decode_smpl22, encode_smpl22
from .requests import TextToMotionParams, validate

CONTEXT_SECONDS = 3.0
"""How much of the end of a start motion is used."""
_CHUNK_STEPS = 4

Progress = Callable[[float, str], None]
Chunk = Callable[[int, Motion], None]


@dataclass(frozen=True)
class TextToMotionResult:
    """motion: 22 joints at 20 fps, from the origin, facing +Z. alpha: (E,). tokens: (L, P)."""

    motion: Motion
    alpha: list[float]
    seed: int
    tokens: np.ndarray


def text_to_motion(
    model: Hmvlm,
    params: TextToMotionParams,
    on_progress: Progress = lambda fraction, message: None,
    on_chunk: Chunk = lambda start_frame, motion: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> TextToMotionResult:
    """Generate the motion of one request.

    on_chunk(start_frame, motion) gets new frames as soon as no later token can change them. Raises
    InvalidInput for a request that cannot be served and Cancelled once is_cancelled() is true.
    """
    validate(params)
    on_progress(0.0, "Reading the prompt")
    alpha = model.gate([model.processor.gate_text(params.prompt)])
    if bool(model.skips_experts(alpha)[0]):
        raise InvalidInput(
            "The prompt does not describe a motion. Say what a person does, as: a man walks and "
            "waves. For anything else, use the chat."
        )
    request = _request(model, params, alpha[0])
    expected = request.steps or DEFAULT_MAX_STEPS
    stream = _Stream(model, on_chunk)
    if is_cancelled():
        raise Cancelled

    def on_step(done: int, decoder: MotionDecoder) -> None:
        on_progress(0.95 * done / expected, f"{steps_to_seconds(done):.1f} s of motion")
        if done % _CHUNK_STEPS == 0:
            stream.update(decoder.result(0))

    options = SamplingOptions(params.temperature, params.top_p, params.guidance)
    tokens = generate_motion(model, [request], options, on_step=on_step, is_cancelled=is_cancelled)[
        0
    ]
    motion = decode_tokens(model, tokens)
    if request.steps is not None and params.seconds is not None:
        motion = _cropped(motion, round(params.seconds * FPS))
    stream.finish(motion)
    on_progress(1.0, "Done")
    return TextToMotionResult(motion, [float(a) for a in alpha[0]], params.seed, tokens)


@torch.no_grad()
def decode_tokens(model: Hmvlm, tokens: np.ndarray) -> Motion:
    """(L, P) codes -> a motion of 4 L frames at 20 fps, from the origin, facing +Z."""
    codes = torch.from_numpy(np.ascontiguousarray(tokens))[None].to(model.device)
    features = model.motion_tokenizer.decode(codes)[0].float().cpu().numpy()
    return decode_smpl22(features)


@torch.no_grad()
def encode_motion(model: Hmvlm, motion: Motion) -> np.ndarray:
    """A motion at any rate -> (L, P) codes of its whole time steps."""
    features = encode_smpl22(canonicalize(motion.resampled(FPS)))
    steps = len(features) // FRAMES_PER_STEP
    if steps == 0:
        raise InvalidInput("The given motion is shorter than 0.2 seconds: give a longer one.")
    # keep the end, not the beginning: that is what the new motion has to meet
    rows = torch.from_numpy(features[len(features) - steps * FRAMES_PER_STEP :]).float()
    return model.motion_tokenizer.encode(rows[None].to(model.device))[0].cpu().numpy()


def _request(model: Hmvlm, params: TextToMotionParams, alpha: torch.Tensor) -> MotionRequest:
    start = last = None
    if params.start is not None:
        start = encode_motion(model, _last_seconds(params.start, CONTEXT_SECONDS))
    if params.end is not None:
        last = encode_motion(model, _last_seconds(params.end, 2.0))[-1]
    steps = None
    if params.seconds is not None:
        steps = _steps_that_cover(params.seconds)
        if start is not None and len(start) >= steps:
            raise InvalidInput(
                f"The result begins with the last {steps_to_seconds(len(start)):.1f} s of the "
                "start motion: ask for more seconds than that."
            )
    return MotionRequest(
        prompt=params.prompt,
        alpha=alpha,
        seed=params.seed,
        seconds=None if steps is None else steps_to_seconds(steps),
        steps=steps,
        start=start,
        last=last,
    )


def _steps_that_cover(seconds: float) -> int:
    steps = seconds_to_steps(seconds)
    return steps if steps_to_seconds(steps) >= seconds - 1e-6 else steps + 1


def _last_seconds(motion: Motion, seconds: float) -> Motion:
    frames = max(2, round(seconds * motion.fps) + 1)
    if motion.num_frames <= frames:
        return motion
    return Motion(
        motion.poses[-frames:], motion.trans[-frames:], motion.fps, motion.betas, motion.gender
    )


def _cropped(motion: Motion, frames: int) -> Motion:
    return Motion(
        motion.poses[:frames], motion.trans[:frames], motion.fps, motion.betas, motion.gender
    )


class _Stream:
    """Sends each frame once, when it is final."""

    def __init__(self, model: Hmvlm, on_chunk: Chunk) -> None:
        self.model, self.on_chunk = model, on_chunk
        self.sent = 0

    def update(self, tokens: np.ndarray) -> None:
        final = self.model.motion_tokenizer.final_frames(len(tokens))
        if final > self.sent:
            self._send(decode_tokens(self.model, tokens), final)

    def finish(self, motion: Motion) -> None:
        if motion.num_frames > self.sent:
            self._send(motion, motion.num_frames)

    def _send(self, motion: Motion, until: int) -> None:
        part = Motion(motion.poses[self.sent : until], motion.trans[self.sent : until], motion.fps)
        self.on_chunk(self.sent, part)
        self.sent = until
