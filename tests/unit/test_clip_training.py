# SPDX-License-Identifier: Apache-2.0
"""Simulated clips, both stages of learning to describe them, and the scores of captions."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from acted_clips import ACTS, ActedClips
from tiny_clips import tiny_clip_model
from tiny_hmvlm import tiny_hmvlm

from backend.errors import AssetError, InvalidInput
from backend.model.clip_projector import ClipProjector
from backend.model.loading import ADAPTER_FOLDER
from backend.model.processing import IGNORE
from backend.vision.clip_features import CLIP_FRAMES, CLIP_WIDTH
from training import cli
from training.caption_loss import (
    caption_loss,
    caption_rows,
    caption_scores,
    describe_batch,
    gate_texts,
)
from training.clip_alignment import align
from training.clip_samples import NO_SIDE, ClipLabels, ClipSettings, ClipSource, all_clips
from training.data.caption_content import FAMILIES, SIDES
from training.data.captions import mirror_words
from training.data.landmark_simulation import simulate
from training.evaluate_describe import evaluate, load_watching


@pytest.fixture(scope="module")
def source() -> ClipSource:
    return ClipSource(ActedClips(), seed=0)  # pyright: ignore[reportArgumentType]


def test_batches_repeat_with_seed_and_step(source: ClipSource) -> None:
    one, same, other = source.batch(2, 16), source.batch(2, 16), source.batch(3, 16)
    assert one.seen.shape == (16, CLIP_FRAMES, CLIP_WIDTH)
    assert torch.isfinite(one.seen).all()
    torch.testing.assert_close(one.seen, same.seen)
    assert (one.questions, one.answers) == (same.questions, same.answers)
    assert not torch.equal(one.seen, other.seen)
    asked = [bool(q) for step in range(8) for q in source.batch(step, 32).questions]
    assert 0.15 < sum(asked) / len(asked) < 0.35


def test_a_still_camera_sees_the_way_and_a_following_one_does_not() -> None:
    data = ActedClips()
    walks = np.zeros(64, dtype=int)
    moved = []
    for follows in (0.0, 1.0):
        settings = ClipSettings(follows=follows, held=0.0)
        source = ClipSource(data, 0, settings)  # pyright: ignore[reportArgumentType]
        seen = source.of_clips(walks, np.random.default_rng(0)).seen
        place = seen[:, :, 33 * 6 + 2 : 33 * 6 + 5]  # hips and size in the clip's window
        moved.append(float((place[:, -1] - place[:, 0]).abs().sum(dim=1).median()))
    assert moved[0] > 3 * moved[1]


def test_the_whole_way_is_in_the_picture() -> None:
    rotations = np.tile(np.eye(3), (96, 22, 1, 1))
    path = np.tile(np.linspace([-3.0, 0, 0], [3.0, 0, 0], 8), (12, 1))
    made = simulate(rotations, np.random.default_rng(0), frames=8, path=path)
    points = made.image_true * made.half[:, None, None] + made.centre[:, None]
    hips = points[:, [23, 24]].mean(axis=1).reshape(12, 8, 2)
    assert np.abs(hips).max() < 1.1  # the camera looks a little past them
    assert np.ptp(hips[..., 0], axis=1).max() > 0.3


def test_labels_tell_family_side_and_words(source: ClipSource) -> None:
    labels = ClipLabels(source, words=40)
    names = [content for content, _ in ACTS]
    clips = np.array([names.index(n) for n in ("bow", "wave-left-hand", "raise-up-both-hands")])
    families = labels.families(source, clips)
    assert [FAMILIES[i] for i in families.argmax(dim=1)] == ["bow", "wave", "raise-both"]
    torch.testing.assert_close(families.sum(dim=1), torch.ones(3))
    assert labels.sides(source, clips).tolist() == [len(SIDES), 0, 2]
    words = dict(zip(labels.vocabulary, labels.words(source, clips).T, strict=True))
    assert words["person"].tolist() == pytest.approx([1.0] * 3)
    assert words["left"].tolist() == pytest.approx([0.0, 1.0, 0.0])
    data = ActedClips()
    data.clips = [replace(data.clips[0], content="walk-turn-left+raise-right", captions=[
        "a man walks and turns left and raises the right hand"])]  # fmt: skip
    mixed = ClipSource(data, 0)  # pyright: ignore[reportArgumentType]
    assert ClipLabels(mixed).sides(mixed, np.array([0])).tolist() == [NO_SIDE]
    assert float(ClipLabels(mixed).families(mixed, np.array([0])).max()) == 0.5


def _spelled(words: list[str]) -> tuple[list[int], torch.Tensor]:
    """Every other word has a token."""
    whole = list(range(0, len(words), 2))
    return whole, torch.randn(len(whole), 32, generator=torch.Generator().manual_seed(0))


def test_stage_one_learns_the_acts(source: ClipSource, tmp_path: Path) -> None:
    torch.manual_seed(0)
    projector = ClipProjector(1, 32, 32)
    projector.fit_scale(source.batch(9, 64).seen, 0.1)
    held_out = ClipSource(ActedClips(), 1, ClipSettings(questions=0.0))  # pyright: ignore[reportArgumentType]
    state = align(
        projector,
        source,
        held_out,
        tmp_path,
        spell=_spelled,
        dim=32,
        steps=30,
        minutes=None,
        batch=24,
        rate=5e-3,
    )
    assert state.log[-1]["content"] < 1.8 < np.log(len(ACTS))
    assert 0.0 <= state.log[-1]["val_content_right"] <= 1.0


def test_rows_say_the_answer_after_the_clip(source: ClipSource) -> None:
    model = tiny_clip_model()
    batch = source.batch(0, 4)
    ids, labels = caption_rows(batch, model.processor, CLIP_FRAMES)
    for row, answer in enumerate(batch.answers):
        said = labels[row][labels[row] != IGNORE]
        wanted = model.processor.tokenizer.encode(answer + "~")
        assert said.tolist() == wanted
        first = int((labels[row] != IGNORE).nonzero()[0])
        assert ids[row, first + 1 : first + len(said), 0].tolist() == wanted[:-1]
    assert all(text.startswith("Describe: ") for text in gate_texts(batch, model.processor))


def test_the_caption_loss_teaches_projector_and_experts(source: ClipSource) -> None:
    model = tiny_clip_model()
    batch = source.batch(0, 4)
    alpha = torch.full((4, 5), 0.2)
    trained = [p for n, p in model.named_parameters() if "clip_projector" in n or "lora_" in n]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(trained, 1e-2)
    losses = []
    for _ in range(8):
        loss = caption_loss(model, batch, alpha)["caption"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.95 * losses[0]
    clips = [p.grad for n, p in model.named_parameters() if n.startswith("clip_projector.enter")]
    assert all(g is not None and g.abs().sum() > 0 for g in clips)


def test_scores_reward_the_right_words(source: ClipSource) -> None:
    batch = all_clips(source)
    perfect = [source.descriptions[i][0] for i in batch.clips.tolist()]
    scores = caption_scores(perfect, source, batch.clips)
    assert scores["content"] == scores["side"] == 1.0
    assert scores["bleu4"] > 0.9
    assert scores["sided_clips"] == 4
    other = [mirror_words(c) for c in perfect]
    assert caption_scores(other, source, batch.clips)["side"] == 0.0
    silent = ["A person stands still."] * len(perfect)
    scores = caption_scores(silent, source, batch.clips)
    assert scores["content"] == scores["side"] == 0.0


def test_batches_are_described_in_their_order(source: ClipSource) -> None:
    model = tiny_clip_model()
    batch = source.batch(1, 6)
    together = describe_batch(model, batch)
    for index in range(6):
        single = replace(
            batch,
            seen=batch.seen[index : index + 1],
            seconds=batch.seconds[index : index + 1],
            questions=batch.questions[index : index + 1],
            answers=batch.answers[index : index + 1],
            clips=batch.clips[index : index + 1],
        )
        assert describe_batch(model, single) == together[index : index + 1]


def test_the_evaluation_runs_from_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from tiny_pose import build_tiny

    monkeypatch.setattr("training.evaluate_describe.build_hmvlm", build_tiny)
    monkeypatch.setattr("training.evaluate_describe.PreparedDataset", ActedClips)
    tiny_clip_model().save_adapter(tmp_path / ADAPTER_FOLDER)
    words = ["evaluate", "describe", "--data", "x", "--checkpoint", str(tmp_path), "--clips", "3"]
    assert cli.main([*words, "--json", "--out", str(tmp_path / "scores.json")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["clips"] == 3
    assert len(printed["captions"]) == 3
    assert {"content", "side", "bleu4", "rouge_l", "cider"} <= printed.keys()
    assert json.loads((tmp_path / "scores.json").read_text()) == printed
    assert cli.main(words) == 0
    assert "CIDEr" in capsys.readouterr().out
    assert cli.main([*words[:-1], "0"]) == 1
    assert load_watching(tmp_path).clip_projector is not None


def test_nothing_to_describe_and_nobody_to_describe_it(source: ClipSource) -> None:
    data = ActedClips()
    data.clips = [replace(data.clips[0], captions=["walk"])]
    empty = ClipSource(data, 0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidInput, match="no clip"):
        evaluate(tiny_clip_model(), empty)
    with pytest.raises(AssetError, match="read no clips"):
        evaluate(tiny_hmvlm(), source)
