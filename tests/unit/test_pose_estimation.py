# SPDX-License-Identifier: Apache-2.0
"""A photograph to a pose: the whole path but for the trained weights, and its command line."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from people_pictures import grace_hopper
from tiny_hmvlm import tiny_hmvlm
from tiny_pose import tiny_pose_model

from backend.cli import main
from backend.engine import EngineOptions
from backend.errors import AssetError, Cancelled, InvalidInput
from backend.hmvlm_engine import HmvlmEngine, parse_pose
from backend.pose_cli import parse_box
from backend.tasks.pose_estimation import pose_estimation
from backend.tasks.requests import PoseParams, validate_pose
from backend.vision.crops import Square
from backend.vision.images import Picture
from backend.vision.landmarks import Landmarks
from backend.vision.overlay import draw_skeleton
from blender_addon.shared.motion import Motion
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator
from training.data.pose_widening import PoseBank

_PIXELS = np.full((400, 300, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def person() -> LandmarkBatch:
    bank = PoseBank.from_axis_angles(smooth_motion(4.0).poses[:, :22])
    return LandmarkSimulator(bank).batch(0, 0, 1)


def _landmarks(person: LandmarkBatch) -> Landmarks:
    """As if BlazePose had found the simulated person in the middle of the picture."""
    flat = person.image_true[0] * 120 + [150, 200]
    return Landmarks(
        image=np.concatenate([flat, np.zeros((33, 1))], axis=1),
        world=person.landmarks[0].astype(np.float64),
        visibility=np.ones(33),
        presence=np.ones(33),
        score=0.9,
        square=Square(np.array([150.0, 200.0]), 240.0),
    )


@pytest.fixture
def found(person: LandmarkBatch, monkeypatch: pytest.MonkeyPatch) -> list:
    """Every box that landmarks were asked for."""
    boxes: list = []

    def estimate(picture: Picture, box: object, networks: object, both_ways: bool) -> Landmarks:
        assert both_ways
        boxes.append(box)
        return _landmarks(person)

    monkeypatch.setattr("backend.tasks.pose_estimation.estimate_landmarks", estimate)
    return boxes


def test_a_picture_gives_a_pose_upright_and_in_the_camera(found: list) -> None:
    said: list[str] = []
    made = pose_estimation(
        tiny_pose_model(),
        PoseParams(_PIXELS, box=(0, 0, 300, 400), samples=2),
        on_progress=lambda fraction, message: said.append(message),
    )
    assert found == [(0, 0, 300, 400)]
    assert made.motion.num_frames == 1
    assert made.motion.poses.shape == (1, 22, 3)
    torch.testing.assert_close(
        torch.from_numpy(made.camera @ made.camera.T), torch.eye(3).double(), atol=1e-5, rtol=0
    )
    assert ((made.joints_image > -100) & (made.joints_image < 500)).all()
    assert made.error_pixels < 30
    assert len(made.codes) == 5
    assert said[-1] == "Done"


def test_refining_brings_the_pose_to_the_landmarks(found: list) -> None:
    model = tiny_pose_model()
    held, refined = (
        pose_estimation(model, PoseParams(_PIXELS, refine=r, samples=1)) for r in (False, True)
    )
    assert refined.error_pixels < held.error_pixels


def test_cancel_and_weights_without_eyes(found: list) -> None:
    with pytest.raises(Cancelled):
        pose_estimation(tiny_pose_model(), PoseParams(_PIXELS), is_cancelled=lambda: True)
    with pytest.raises(AssetError, match="hmvlm-train align"):
        pose_estimation(tiny_hmvlm(), PoseParams(_PIXELS))


@pytest.mark.parametrize(
    "change",
    [
        {"image": " "},
        {"box": (1.0, 2.0, 3.0)},
        {"box": (1.0, 2.0, 3.0, float("nan"))},
        {"seed": -1},
        {"temperature": 9.0},
        {"samples": 0},
        {"samples": 1000},
    ],
)
def test_bad_requests_are_refused(change: dict) -> None:
    validate_pose(PoseParams("a.png"))
    with pytest.raises(InvalidInput):
        validate_pose(PoseParams(**{"image": "a.png", **change}))


def test_requests_off_the_wire() -> None:
    asked = parse_pose({"image": "/a.png", "box": [1, 2, 3, 4], "refine": False}, {})
    assert asked == PoseParams("/a.png", box=(1, 2, 3, 4), refine=False)
    assert parse_pose({}, {"image": _PIXELS}).image is _PIXELS
    for params, arrays in (({"image": "/a.png"}, {"image": _PIXELS}), ({"box": "all"}, {})):
        with pytest.raises(InvalidInput):
            parse_pose(params, arrays)
    engine = HmvlmEngine(EngineOptions())
    with pytest.raises(InvalidInput, match="No picture"):
        engine.tasks["pose"].check({}, {})


def test_the_engine_sends_the_pose(found: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.assets.ensure", lambda name, progress: Path(name))
    monkeypatch.setattr("backend.vision.blazepose.BlazePose", lambda folder: folder)
    engine = HmvlmEngine(EngineOptions())
    engine._model = tiny_pose_model()
    job = SimpleNamespace(progress=lambda *_: None, is_cancelled=lambda: False)
    sent = engine.tasks["pose"].run({"samples": 1}, {"image": _PIXELS}, job)  # pyright: ignore[reportArgumentType]
    assert sent.arrays["poses"].shape == (1, 22, 3)
    assert {a.dtype.name for a in sent.arrays.values()} == {"float32"}
    assert sent.values["fps"] == 20.0
    assert sent.values["score"] == 0.9


def test_the_skeleton_is_drawn_in_the_users_pixels() -> None:
    picture = Picture(_PIXELS, (600, 800))  # shrunk by half
    joints = np.tile([[500.0, 700.0]], (22, 1))
    drawn = np.asarray(draw_skeleton(picture, joints))
    changed = np.argwhere((drawn != _PIXELS).any(axis=-1))
    np.testing.assert_allclose(changed.mean(axis=0), [350, 250], atol=2)


def test_boxes_on_the_command_line() -> None:
    assert parse_box("1,2.5,30,40") == [1.0, 2.5, 30.0, 40.0]
    for text in ("1,2,3", "a,b,c,d", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="L,T,R,B"):
            parse_box(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "pose.bvh"], "name it .npz"),
        (["--overlay", "pose.jpg"], "name it .png"),
        (["--out", "nowhere/pose.npz"], "does not exist"),
        ([], "There is no picture"),
    ],
)
def test_the_command_checks_before_a_server_starts(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["pose", "missing.png", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_command_writes_pose_and_overlay(
    found: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("backend.assets.ensure", lambda name, progress: Path(name))
    monkeypatch.setattr("backend.vision.blazepose.BlazePose", lambda folder: folder)
    engine = HmvlmEngine(EngineOptions())
    engine._model = tiny_pose_model()

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

    monkeypatch.setattr("backend.pose_cli.client_session", lambda options, show: OneServer())
    out, overlay = tmp_path / "pose.npz", tmp_path / "pose.png"
    picture = str(grace_hopper())
    written = ["--out", str(out), "--overlay", str(overlay), "--samples", "1"]
    assert main(["pose", picture, "--box", "1,2,300,400", *written]) == 0
    assert found == [(1.0, 2.0, 300.0, 400.0)]
    assert "pixels from the landmarks" in capsys.readouterr().out
    assert Motion.load_npz(out).num_frames == 1
    with np.load(out) as content:
        assert content["camera"].shape == (3, 3)
        assert content["landmarks_image"].shape == (33, 3)
    assert overlay.stat().st_size > 1000
