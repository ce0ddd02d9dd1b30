# SPDX-License-Identifier: Apache-2.0
"""The tokenizer's losses, the training loop, and its command line, on a tiny made-up data set."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from backend.errors import AssetError, InvalidInput
from backend.model.loading import BASELINES_FOLDER, TOKENIZER_FOLDER
from backend.motion.bvh import write_bvh
from backend.motion.kinematics import decode_smpl22_torch
from backend.motion.representation import encode_smpl22
from backend.motion.tokenizer import MotionTokenizer, TokenizerOutput, tokenizer_config
from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import REST_OFFSETS
from training import cli
from training.evaluate_tokenizer import find_tokenizers
from training.loops import LoopSettings, train
from training.losses import TokenizerLoss, TokenizerLossWeights, pose_positions
from training.tokenizer import TokenizerSettings, WindowSampler, train_tokenizer


def swaying(frames: int, seed: int = 0, fps: float = 20.0) -> Motion:
    """Someone who walks in a curve and moves every joint a little."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / fps
    amount, speed = rng.normal(size=(1, 22, 3)) * 0.3, rng.uniform(1, 4, size=(1, 22, 3))
    poses = amount * np.sin(speed * t)
    poses[:, 0] = 0.0
    poses[:, 0, 1] = 0.5 * t[:, 0, 0]
    path = np.concatenate([np.sin(t[:, 0]), 0.95 + 0 * t[:, 0], t[:, 0]], axis=1)
    return Motion(poses, path - REST_OFFSETS[0], fps)


class MadeUpData:
    """Stands in for PreparedDataset: the parts of it that training reads."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split, self.hash = folder, split, "made-up"
        first = {"train": 0, "val": 100, "test": 200}[split]
        lengths = [80, 30, 64, 100]
        self._rows = [encode_smpl22(swaying(n, first + i)) for i, n in enumerate(lengths)]
        self.clips = [
            SimpleNamespace(frames=n, source=f"source{i % 2}") for i, n in enumerate(lengths)
        ]
        everything = np.concatenate(self._rows)
        self.mean = everything.mean(axis=0)
        self.std = np.maximum(everything.std(axis=0), 1e-3)

    def __len__(self) -> int:
        return len(self.clips)

    def features(self, index: int) -> np.ndarray:
        return self._rows[index]


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("training.tokenizer.PreparedDataset", MadeUpData)
    monkeypatch.setattr("training.evaluate_tokenizer.PreparedDataset", MadeUpData)
    return tmp_path


def test_fast_kinematics_agree_with_the_decoder() -> None:
    rows = torch.from_numpy(encode_smpl22(swaying(20)))
    rows[:, :3] = 0.0  # no heading, no path
    expected = decode_smpl22_torch(rows[None])[0][0]
    assert torch.allclose(pose_positions(rows).permute(2, 0, 1), expected, atol=1e-5)


def test_losses_vanish_for_a_perfect_copy() -> None:
    rows = torch.from_numpy(encode_smpl22(swaying(40)))[None]
    mean, std = rows[0].mean(0), rows[0].std(0).clamp_min(1e-3)
    criterion = TokenizerLoss(mean, std, TokenizerLossWeights())
    target = (rows - mean) / std
    output = TokenizerOutput(target, None, torch.zeros(()))
    terms = criterion(output, target, torch.ones(1, 40))
    assert float(terms["mse"]) == 0.0
    for name in ("joints", "velocity", "planted", "path", "heading"):
        # the last row repeats the velocity before it, so nothing is exactly 0 there
        assert float(terms[name]) < 1e-3, name


def test_padding_does_not_count() -> None:
    rows = torch.from_numpy(encode_smpl22(swaying(40)))[None]
    criterion = TokenizerLoss(torch.zeros(272), torch.ones(272), TokenizerLossWeights())
    mask = torch.ones(1, 40)
    mask[:, 30:] = 0
    made = rows + 0.01
    noisy = made.clone()
    noisy[:, 30:] += torch.randn(1, 10, 272)
    zero = torch.zeros(())
    first = criterion(TokenizerOutput(made, None, zero), rows, mask)
    second = criterion(TokenizerOutput(noisy, None, zero), rows, mask)
    assert {k: float(v) for k, v in first.items()} == pytest.approx(
        {k: float(v) for k, v in second.items()}
    )


def test_a_drifting_path_and_a_sliding_foot_cost() -> None:
    rows = torch.from_numpy(encode_smpl22(swaying(40)))[None]
    rows[..., 4:8] = 1.0
    criterion = TokenizerLoss(torch.zeros(272), torch.ones(272), TokenizerLossWeights())
    drifting = rows.clone()
    drifting[..., 2] += 0.01
    terms = criterion(TokenizerOutput(drifting, None, torch.zeros(())), rows, torch.ones(1, 40))
    assert float(terms["path"]) == pytest.approx(0.01 * 19.5, rel=0.05)
    assert float(terms["planted"]) == pytest.approx(0.01, rel=0.05)
    assert float(terms["joints"]) < 1e-3


def test_batches_depend_on_seed_and_step_alone(made_up: Path) -> None:
    data = MadeUpData(made_up, "train")
    first, mask = WindowSampler(data, 64, seed=3).batch(7, 16)  # pyright: ignore[reportArgumentType]
    again, _ = WindowSampler(data, 64, seed=3).batch(7, 16)  # pyright: ignore[reportArgumentType]
    other, _ = WindowSampler(data, 64, seed=3).batch(8, 16)  # pyright: ignore[reportArgumentType]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert set(mask.sum(dim=1).int().tolist()) <= {30, 64}


def test_a_small_source_is_drawn_more_often_than_its_frames_say() -> None:
    clips = [
        SimpleNamespace(frames=900, source="large"),
        SimpleNamespace(frames=100, source="rare"),
    ]
    data = MadeUpData(Path(), "train")
    data.clips = clips
    chances = WindowSampler(data, 64, seed=0).chances  # pyright: ignore[reportArgumentType]
    assert chances == pytest.approx([0.75, 0.25])


def _fit_line(out: Path, stop_at: int | None) -> torch.Tensor:
    """Fit a line with random noise for 40 steps, or until it is stopped; the weights."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)

    def batch_loss(step: int) -> dict[str, torch.Tensor]:
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        noise = torch.randn(4, 1)
        return {"loss": (model(x) - x.sum(1, keepdim=True) + 0.1 * noise).square().mean()}

    settings = LoopSettings(out, steps=40, log_every=5, save_minutes=0.0)
    state = train(model, optimizer, settings, batch_loss)
    assert state.step == 40
    assert len(state.log) == 8
    return model.weight.detach()


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    straight = _fit_line(tmp_path / "a", None)
    for stop_at in (10, 25):
        with pytest.raises(KeyboardInterrupt):
            _fit_line(tmp_path / "b", stop_at)
    assert torch.equal(straight, _fit_line(tmp_path / "b", None))
    for name in ("log.csv", "log.json", "curves.png", "state.safetensors"):
        assert (tmp_path / "b" / name).stat().st_size > 0


def test_a_time_budget_ends_the_run(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    settings = LoopSettings(tmp_path, minutes=0.01)
    state = train(model, optimizer, settings, lambda _: {"loss": model.weight.square().sum()})
    assert 0.5 < state.elapsed < 5
    with pytest.raises(InvalidInput, match="--minutes"):
        LoopSettings(tmp_path)


def test_state_of_another_model_is_refused(tmp_path: Path) -> None:
    def fit(size: int) -> None:
        model = torch.nn.Linear(size, 1)
        optimizer = torch.optim.AdamW(model.parameters())
        settings = LoopSettings(tmp_path, steps=2)
        train(model, optimizer, settings, lambda _: {"loss": model.weight.square().sum()})

    fit(2)
    with pytest.raises(AssetError, match="delete it"):
        fit(3)


def test_train_and_evaluate(made_up: Path, capsys: pytest.CaptureFixture) -> None:
    for kind, precision in (("body_part", "fp32"), ("whole_body_512", "bf16")):
        folder = train_tokenizer(
            TokenizerSettings(
                made_up,
                made_up / "run",
                kind,
                steps=4,
                decoder_steps=3,
                batch=2,
                continuous_steps=1,
                precision=precision,
                threads=1,
            )
        )
        assert MotionTokenizer.from_pretrained(folder).config == tokenizer_config(kind)
        record = json.loads((folder / "training.json").read_text())
        assert (record["steps_done"], record["decoder_steps_done"]) == (4, 3)
    words = ["evaluate", "tokenizer", "--data", str(made_up), "--run", str(made_up / "run")]
    assert cli.main([*words, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {"body_part", "whole_body_512"} <= set(scores)
    wanted = {"mse", "mpjpe_root_mm", "mpjpe_world_mm", "codebook_use", "skating"}
    assert all(wanted <= set(s) for s in scores.values())
    assert list(scores["body_part"]["codebook_use_per_part"]) == [
        "torso",
        "left_arm",
        "right_arm",
        "left_leg",
        "right_leg",
    ]
    assert cli.main(words) == 0
    assert "MPJPE root" in capsys.readouterr().out


def test_the_decoder_settles_without_a_change_of_codes(made_up: Path) -> None:
    settings = TokenizerSettings(
        made_up, made_up / "run", steps=3, batch=2, continuous_steps=1, decoder_steps=0, threads=1
    )
    before = MotionTokenizer.from_pretrained(train_tokenizer(settings))
    # the same run goes on where it ended
    after = MotionTokenizer.from_pretrained(train_tokenizer(replace(settings, decoder_steps=3)))
    rows = torch.from_numpy(MadeUpData(made_up, "val").features(0))[None].float()
    codes = before.encode(rows)
    assert torch.equal(codes, after.encode(rows))
    assert not torch.allclose(before.decode(codes), after.decode(codes))


def test_evaluate_reads_a_folder_of_bvh(made_up: Path, capsys: pytest.CaptureFixture) -> None:
    MotionTokenizer(tokenizer_config("body_part")).save_pretrained(made_up / "run")
    clips = made_up / "clips"
    clips.mkdir()
    write_bvh(swaying(60, fps=30.0), clips / "short.bvh")
    write_bvh(swaying(700, fps=30.0), clips / "long.BVH")
    (clips / "broken.bvh").write_text("HIERARCHY\nROOT hips\n{\n")
    words = ["evaluate", "tokenizer", "--bvh", str(clips), "--run", str(made_up / "run"), "--json"]
    assert cli.main(words) == 0
    shown = capsys.readouterr()
    scores = json.loads(shown.out)["body_part"]
    assert scores["clips"] == 4  # the long one in three pieces
    assert scores["files_left_out"] == 1
    assert "broken.bvh" in shown.err
    assert "1 files were left out" in shown.err


def test_shipped_tokenizers_are_found_where_export_puts_them(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="hmvlm-train tokenizer"):
        find_tokenizers([], tmp_path)
    MotionTokenizer(tokenizer_config("body_part")).save_pretrained(tmp_path / TOKENIZER_FOLDER)
    baseline = tmp_path / BASELINES_FOLDER / "whole_body_512"
    MotionTokenizer(tokenizer_config("whole_body_512")).save_pretrained(baseline)
    assert set(find_tokenizers([], tmp_path)) == {"body_part", "whole_body_512"}


def test_evaluate_says_what_is_wrong(made_up: Path, capsys: pytest.CaptureFixture) -> None:
    clips = made_up / "clips"
    clips.mkdir()
    words = ["evaluate", "tokenizer", "--bvh", str(clips), "--run", str(made_up / "run")]
    assert cli.main(words) == 1
    assert "No motion tokenizer" in capsys.readouterr().err
    MotionTokenizer(tokenizer_config("body_part")).save_pretrained(made_up / "run")
    assert cli.main(words) == 1
    assert "no .bvh files" in capsys.readouterr().err
    (clips / "broken.bvh").write_text("nonsense")
    assert cli.main(words) == 1
    assert "None of the 1 BVH files" in capsys.readouterr().err


def test_command_line_help_and_unknown_command(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["sing"])
    assert exit_info.value.code == 2
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["tokenizer", "--help"])
    assert exit_info.value.code == 0
    assert "--minutes" in capsys.readouterr().out
