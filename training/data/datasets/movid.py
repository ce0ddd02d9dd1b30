# SPDX-License-Identifier: Apache-2.0
"""MoVid: questions and answers about videos of people, from MotionLLM.

Chen et al., "MotionLLM: Understanding Human Behaviors from Human Motions and Videos", 2024; the
paper's video understanding data (section 4.1). Source of the layout: the data set's card and file
list at its page.

FOLDER/video-QA.json
FOLDER/videos/{animation,dance,haa500,humman,idea400,kungfu,music,perform}/...  each from its
    password-protected PART-video.zip

The card does not name the fields of video-QA.json. What is read is what the owners' training
scripts take (scripts/video_dataset in IDEA-Research/MotionLLM): a list of records with the video's
path as `video` or `input`, and either `QA`, a list of {"Q", "A"}, or `instruction` and `output`.
Another form is refused with the names of the fields found.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from backend.errors import InvalidInput

from .base import Bad, DatasetInfo, Reader, read_json
from .records import VideoAnswer

MOVID = DatasetInfo(
    name="movid",
    title="MoVid",
    url="https://huggingface.co/datasets/EvanTHU/MoVid",
    licence="the IDEA licence (non-commercial research only), and the licences of all its parts",
    get="clone the data set with git-lfs, ask for the password by its form, unpack each "
    "PART-video.zip into videos/PART.",
    expected=(
        "video-QA.json",
        "videos/animation, dance, haa500, humman, idea400, kungfu, music, perform",
    ),
)
_VIDEO_FIELDS = ("video", "video_path", "input")


class MoVid(Reader[VideoAnswer]):
    """A record a question. A video that was not unpacked is skipped and counted."""

    info = MOVID

    def _read(self) -> Iterator[VideoAnswer | Bad]:
        path = self.info.require(self.folder / "video-QA.json")
        videos = self.info.require(self.folder / "videos")
        records = read_json(path)
        if not isinstance(records, list):
            raise InvalidInput(f"{path} must hold a list of records, got {_shape_of(records)}.")
        if records and not any(isinstance(r, dict) and _video_of(r) for r in records):
            raise InvalidInput(
                f"{path} holds records of another form: {_shape_of(records[0])}. A record needs "
                "the video's path as `video` or `input`, and `QA` or `instruction` and `output`."
            )
        for record in records:
            yield from _answers(record, videos)


def _shape_of(value: Any) -> str:
    if isinstance(value, dict):
        return "a record with the fields " + ", ".join(sorted(map(str, value))[:12])
    return f"a {type(value).__name__}"


def _video_of(record: dict[str, Any]) -> str:
    found = (record.get(name) for name in _VIDEO_FIELDS)
    return next((v for v in found if isinstance(v, str) and v.strip()), "")


def _answers(record: Any, videos: Path) -> Iterator[VideoAnswer | Bad]:
    named = _video_of(record) if isinstance(record, dict) else ""
    if not named:
        yield Bad("a record without a video")
        return
    video = PurePosixPath(named)
    if video.is_absolute() or ".." in video.parts:
        yield Bad("a video path that leaves the folder")
        return
    if video.parts[0] == "videos":
        video = video.relative_to("videos")
    if not (videos / video).is_file():
        yield Bad("a video that is not unpacked")
        return
    pairs = record.get("QA", [{"Q": record.get("instruction"), "A": record.get("output")}])
    if not isinstance(pairs, list) or not pairs:
        yield Bad("a record without questions")
        return
    for pair in pairs:
        question, answer = (
            (pair.get("Q"), pair.get("A")) if isinstance(pair, dict) else (None, None)
        )
        if not isinstance(question, str) or not isinstance(answer, str):
            yield Bad("a question or answer that is no text")
        elif not question.strip() or not answer.strip():
            yield Bad("empty text")
        else:
            yield VideoAnswer(videos / video, video.parts[0], question.strip(), answer.strip())
