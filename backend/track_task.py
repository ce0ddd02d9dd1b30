# SPDX-License-Identifier: Apache-2.0
"""The engine's task `track`: a video of a person to a motion."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from backend.engine import Arrays, JobContext, Output, Params
from backend.errors import InvalidInput
from backend.tasks.requests import TrackParams, validate_track
from blender_addon.shared.codec import motion_arrays


class _TrackRequest(msgspec.Struct, frozen=True):
    video: str = ""
    box: list[float] | None = None
    start: float = TrackParams.start
    seconds: float | None = TrackParams.seconds
    lens: float = TrackParams.lens
    in_place: bool = TrackParams.in_place


class Track:
    """A video of a person to a motion.

    params: the fields of TrackParams; the video is a path on this computer. Result: poses
    (T, 22, 3), trans (T, 3) and fps, the video's own. Of the F frames that were followed, at
    landmarks_fps: joints_image (F, 22, 2) and landmarks_image (F, 33, 2) in pixels,
    landmarks_world (F, 33, 3), visibility (F, 33; all 0 where the person was not found), planted
    (F, 4) 1 where left heel and toe, right heel and toe stand. camera (3, 3), first_frame (the
    first of the F, from `start` on), start_seconds, error_pixels, lens, notes, alpha.
    """

    def __init__(self, model: Callable[[], Any]) -> None:
        self._model = model
        self._networks: Any = None

    def check(self, params: Params, arrays: Arrays) -> None:
        validate_track(parse_track(params))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        from backend import assets
        from backend.tasks.video_tracking import video_tracking
        from backend.vision.blazepose import BlazePose

        request, model = parse_track(params), self._model()
        model.seeing()  # before anything is fetched for nothing
        if self._networks is None:
            folder = assets.ensure("blazepose", lambda done, say: job.progress(0.05 * done, say))
            self._networks = BlazePose(folder)
        made = video_tracking(model, request, self._networks, job.progress, job.is_cancelled)
        seen = made.seen
        values = {
            "fps": float(made.motion.fps),
            "landmarks_fps": float(seen.fps),
            "first_frame": int(seen.first),
            "start_seconds": float(made.start_seconds),
            "error_pixels": float(np.nanmean(made.made.error)),
            "lens": float(made.lens),
            "notes": made.notes,
            "alpha": made.alpha,
        }
        middle = np.array(seen.size) / 2
        frames = {
            "camera": made.made.camera,
            "joints_image": made.made.joints_image + middle,
            "landmarks_image": seen.image + middle,
            "landmarks_world": seen.world,
            "visibility": seen.visibility,
        }
        single = {name: array.astype(np.float32) for name, array in frames.items()}
        single["planted"] = made.made.path.planted.astype(np.uint8)
        return Output(values, motion_arrays(made.motion) | single)


def parse_track(params: Params) -> TrackParams:
    """Wire parameters to a request; InvalidInput names the field that is wrong."""
    try:
        request = msgspec.convert(dict(params), _TrackRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The request is not understood: {error}.") from error
    return TrackParams(
        video=request.video,
        box=None if request.box is None else tuple(request.box),
        start=request.start,
        seconds=request.seconds,
        lens=request.lens,
        in_place=request.in_place,
    )
