# SPDX-License-Identifier: Apache-2.0
"""What a person does in a clip, in words: a description, or an answer to a question about it.

Eight frames are read, spread evenly over the clip (HMVLM, section 3.1). To know the same person in
all of them, the person is tracked through frames in between as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import Cancelled, InvalidInput
from ..model.describing import TextStream, describe_clips
from ..model.hmvlm import Hmvlm
from ..model.loading import vision_tower
from ..vision.blazepose import BlazePose
from ..vision.clip_features import clip_features, frame_choice
from ..vision.clip_frames import SampledPart, sampled_part
from ..vision.crops import Square, cut
from ..vision.landmarks import Landmarks
from ..vision.motion_landmarks import motion_landmarks
from ..vision.person_square import SEEN, square_around
from ..vision.tracking import TrackedFrame, track
from ..vision.videos import Frame
from .requests import (
    DescribeMotionParams,
    DescribeParams,
    validate_describe,
    validate_describe_motion,
)

Progress = Callable[[float, str], None]
_TRACK_FPS = 10.0
_MOST_TRACKED = 150
_SHORTEST_S = 0.1


@dataclass(frozen=True)
class Description:
    """text: the description or the answer; tokens: its ids; complete: it ended by itself.

    alpha: (E,). seconds: length of what was watched. frames, found: how many frames were looked at,
    and in how many of these the person was found.
    """

    text: str
    tokens: list[int]
    complete: bool
    alpha: list[float]
    seconds: float
    frames: int
    found: int


@dataclass(frozen=True)
class _Watched:
    """seen: what the clip projector reads of the clip; the others as in Description."""

    seen: Tensor
    seconds: float
    frames: int
    found: int


def describe_video(
    model: Hmvlm,
    params: DescribeParams,
    networks: BlazePose | None = None,
    on_progress: Progress = lambda fraction, message: None,
    on_text: Callable[[str], None] = lambda text: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Description:
    """Describe what one person does in a video, or answer `params.ask` about it.

    networks: loaded for this call when None. on_text gets the text piece by piece. Raises
    InvalidInput for a request or a video that cannot be used, AssetError for weights that read no
    clips, Cancelled once is_cancelled().
    """
    validate_describe(params)
    model.watching()
    alpha = model.describe_alpha(params.ask)
    on_progress(0.02, "Opening the video")
    part = sampled_part(params.video, _TRACK_FPS, _MOST_TRACKED, params.start, params.seconds)
    networks = networks or BlazePose()
    tracked = _track(params, part, networks, on_progress, is_cancelled)
    seen = _seen(model, part, _chosen(tracked))
    found = sum(t.landmarks is not None for t in tracked)
    watched = _Watched(seen, part.seconds, len(tracked), found)
    return _answer(model, params, alpha, watched, on_progress, on_text, is_cancelled)


def describe_motion(
    model: Hmvlm,
    params: DescribeMotionParams,
    on_progress: Progress = lambda fraction, message: None,
    on_text: Callable[[str], None] = lambda text: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Description:
    """As `describe_video`, for a motion as a camera before it would see it."""
    validate_describe_motion(params)
    model.watching()
    vision = model.config.vision
    if vision is not None and vision.kind != "landmarks":
        raise InvalidInput(
            "These weights see pictures, and a motion has none: render it, and describe the video."
        )
    alpha = model.describe_alpha(params.ask)
    on_progress(0.1, "Looking at the motion")
    motion = params.motion
    landmarks = motion_landmarks(motion, frame_choice(motion.num_frames))
    length = max(motion.seconds, _SHORTEST_S)
    seen = torch.from_numpy(clip_features(*landmarks, length))[None]
    watched = _Watched(seen, motion.seconds, motion.num_frames, motion.num_frames)
    return _answer(model, params, alpha, watched, on_progress, on_text, is_cancelled)


def _track(
    params: DescribeParams,
    part: SampledPart,
    networks: BlazePose,
    on_progress: Progress,
    is_cancelled: Callable[[], bool],
) -> list[TrackedFrame]:
    out: list[TrackedFrame] = []
    for tracked in track(part.read(), networks, params.box):
        if is_cancelled():
            raise Cancelled
        out.append(tracked)
        on_progress(0.05 + 0.75 * len(out) / part.frames, "Following the person")
    return out


def _chosen(tracked: Sequence[TrackedFrame]) -> list[tuple[int, Landmarks]]:
    """For each of the frames that are read: the nearest one in which the person was found."""
    found = [(k, t.landmarks) for k, t in enumerate(tracked) if t.landmarks is not None]
    if not found:
        raise InvalidInput(
            "Nobody was found in the video. Use one that shows a person, with most of the body in "
            "the picture."
        )
    return [
        min(found, key=lambda item: abs(item[0] - int(at))) for at in frame_choice(len(tracked))
    ]


def _seen(
    model: Hmvlm,
    part: SampledPart,
    chosen: list[tuple[int, Landmarks]],
) -> Tensor:
    """(1, F, W), or (1, F, N, tower width) where the model reads patches."""
    image = np.stack([person.image[:, :2] for _, person in chosen])
    visibility = np.stack([person.visibility for _, person in chosen])
    vision = model.config.vision
    assert vision is not None
    if vision.kind == "landmarks":
        world = np.stack([person.world for _, person in chosen])
        length = max(part.seconds, _SHORTEST_S)
        return torch.from_numpy(clip_features(image, visibility, world, length))[None]
    tower = vision_tower(model)
    wanted = {k for k, _ in chosen}
    pictures: dict[int, Frame] = {k: frame for k, frame in enumerate(part.read()) if k in wanted}
    crops = []
    for (k, _), points, seen in zip(chosen, image, visibility > SEEN, strict=True):
        picture = pictures[k].picture
        centre, half = square_around(points, seen if seen.sum() >= 4 else np.ones_like(seen))
        crop = Square(centre / picture.scale, 2 * float(half) / float(picture.scale.mean()))
        crops.append(cut(picture.pixels, crop, tower.size))
    return tower.patches(np.stack(crops))[None]


def _answer(
    model: Hmvlm,
    params: DescribeParams | DescribeMotionParams,
    alpha: Tensor,
    watched: _Watched,
    on_progress: Progress,
    on_text: Callable[[str], None],
    is_cancelled: Callable[[], bool],
) -> Description:
    on_progress(0.85, "Putting it into words")
    with torch.inference_mode():
        features = model.watching()(watched.seen.to(model.device))
    length = max(watched.seconds, _SHORTEST_S)
    rows = model.processor.describe_ids(features.shape[1], length, params.ask)
    stream = TextStream(model, on_text)
    (tokens,) = describe_clips(
        model,
        torch.from_numpy(rows)[None],
        features,
        alpha,
        max_new_tokens=params.max_new_tokens,
        on_tokens=lambda answers: stream.show(answers[0]),
        is_cancelled=is_cancelled,
    )
    stream.show(tokens, last=True)
    on_progress(1.0, "Done")
    return Description(
        text=stream.said.strip(),
        tokens=tokens,
        complete=len(tokens) < params.max_new_tokens,
        alpha=[float(a) for a in alpha[0]],
        seconds=watched.seconds,
        frames=watched.frames,
        found=watched.found,
    )
