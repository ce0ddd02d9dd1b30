# SPDX-License-Identifier: Apache-2.0
"""Measuring poses on rendered pictures: figures, refusals, the kept pictures, and real ones."""

import argparse
import dataclasses
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_figure import made_up_figure
from PIL import Image
from tiny_pose import tiny_pose_model

from backend.errors import HmvlmError, InvalidInput
from backend.vision.blazepose import BlazePose
from backend.vision.crops import Square
from backend.vision.landmarks import Landmarks
from backend.vision.skeleton33 import BODY_LANDMARKS
from blender_addon.shared.rotations import axis_rotation
from training import evaluate_pose_renders as renders
from training.data.pose_widening import PoseBank
from training.evaluate_pose import Errors
from training.evaluate_pose_renders import Reading, make_figures, read_shot, summarise
from training.figure.rendering import SIZE, picture_name, render_shots
from training.figure.shots import Shot, plan_shots

_BANK = PoseBank(np.zeros((3, 22, 3), dtype=np.float32))


def _shots(count: int, seed: int = 0) -> list[Shot]:
    return plan_shots([made_up_figure()], _BANK, count, seed)


def _landmarks(shot: Shot, *, off: float = 0.0, pixels: float = 0.0) -> Landmarks:
    """The true ones, the nose `off` metres and all of them `pixels` away."""
    world, image = np.zeros((33, 3)), np.zeros((33, 3))
    world[list(BODY_LANDMARKS)] = shot.landmarks + 5.0  # wherever the hips are
    world[0, 0] += off
    image[list(BODY_LANDMARKS), :2] = shot.in_image + np.array([pixels, 0.0])
    seen = np.isin(np.arange(33), BODY_LANDMARKS).astype(np.float64)
    return Landmarks(image, world, seen, seen, 0.9, Square(np.zeros(2), 1.0))


def _read(shot: Shot, monkeypatch: pytest.MonkeyPatch, landmarks: Landmarks) -> Reading:
    monkeypatch.setattr(renders, "estimate_landmarks", lambda path, networks: landmarks)
    return read_shot(Path("p.png"), shot, None, None, 1)  # pyright: ignore[reportArgumentType]


def _arguments(out: Path, **given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    renders.add_arguments(parser)
    words = ["--data", "prepared", "--out", str(out)]
    return argparse.Namespace(**{**vars(parser.parse_args(words)), **given})


@pytest.fixture
def kept(tmp_path: Path) -> tuple[list[Shot], Path]:
    """Two shots and a folder that has their pictures already."""
    shots = _shots(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", _Drawing(2, returncode=0))
        render_shots([made_up_figure()], shots, tmp_path)
    return shots, tmp_path


class _Drawing:
    """Stands in for Blender's process: grey pictures, then the exit status."""

    def __init__(self, count: int, returncode: int) -> None:
        self.count, self.returncode = count, returncode
        self.stdout = [b"HMVLM-PICTURE 1\n", b"words of its own\n"]

    def __call__(self, command: list[str], **_: object) -> "_Drawing":
        for i in range(self.count):
            Image.new("RGB", (SIZE, SIZE), "grey").save(Path(command[-1]) / picture_name(i))
        return self

    def __enter__(self) -> "_Drawing":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_true_landmarks_have_no_error_and_a_wrong_nose_its_thirteenth(monkeypatch) -> None:
    (shot,) = _shots(1)
    reading = _read(shot, monkeypatch, _landmarks(shot))
    assert reading.raw is not None
    assert reading.raw.joints_mpjpe is None
    assert reading.raw.landmarks_mpjpe == pytest.approx(0, abs=1e-9)
    wrong = _read(shot, monkeypatch, _landmarks(shot, off=0.13)).raw
    assert wrong is not None
    assert wrong.landmarks_mpjpe == pytest.approx(10)


def test_a_turned_body_is_wrong_but_for_its_shape(monkeypatch) -> None:
    (shot,) = _shots(1)
    seen = _landmarks(shot)
    turned = dataclasses.replace(seen, world=seen.world @ axis_rotation(np.array(0.5), "Y"))
    errors = _read(shot, monkeypatch, turned).raw
    assert errors is not None
    assert errors.landmarks_mpjpe > 20
    assert errors.landmarks_pa_mpjpe == pytest.approx(0, abs=1e-9)


def test_the_models_pose_is_measured_before_and_after_refine(monkeypatch) -> None:
    (shot,) = _shots(1)
    rotations = torch.from_numpy(shot.rotations)[None]
    turned = rotations.clone()
    turned[:, 18] = turned[:, 18] @ torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]).double()
    truth = torch.from_numpy(_landmarks(shot).world)[None]
    fitted = SimpleNamespace(
        turned=SimpleNamespace(rotations=turned),
        final=SimpleNamespace(rotations=rotations, landmarks=lambda: truth),
    )
    made = SimpleNamespace(fitted=fitted, joints_image=None)
    monkeypatch.setattr(renders, "estimate_landmarks", lambda path, networks: _landmarks(shot))
    monkeypatch.setattr(renders, "pose_estimation", lambda *_: made)
    reading = read_shot(Path("p.png"), shot, None, object(), 1)  # pyright: ignore[reportArgumentType]
    assert reading.decoded is not None
    assert reading.refined is not None
    assert reading.refined.joints_mpjpe == pytest.approx(0, abs=1e-9)
    assert reading.refined.landmarks_mpjpe == pytest.approx(0, abs=1e-9)
    # a forearm turned by 90 degrees moves the wrist alone
    assert reading.decoded.joints_mpjpe == pytest.approx(1000 * 0.2524 * 2**0.5 / 22, rel=0.02)
    assert reading.decoded.landmarks_mpjpe > 5


def test_a_real_model_is_read_through_the_pose_path(kept, monkeypatch) -> None:
    shots, folder = kept
    monkeypatch.setattr(
        "backend.tasks.pose_estimation.estimate_landmarks", lambda *_, **__: _landmarks(shots[0])
    )
    monkeypatch.setattr(renders, "estimate_landmarks", lambda path, networks: _landmarks(shots[0]))
    path = folder / picture_name(0)
    reading = read_shot(path, shots[0], None, tiny_pose_model(), 2)  # pyright: ignore[reportArgumentType]
    assert reading.decoded is not None
    assert reading.refined is not None
    assert reading.joints is not None
    assert reading.joints.shape == (22, 2)
    # the toy's pose means nothing: only fitting it to true landmarks brings it near
    assert reading.refined.landmarks_pa_mpjpe < 0.7 * reading.decoded.landmarks_pa_mpjpe


def test_whom_nobody_found_counts_as_not_found(monkeypatch) -> None:
    def nobody(path: Path, networks: BlazePose) -> Landmarks:
        raise InvalidInput("No person was found in the picture.")

    shots = _shots(4)
    monkeypatch.setattr(renders, "estimate_landmarks", nobody)
    missed = [read_shot(Path("p.png"), s, None, None, 1) for s in shots[:2]]  # pyright: ignore[reportArgumentType]
    found = [_read(s, monkeypatch, _landmarks(s, off=0.13, pixels=4.48)) for s in shots[2:]]
    report = summarise(shots, missed + found)
    assert (report["all"].pictures, report["all"].found) == (4, 2)
    assert report["all"].raw is not None
    assert report["all"].raw.landmarks_mpjpe == pytest.approx(10, abs=0.06)
    assert report["all"].image_percent == pytest.approx(1.0)
    assert report[shots[0].kind].raw is None
    assert report[shots[3].kind].found == 1
    assert report["all"].below_raw is None  # there is no model to be better
    assert "2/4" in renders._table(report)


def test_how_far_below_the_raw_landmarks(monkeypatch) -> None:
    shots = _shots(2)
    raw, refined = Errors(None, None, 100.0, 80.0), Errors(90.0, 60.0, 70.0, 64.0)
    reading = Reading(_landmarks(shots[0]), raw=raw, decoded=refined, refined=refined)
    report = summarise(shots, [reading, Reading()])
    assert report["all"].below_raw == {"mpjpe": 0.3, "pa_mpjpe": 0.2}
    assert "30 % (MPJPE) and 20 % (PA-MPJPE) below" in renders._table(report)


def test_kept_pictures_need_no_blender(kept, monkeypatch) -> None:
    shots, folder = kept
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("Blender was started"))
    paths = render_shots([made_up_figure()], shots, folder)
    assert [p.name for p in paths] == ["picture-000.png", "picture-001.png"]
    assert not (folder / "blender.log").exists()


def test_pictures_of_other_poses_are_not_taken_for_these(kept) -> None:
    shots, folder = kept
    moved = dataclasses.replace(shots[1], vertices=shots[1].vertices + 0.01)
    with pytest.raises(InvalidInput, match="other poses"):
        render_shots([made_up_figure()], [shots[0], moved], folder)


def test_a_blender_that_fails_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", _Drawing(1, returncode=1))
    with pytest.raises(HmvlmError, match=r"blender\.log"):
        render_shots([made_up_figure()], _shots(2), tmp_path)


def test_it_wants_a_checkpoint_or_raw_only(tmp_path: Path) -> None:
    for given in ({}, {"raw_only": True, "checkpoint": tmp_path}):
        with pytest.raises(InvalidInput, match="--raw-only"):
            renders.run(_arguments(tmp_path, **given))


def test_the_command_writes_figures_and_a_sheet(kept, monkeypatch, capsys) -> None:
    shots, folder = kept
    monkeypatch.setattr(renders, "BlazePose", lambda threads: None)
    monkeypatch.setattr(renders, "make_figures", lambda: [made_up_figure()])
    monkeypatch.setattr(renders, "PreparedDataset", lambda *_: None)
    monkeypatch.setattr(renders.PoseBank, "from_prepared", lambda _: _BANK)
    monkeypatch.setattr(
        renders, "estimate_landmarks", lambda path, networks: _landmarks(shots[int(path.stem[-3:])])
    )
    renders.run(_arguments(folder, raw_only=True, count=2, json=True))
    printed = json.loads(capsys.readouterr().out)
    assert printed["all"]["found"] == 2
    assert printed["all"]["raw"]["landmarks_mpjpe"] == pytest.approx(0, abs=0.01)
    assert printed == json.loads((folder / "pose_renders.json").read_text())
    assert Image.open(folder / "sheet.png").size[0] == 2 * 224


@pytest.mark.slow
def test_blazepose_finds_a_rendered_person_where_the_truth_is(tmp_path: Path) -> None:
    figures = make_figures()
    assert all(1.55 < np.ptp(f.vertices[:, 1]) < 1.9 for f in figures)
    shots = [
        plan_shots(figures, _BANK, 1, seed)[0] for seed in range(2)
    ]  # standing, from the front
    networks = BlazePose()
    for shot, path in zip(shots, render_shots(figures, shots, tmp_path), strict=True):
        reading = read_shot(path, shot, networks, None, 1)
        assert reading.landmarks is not None
        off = reading.landmarks.image[list(BODY_LANDMARKS), :2] - shot.in_image
        assert np.linalg.norm(off, axis=1).mean() < 0.04 * SIZE
