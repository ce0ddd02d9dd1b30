# SPDX-License-Identifier: Apache-2.0
"""The tasks that put a clip or a motion into words, as the server offers them."""

from typing import TYPE_CHECKING, Any

import msgspec

from backend.engine import Arrays, JobContext, Output, Params
from backend.errors import InvalidInput
from backend.tasks.requests import (
    DescribeMotionParams,
    DescribeParams,
    validate_describe,
    validate_describe_motion,
)
from backend.wire_params import convert
from blender_addon.shared.codec import motion_from_arrays
from blender_addon.shared.motion import MotionError

if TYPE_CHECKING:
    from backend.hmvlm_engine import HmvlmEngine
    from backend.tasks.video_understanding import Description


class _DescribeRequest(msgspec.Struct, frozen=True):
    video: str = ""
    ask: str = DescribeParams.ask
    box: list[float] | None = None
    max_new_tokens: int = DescribeParams.max_new_tokens
    start: float = DescribeParams.start
    seconds: float | None = DescribeParams.seconds


class _DescribeMotionRequest(msgspec.Struct, frozen=True):
    fps: float = 0.0
    ask: str = DescribeMotionParams.ask
    max_new_tokens: int = DescribeMotionParams.max_new_tokens


class Describe:
    """What a person does in a video, in words.

    params: the fields of DescribeParams; the video is a path on this computer. Chunks carry text.
    Result: text, tokens, complete, seconds, frames, found, alpha.
    """

    def __init__(self, engine: "HmvlmEngine") -> None:
        self._engine = engine
        self._networks: Any = None

    def check(self, params: Params, arrays: Arrays) -> None:
        validate_describe(parse_describe(params))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        from backend import assets
        from backend.tasks.video_understanding import describe_video
        from backend.vision.blazepose import BlazePose

        self._engine.model.watching()  # before anything is fetched for nothing
        if self._networks is None:
            folder = assets.ensure("blazepose", lambda done, say: job.progress(0.02 * done, say))
            self._networks = BlazePose(folder)
        said = describe_video(
            self._engine.model,
            parse_describe(params),
            self._networks,
            job.progress,
            lambda text: job.chunk(text=text),
            job.is_cancelled,
        )
        return _output(said)


class DescribeMotion:
    """What a motion shows, in words.

    params: ask, max_new_tokens, and fps of the arrays poses (T, 22, 3) and trans (T, 3). Chunks and
    result as for Describe.
    """

    def __init__(self, engine: "HmvlmEngine") -> None:
        self._engine = engine

    def check(self, params: Params, arrays: Arrays) -> None:
        validate_describe_motion(parse_describe_motion(params, arrays))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        from backend.tasks.video_understanding import describe_motion

        said = describe_motion(
            self._engine.model,
            parse_describe_motion(params, arrays),
            job.progress,
            lambda text: job.chunk(text=text),
            job.is_cancelled,
        )
        return _output(said)


def parse_describe(params: Params) -> DescribeParams:
    """Wire parameters to a request; InvalidInput names the field that is wrong."""
    request = convert(params, _DescribeRequest)
    box = None if request.box is None else tuple(request.box)
    return DescribeParams(
        video=request.video,
        ask=request.ask,
        box=box,
        max_new_tokens=request.max_new_tokens,
        start=request.start,
        seconds=request.seconds,
    )


def parse_describe_motion(params: Params, arrays: Arrays) -> DescribeMotionParams:
    """Wire parameters and arrays to a request; InvalidInput says what is wrong."""
    request = convert(params, _DescribeMotionRequest)
    if "poses" not in arrays:
        raise InvalidInput("No motion was given: send its poses and trans.")
    try:
        motion = motion_from_arrays(arrays, request.fps)
    except MotionError as error:
        raise InvalidInput(f"The motion cannot be used: {error}.") from error
    return DescribeMotionParams(motion, request.ask, request.max_new_tokens)


def _output(said: "Description") -> Output:
    return Output(
        {
            "text": said.text,
            "tokens": said.tokens,
            "complete": said.complete,
            "seconds": float(said.seconds),
            "frames": said.frames,
            "found": said.found,
            "alpha": said.alpha,
        }
    )
