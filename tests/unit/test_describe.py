# SPDX-License-Identifier: Apache-2.0
"""A video or a motion to words: all but the trained weights, and the command line."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from acted_motion import going, standing, waving
from PIL import Image
from tiny_clips import tiny_clip_model
from tiny_pose import tiny_pose_model

from backend.cli import main
from backend.describe_engine import parse_describe, parse_describe_motion
from backend.engine import EngineOptions
from backend.errors import AssetError, Cancelled, InvalidInput
from backend.hmvlm_engine import HmvlmEngine
from backend.model.configuration import VisionConfig
from backend.motion.bvh import write_bvh
from backend.tasks import video_understanding as task
from backend.tasks.requests import DescribeMotionParams, DescribeParams
from backend.vision.clip_features import clip_features, frame_choice
from backend.vision.clip_frames import sampled_part
from backend.vision.crops import Square
from backend.vision.landmarks import Landmarks
from backend.vision.motion_landmarks import motion_landmarks
from backend.vision.tracking import TrackedFrame
from blender_addon.shared.codec import motion_arrays

_NETWORKS = SimpleNamespace()


@pytest.fixture
def video(tmp_path: Path) -> str:
    """A GIF of two seconds, ten frames a second."""
    frames = [Image.fromarray(np.full((80, 60, 3), 10 * k, np.uint8)) for k in range(20)]
    path = tmp_path / "clip.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return str(path)


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> dict:
    """A person who goes ahead instead of BlazePose; `lost` are frames in which nobody is found."""
    state: dict = {"lost": set(), "boxes": []}
    motion = going(2.0, 1.0)

    def follow(frames, networks: object, box: object) -> Iterator[TrackedFrame]:
        state["boxes"].append(box)
        for k, frame in enumerate(frames):
            image, visibility, world = motion_landmarks(motion, np.array([2 * k]))
            points = np.concatenate([image[0] * 20 + 20, np.zeros((33, 1))], axis=1)
            found = Landmarks(
                points, world[0], visibility[0], visibility[0], 0.9, Square(np.zeros(2), 1.0)
            )
            yield TrackedFrame(frame.time, None if k in state["lost"] else found, k == 0)

    monkeypatch.setattr(task, "track", follow)
    return state


def test_a_video_is_described_and_streamed(video: str, tracked: dict) -> None:
    said: list[str] = []
    steps: list[float] = []
    made = task.describe_video(
        tiny_clip_model(),
        DescribeParams(video, box=(0, 0, 30, 40), max_new_tokens=5),
        _NETWORKS,  # pyright: ignore[reportArgumentType]
        on_progress=lambda fraction, message: steps.append(fraction),
        on_text=said.append,
    )
    assert "".join(said).strip() == made.text
    assert len(made.tokens) <= 5
    assert made.complete == (len(made.tokens) < 5)
    assert (made.frames, made.found) == (20, 20)
    assert made.seconds == pytest.approx(2.0)
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    assert tracked["boxes"] == [(0, 0, 30, 40)]


def test_a_part_of_a_video_is_described(video: str, tracked: dict) -> None:
    model = tiny_clip_model()
    params = DescribeParams(video, max_new_tokens=2, start=0.5, seconds=1.0)
    made = task.describe_video(model, params, _NETWORKS)  # pyright: ignore[reportArgumentType]
    assert (made.frames, made.found) == (10, 10)
    assert made.seconds == pytest.approx(1.0)
    with pytest.raises(InvalidInput, match=r"2\.0 seconds long and has nothing after 2 seconds"):
        task.describe_video(model, DescribeParams(video, start=2.0), _NETWORKS)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("start", "seconds", "first", "last", "length"),
    [
        (0.0, None, 0, 190, 2.0),
        (0.5, None, 50, 190, 1.5),
        (0.5, 1.0, 50, 140, 1.0),
        (0.45, 0.2, 50, 60, 0.2),
        (1.5, 60.0, 150, 190, 0.5),
        (1.99, None, 190, 190, 0.01),
    ],
)
def test_the_part_that_is_watched(video, start, seconds, first, last, length) -> None:
    part = sampled_part(video, 10.0, 150, start, seconds)
    shades = [int(frame.picture.pixels.mean()) for frame in part.read()]
    assert (shades[0], shades[-1]) == (first, last)
    assert len(shades) == part.frames
    assert part.seconds == pytest.approx(length)


def test_a_long_part_is_watched_with_fewer_frames(video) -> None:
    part = sampled_part(video, 10.0, 5, 0.5, 1.0)
    assert (part.fps, part.frames) == (5.0, 5)
    assert [round(frame.time, 3) for frame in part.read()] == [0.6, 0.8, 1.0, 1.2, 1.4]


def test_frames_without_the_person_are_seen_as_the_nearest(video: str, tracked: dict) -> None:
    tracked["lost"] = {0, 1, 10, 19}
    out = task._track(
        DescribeParams(video),
        sampled_part(video, 10.0, 150),
        _NETWORKS,  # pyright: ignore[reportArgumentType]
        lambda fraction, message: None,
        lambda: False,
    )
    assert frame_choice(20).tolist() == [0, 3, 5, 8, 11, 14, 16, 19]
    assert [k for k, _ in task._chosen(out)] == [2, 3, 5, 8, 11, 14, 16, 18]


def test_nobody_cancel_and_weights_without_clips(video: str, tracked: dict) -> None:
    model = tiny_clip_model()
    with pytest.raises(Cancelled):
        task.describe_video(model, DescribeParams(video), _NETWORKS, is_cancelled=lambda: True)  # pyright: ignore[reportArgumentType]
    with pytest.raises(AssetError, match="read no clips"):
        task.describe_video(tiny_pose_model(), DescribeParams(video))
    tracked["lost"] = set(range(20))
    with pytest.raises(InvalidInput, match="Nobody was found"):
        task.describe_video(model, DescribeParams(video), _NETWORKS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidInput, match="no video"):
        task.describe_video(model, DescribeParams("missing.mp4"), _NETWORKS)  # pyright: ignore[reportArgumentType]


def test_one_frame_is_enough(tmp_path: Path, tracked: dict) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(np.zeros((80, 60, 3), np.uint8)).save(path)
    made = task.describe_video(
        tiny_clip_model(),
        DescribeParams(str(path), max_new_tokens=2),
        _NETWORKS,  # pyright: ignore[reportArgumentType]
    )
    assert (made.frames, made.found) == (1, 1)


def test_patches_are_cut_round_the_person(
    video: str, tracked: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops: list[np.ndarray] = []

    def patches(pictures: np.ndarray) -> torch.Tensor:
        crops.append(pictures)
        return torch.zeros(len(pictures), 4, 16)

    tower = SimpleNamespace(size=24, patches=patches)
    monkeypatch.setattr(task, "vision_tower", lambda model: tower)
    vision = VisionConfig("patches", tower="open_clip:hmvlm-tiny/x", tower_width=16, clip_rows=1)
    model = tiny_clip_model(vision)
    made = task.describe_video(model, DescribeParams(video, max_new_tokens=2), _NETWORKS)  # pyright: ignore[reportArgumentType]
    assert crops[0].shape == (8, 24, 24, 3)
    assert made.found == 20
    motion = DescribeMotionParams(going(2.0), max_new_tokens=2)
    with pytest.raises(InvalidInput, match="render it"):
        task.describe_motion(model, motion)


def test_a_motion_is_described() -> None:
    model = tiny_clip_model()
    seen: list[torch.Tensor] = []
    model.watching().register_forward_hook(lambda module, args, out: seen.append(args[0]))
    for motion in (going(3.0), waving("left")):
        made = task.describe_motion(model, DescribeMotionParams(motion, max_new_tokens=4))
        assert made.seconds == pytest.approx(motion.seconds)
        shown = motion_landmarks(motion, frame_choice(motion.num_frames))
        expected = torch.from_numpy(clip_features(*shown, motion.seconds))
        torch.testing.assert_close(seen[-1][0], expected)
    with pytest.raises(InvalidInput, match="one frame"):
        task.describe_motion(model, DescribeMotionParams(standing(0.05)))


@pytest.mark.parametrize(
    "params",
    [
        {"video": " "},
        {"video": "a.mp4", "box": [1, 2, 3]},
        {"video": "a.mp4", "ask": "why " * 200},
        {"video": "a.mp4", "max_new_tokens": 0},
        {"video": "a.mp4", "start": -1.0},
        {"video": "a.mp4", "start": math.nan},
        {"video": "a.mp4", "seconds": 0.0},
        {"video": 3},
    ],
)
def test_bad_requests_are_refused(params: dict) -> None:
    tasks = HmvlmEngine(EngineOptions()).tasks
    tasks["describe"].check({"video": "a.mp4", "ask": "Do they walk?"}, {})
    with pytest.raises(InvalidInput):
        tasks["describe"].check(params, {})


def test_requests_off_the_wire() -> None:
    sent = {"video": "/a.mp4", "ask": "Who?", "box": [1, 2, 3, 4], "start": 2, "seconds": 3.5}
    asked = parse_describe(sent)
    assert asked == DescribeParams("/a.mp4", "Who?", (1, 2, 3, 4), start=2.0, seconds=3.5)
    motion = going(2.0)
    read = parse_describe_motion({"fps": 20.0}, motion_arrays(motion))
    assert read.motion.num_frames == 40
    with pytest.raises(InvalidInput, match="No motion"):
        parse_describe_motion({"fps": 20.0}, {})
    with pytest.raises(InvalidInput, match="cannot be used"):
        parse_describe_motion({}, motion_arrays(motion))


class _OneServer:
    """Runs jobs in this process."""

    def __init__(self, engine: HmvlmEngine) -> None:
        self.engine = engine

    def __enter__(self) -> "_OneServer":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def run(self, name: str, params: dict, arrays: dict, on_event: object) -> SimpleNamespace:
        context = SimpleNamespace(
            progress=lambda *_: None, is_cancelled=lambda: False, chunk=lambda **_: None
        )
        self.engine.tasks[name].check(params, arrays)
        out = self.engine.tasks[name].run(params, arrays, context)  # pyright: ignore[reportArgumentType]
        return SimpleNamespace(values=out.values, arrays=out.arrays)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> HmvlmEngine:
    monkeypatch.setattr("backend.assets.ensure", lambda name, progress: Path(name))
    monkeypatch.setattr("backend.vision.blazepose.BlazePose", lambda folder: folder)
    engine = HmvlmEngine(EngineOptions())
    engine._model = tiny_clip_model()
    monkeypatch.setattr(
        "backend.describe_cli.client_session", lambda options, show: _OneServer(engine)
    )
    return engine


def test_the_command_takes_videos_and_motions(
    video: str,
    tracked: dict,
    server: HmvlmEngine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    options = ["--ask", "Do they walk?", "--max-new-tokens", "3", "--json"]
    assert main(["describe", video, "--box", "0,0,30,40", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["ask"]) == (20, "Do they walk?")
    assert tracked["boxes"] == [(0.0, 0.0, 30.0, 40.0)]
    assert main(["describe", video, "--start", "0.5", "--seconds", "1", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["seconds"]) == (10, pytest.approx(1.0))
    motion = going(2.0)
    motion.save_npz(tmp_path / "go.npz")
    write_bvh(motion, tmp_path / "go.bvh")
    for name in ("go.npz", "go.bvh"):
        assert main(["describe", str(tmp_path / name), *options]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["seconds"] == pytest.approx(2.0)
        assert len(said["alpha"]) == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.mp4"], "no video"),
        (["missing.npz"], "missing.npz"),
        (["broken.bvh"], "cannot be read as a motion"),
        (["text.mp4"], "text.mp4"),
        (["go.npz", "--box", "1,2,3,4"], "--box is for videos"),
        (["go.npz", "--start", "1"], "--start and --seconds are for videos"),
    ],
)
def test_the_command_checks_before_a_server_starts(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.bvh").write_text("MOTION")
    (tmp_path / "text.mp4").write_text("no video at all")
    going(1.0).save_npz(tmp_path / "go.npz")
    assert main(["describe", *words]) == 1
    assert message in capsys.readouterr().err
