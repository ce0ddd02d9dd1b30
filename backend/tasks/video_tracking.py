# SPDX-License-Identifier: Apache-2.0
"""A video of a person to a motion: landmarks and the model's pose of every frame, then one fit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blender_addon.shared.motion import Motion

from ..errors import Cancelled, InvalidInput
from ..model.decoding import SamplingOptions
from ..model.hmvlm import Hmvlm
from ..model.loading import vision_tower
from ..model.pose_decoding import offer_poses
from ..model.vision_projector import landmark_features
from ..vision.blazepose import BlazePose
from ..vision.clip_frames import ClipPart, clip_part
from ..vision.clip_motion import SENSOR_MM, ClipMotion, clip_motion
from ..vision.crops import Square, cut
from ..vision.images import Picture
from ..vision.landmarks import Landmarks
from ..vision.lifted import Lifted, joined
from ..vision.person_square import person_square, to_square
from ..vision.seen_clip import LONGEST_GAP_S, SeenClip, seen_clip, usable
from ..vision.tracking import track
from ..vision.videos import Frame
from .requests import MAX_TRACK_SECONDS, TrackParams, validate_track

_BATCH = 32
_FOLLOWED, _FITTED = 0.65, 0.98  # of the whole progress
_GREEDY = SamplingOptions(temperature=0.0)

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class TrackResult:
    """motion: at the video's own rate, Y up, metres, beginning over the origin; who looks into the
    camera faces +Z. made: the same at the rate of the frames that were read, with all else that is
    known of it. seen: what was found in these frames, seen.first the first of them that is in the
    motion. part: which part of the video was read. notes: what the user should know. alpha: (E,).
    """

    motion: Motion
    made: ClipMotion
    seen: SeenClip
    part: ClipPart
    notes: list[str]
    alpha: list[float]

    @property
    def lens(self) -> float:
        """mm, on a 36 mm wide sensor: the assumed one, corrected by how far the person walked."""
        return self.made.fit.focal / max(self.seen.size) * SENSOR_MM * self.made.path.depth_factor

    @property
    def start_seconds(self) -> float:
        """When the motion begins in the video."""
        return (self.part.first + self.seen.first) / self.part.fps


def video_tracking(
    model: Hmvlm,
    params: TrackParams,
    networks: BlazePose | None = None,
    on_progress: Progress = lambda fraction, message: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> TrackResult:
    """The motion of one person in a video.

    networks: loaded for this call when None. Raises InvalidInput for a request or a video that
    cannot be used, AssetError for weights that read no pictures, Cancelled once is_cancelled().
    """

    def report(fraction: float, message: str) -> None:
        if is_cancelled():
            raise Cancelled
        on_progress(fraction, message)

    validate_track(params)
    model.seeing()
    alpha = model.pose_alpha()
    report(0.0, "Opening the video")
    part = clip_part(params.video, params.start, params.seconds, MAX_TRACK_SECONDS)
    reader = _PoseReader(model, alpha)
    found, size = _follow(part, params, networks or BlazePose(), reader, report)
    seen = seen_clip(found, part.fps, size)
    report(_FOLLOWED, "Reading the poses")
    rows = np.cumsum([usable(one, size) for one in found]) - 1
    inside = rows[seen.first : seen.first + len(seen)][seen.found]
    poses, lifted = reader.poses()
    poses = poses[torch.from_numpy(inside)]
    lifted = None if lifted is None else lifted.rows(torch.from_numpy(inside))

    def fitting(fraction: float, message: str) -> None:
        report(_FOLLOWED + (_FITTED - _FOLLOWED) * fraction, message)

    made = clip_motion(
        seen, poses, params.lens, params.in_place, on_progress=fitting, lifted=lifted
    )
    report(1.0, "Done")
    motion = made.motion if part.fps == part.own_fps else made.motion.resampled(part.own_fps)
    notes = _notes(params, part, seen, made)
    return TrackResult(motion, made, seen, part, notes, [float(a) for a in alpha[0]])


class _PoseReader:
    """The model's poses of the frames that come in, a batch at a time."""

    def __init__(self, model: Hmvlm, alpha: Tensor) -> None:
        self._model, self._alpha = model, alpha
        vision = model.config.vision
        assert vision is not None
        self._tower: Any = None if vision.kind == "landmarks" else vision_tower(model)
        self._waiting: list[Tensor] = []
        self._done: list[Tensor] = []
        self._lifted: list[Lifted] = []

    def read(self, picture: Picture, landmarks: Landmarks) -> None:
        """Take a frame in."""
        centre, half = person_square(landmarks.image[:, :2], landmarks.visibility, picture.size)
        if self._tower is None:
            flat = to_square(landmarks.image[:, :2], centre, half)
            numbers = (flat, landmarks.visibility, landmarks.world)
            image, visibility, world = (torch.from_numpy(x).float()[None] for x in numbers)
            self._waiting.append(landmark_features(image, visibility, world))
        else:
            scale = picture.scale
            crop = Square(centre / scale, 2 * float(half) / float(scale.mean()))
            self._waiting.append(
                self._tower.patches(cut(picture.pixels, crop, self._tower.size)[None])
            )
        if len(self._waiting) == _BATCH:
            self._run()

    def poses(self) -> tuple[Tensor, Lifted | None]:
        """(F, 22, 3, 3) of all frames taken in, upright and without a heading; and their landmarks
        put right in depth, where the model reads landmarks."""
        if self._waiting:
            self._run()
        return torch.cat(self._done), joined(self._lifted) if self._lifted else None

    def _run(self) -> None:
        seen = torch.cat(self._waiting).to(self._model.device)
        self._waiting = []
        alpha = self._alpha.to(self._model.device).expand(len(seen), -1)
        with torch.inference_mode():
            states = self._model.pose_states(seen, alpha)
            _, poses = offer_poses(self._model, states, _GREEDY)
            self._done.append(poses[:, 0].cpu())
        if (lifted := self._model.lift(seen)) is not None:
            self._lifted.append(lifted)


def _follow(
    part: ClipPart,
    params: TrackParams,
    networks: BlazePose,
    reader: _PoseReader,
    report: Progress,
) -> tuple[list[Landmarks | None], tuple[int, int]]:
    """Landmarks of each frame, whose poses the reader reads; and the picture's size."""
    found: list[Landmarks | None] = []
    pictures: list[Picture] = []

    def frames() -> Iterator[Frame]:
        for frame in part.read():
            pictures[:] = [frame.picture]
            yield frame

    size: tuple[int, int] | None = None
    for one in track(frames(), networks, params.box):
        picture = pictures[0]
        size = size or picture.size
        if picture.size != size:
            raise InvalidInput(
                f"The pictures of {part.path} are not all of one size ({size} and {picture.size}): "
                "they must come from one camera."
            )
        found.append(one.landmarks)
        if one.landmarks is not None and usable(one.landmarks, size):
            reader.read(picture, one.landmarks)
        done = len(found)
        share = min(done / part.frames, 1.0)
        report(_FOLLOWED * share, f"Following the person: frame {done} of {part.frames}")
    if size is None:
        raise InvalidInput(f"{part.path} holds no frame there. Name an earlier start.")
    return found, size


def _notes(params: TrackParams, part: ClipPart, seen: SeenClip, made: ClipMotion) -> list[str]:
    notes = []
    if seen.is_cut:
        begin = (part.first + seen.first) / part.fps
        end = begin + len(seen) / part.fps
        notes.append(
            f"The motion covers {begin:.1f} to {end:.1f} s of the video: outside, the person was "
            f"not seen, or out of the picture for more than {LONGEST_GAP_S:g} s."
        )
    if (missing := int((~seen.found).sum())) > 0:
        notes.append(f"{missing} frames without the person were filled in.")
    if made.in_place and not params.in_place:
        notes.append("The feet are not in the picture, so the motion stays in place.")
    if made.path.camera_moves:
        notes.append("The camera seems to move, so the path comes from the feet alone.")
    return notes
