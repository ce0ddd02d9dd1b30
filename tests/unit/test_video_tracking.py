# SPDX-License-Identifier: Apache-2.0
"""A video to a motion: the whole path but for the trained weights, and its command line."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from acted_motion import waving
from filmed_motion import SIZE, film
from PIL import Image
from tiny_hmvlm import tiny_hmvlm
from tiny_pose import tiny_pose_model

from backend.cli import main
from backend.engine import EngineOptions
from backend.errors import AssetError, Cancelled, InvalidInput
from backend.hmvlm_engine import HmvlmEngine
from backend.tasks.requests import TrackParams, validate_track
from backend.tasks.video_tracking import TrackResult, video_tracking
from backend.track_task import parse_track
from backend.vision.clip_frames import clip_part
from backend.vision.clip_motion import clip_motion
from backend.vision.landmarks import Landmarks
from backend.vision.skeleton33 import LEFT_HIP, RIGHT_HIP
from backend.vision.tracking import TrackedFrame
from backend.vision.videos import Frame, examine
from blender_addon.shared.motion import Motion

FRAMES = 14


@pytest.fixture(scope="module")
def landmarks() -> list[Landmarks]:
    return film(waving("left", seconds=FRAMES / 20)).tracked


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of numbered pictures: a video of 14 frames, 24 a second."""
    folder = tmp_path / "shot"
    folder.mkdir()
    grey = Image.new("RGB", (SIZE[0] // 8, SIZE[1] // 8), "#445566")
    for k in range(FRAMES):
        grey.save(folder / f"shot_{k:02}.png")
    return folder


@pytest.fixture
def seen(landmarks: list[Landmarks], monkeypatch: pytest.MonkeyPatch) -> list:
    """What the tracker finds in each frame, to be changed; and nothing is fetched."""
    small = [_eighth(one) for one in landmarks]
    found: list[Landmarks | None] = list(small)

    def track(frames: Iterable[Frame], networks: object, box: object) -> Iterator[TrackedFrame]:
        for frame, one in zip(frames, found, strict=False):
            yield TrackedFrame(frame.time, one, False)

    monkeypatch.setattr("backend.tasks.video_tracking.track", track)
    monkeypatch.setattr("backend.assets.ensure", lambda name, progress: Path(name))
    monkeypatch.setattr("backend.vision.blazepose.BlazePose", lambda folder: folder)
    return found


def _eighth(one: Landmarks) -> Landmarks:
    return Landmarks(one.image / 8, one.world, one.visibility, one.presence, one.score, one.square)


def _tracked(video: Path, **options) -> TrackResult:
    said = options.pop("said", [])
    return video_tracking(
        tiny_pose_model(),
        TrackParams(str(video), **options),
        networks=object(),  # pyright: ignore[reportArgumentType]
        on_progress=lambda fraction, message: said.append((fraction, message)),
    )


def test_a_video_gives_a_motion_at_its_own_rate(seen: list, pictures: Path) -> None:
    said: list = []
    made = _tracked(pictures, said=said)
    assert made.motion.poses.shape == (FRAMES, 22, 3)
    assert made.motion.fps == 24.0
    assert made.made.joints_image.shape == (FRAMES, 22, 2)
    assert made.notes == []
    assert [f for f, _ in said] == sorted(f for f, _ in said)
    assert sum("frame 3 of 14" in message for _, message in said) == 1
    assert said[-1] == (1.0, "Done")
    np.testing.assert_allclose(made.motion.joint_positions()[0, 0, [0, 2]], 0, atol=1e-6)


def test_short_gaps_are_filled_and_ends_are_cut(seen: list, pictures: Path) -> None:
    seen[0] = seen[5] = seen[6] = None
    made = _tracked(pictures)
    assert made.motion.num_frames == FRAMES - 1
    assert made.seen.first == 1
    assert made.start_seconds == pytest.approx(1 / 24)
    assert "0.0 to 0.6 s" in made.notes[0]
    assert "2 frames" in made.notes[1]


def test_the_landmarks_are_put_right_frame_by_frame(
    seen: list, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the lifter says of a frame goes along with that frame, past gaps and cut ends."""
    given: list = []

    def spy(*arguments, lifted, **options):
        given.append(lifted)
        return clip_motion(*arguments, lifted=lifted, **options)

    monkeypatch.setattr("backend.tasks.video_tracking.clip_motion", spy)
    gone = (0, 5, 6)
    for k in gone:
        seen[k] = None
    _tracked(pictures)
    (lifted,) = given
    kept = [one.world for one in seen if one is not None]
    assert len(lifted.points) == len(kept) == FRAMES - len(gone)
    # the toy's lifter leaves the landmarks as they came, about the middle of the hips
    hips = [LEFT_HIP, RIGHT_HIP]
    for points, world in zip(lifted.points.numpy(), kept, strict=True):
        np.testing.assert_allclose(points, world - world[hips].mean(axis=0), atol=1e-5)


def test_a_part_of_the_video(seen: list, pictures: Path) -> None:
    made = _tracked(pictures, start=0.25, seconds=0.25, in_place=True)
    assert made.motion.num_frames == 6
    assert made.start_seconds == 0.25
    assert made.made.in_place
    assert made.notes == []
    pelvis = made.motion.joint_positions()[:, 0]
    np.testing.assert_allclose(pelvis[:, [0, 2]], 0, atol=1e-6)


def test_nobody_cancel_and_weights_without_eyes(seen: list, pictures: Path) -> None:
    with pytest.raises(AssetError, match="hmvlm-train align"):
        video_tracking(tiny_hmvlm(), TrackParams(str(pictures)))
    with pytest.raises(Cancelled):
        video_tracking(tiny_pose_model(), TrackParams(str(pictures)), is_cancelled=lambda: True)
    seen[:] = [None] * FRAMES
    with pytest.raises(InvalidInput, match="No person could be followed"):
        _tracked(pictures)


def test_parts_of_videos(pictures: Path, tmp_path: Path) -> None:
    part = clip_part(pictures, 0.25)
    assert (part.fps, part.first, part.frames) == (24.0, 6, 8)
    assert len(list(part.read())) == 8
    with pytest.raises(InvalidInput, match="nothing after"):
        clip_part(pictures, 5.0)
    with pytest.raises(InvalidInput, match=r"at most 0\.3"):
        clip_part(pictures, most=0.3)
    quick = tmp_path / "quick.gif"
    shades = [Image.new("L", (40, 40), 20 * k) for k in range(12)]
    shades[0].save(quick, save_all=True, append_images=shades[1:], duration=20)
    half = clip_part(quick)
    assert (half.fps, half.own_fps, half.frames) == (pytest.approx(25), pytest.approx(50), 6)
    levels = [int(f.picture.pixels[0, 0, 0]) for f in half.read()]
    assert levels == [0, 40, 80, 120, 160, 200]


@pytest.mark.parametrize(
    "change",
    [
        {"video": " "},
        {"box": (1.0, 2.0, 3.0)},
        {"start": -1.0},
        {"seconds": 0.01},
        {"seconds": 61.0},
        {"lens": 0.0},
    ],
)
def test_bad_requests_are_refused(change: dict) -> None:
    validate_track(TrackParams("a.mp4"))
    with pytest.raises(InvalidInput):
        validate_track(TrackParams(**{"video": "a.mp4", **change}))


def test_requests_off_the_wire() -> None:
    asked = parse_track({"video": "/a.mp4", "box": [1, 2, 3, 4], "in_place": True})
    assert asked == TrackParams("/a.mp4", box=(1, 2, 3, 4), in_place=True)
    with pytest.raises(InvalidInput, match="not understood"):
        parse_track({"video": 3})
    with pytest.raises(InvalidInput, match="No video"):
        HmvlmEngine(EngineOptions()).tasks["track"].check({}, {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "motion.fbx"], "name it .npz or .bvh"),
        (["--out", "m.npz", "--overlay", "o.gif"], "name it .mp4"),
        (["--out", "nowhere/m.npz"], "does not exist"),
        (["--out", "m.npz"], "There is no video"),
    ],
)
def test_the_command_checks_before_a_server_starts(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["track", "missing.mp4", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_command_writes_motion_and_overlay(
    seen: list, pictures: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture
) -> None:
    engine = HmvlmEngine(EngineOptions())
    engine._model = tiny_pose_model()
    seen[-1] = None

    class OneServer:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def run(self, task: str, params: dict, on_event: object):
            context = SimpleNamespace(progress=lambda *_: None, is_cancelled=lambda: False)
            engine.tasks[task].check(params, {})
            out = engine.tasks[task].run(params, {}, context)  # pyright: ignore[reportArgumentType]
            motion = Motion(out.arrays["poses"], out.arrays["trans"], out.values["fps"])
            return SimpleNamespace(values=out.values, arrays=out.arrays, motion=lambda: motion)

    monkeypatch.setattr("backend.track_cli.client_session", lambda options, show: OneServer())
    out, overlay = tmp_path / "motion.npz", tmp_path / "check.mp4"
    assert main(["track", str(pictures), "--out", str(out), "--overlay", str(overlay)]) == 0
    said = capsys.readouterr().out
    assert "13 frames" in said
    assert "0.0 to 0.5 s of the video" in said
    assert Motion.load_npz(out).num_frames == 13
    with np.load(out) as content:
        assert content["landmarks_image"].shape == (13, 33, 2)
        assert content["planted"].shape == (13, 4)
    info = examine(overlay)
    assert (info.frames, info.fps) == (FRAMES, 24.0)
