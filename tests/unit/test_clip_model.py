# SPDX-License-Identifier: Apache-2.0
"""Clips as numbers, as rows of the language model, and the words it answers with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from acted_motion import going, raising, standing
from tiny_clips import CLIP_VISION, tiny_clip_model
from tiny_pose import build_tiny, tiny_pose_config, tiny_pose_model

from backend.errors import AssetError, Cancelled, InvalidInput
from backend.model.clip_projector import ClipProjector
from backend.model.configuration import HmvlmConfig, VisionConfig
from backend.model.describing import TextStream, describe_clips
from backend.model.hmvlm import CLIP_TABLES, Hmvlm
from backend.model.processing import FEATURE
from backend.vision.clip_features import CLIP_FRAMES, CLIP_WIDTH, clip_features, frame_choice
from backend.vision.motion_landmarks import motion_landmarks
from blender_addon.shared.motion import Motion

_ALPHA = torch.full((1, 5), 0.2)
_NUMBERS = slice(33 * 6, 33 * 6 + 11)


def _features(motion: Motion) -> np.ndarray:
    return clip_features(*motion_landmarks(motion, frame_choice(motion.num_frames)), motion.seconds)


def _seen(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, CLIP_FRAMES, CLIP_WIDTH, generator=generator)


def test_frames_are_spread_from_first_to_last() -> None:
    assert frame_choice(15).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert frame_choice(2).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert frame_choice(1).tolist() == [0] * 8


def test_features_know_place_size_and_turn() -> None:
    still, coming = _features(standing()), _features(going(4.0, 1.2))
    turning = _features(going(4.0, 0.0, turn_degrees=90))
    assert still.shape == (CLIP_FRAMES, CLIP_WIDTH)
    numbers = [x[:, _NUMBERS] for x in (still, coming, turning)]
    assert np.abs(numbers[0][:, :10]).max() < 1e-5
    assert (np.diff(numbers[1][:, 4]) > 0.02).all()  # who comes nearer grows
    assert np.abs(numbers[1][:, 8]).max() < 0.02
    assert (np.diff(numbers[2][:, 8]) > 0.05).all()  # a turn to the left
    assert numbers[2][-1, 8] == pytest.approx(0.5, abs=0.02)
    assert numbers[1][0, 10] == pytest.approx(np.log(4.0), abs=0.02)


def test_features_do_not_depend_on_the_pictures_unit() -> None:
    motion = raising("left", base=going(3.0, 1.0))
    image, visibility, world = motion_landmarks(motion, frame_choice(motion.num_frames))
    one = clip_features(image, visibility, world, 3.0)
    two = clip_features(image * 540 + [960, 540], visibility, world, 3.0)
    np.testing.assert_allclose(one, two, atol=1e-4)
    many = clip_features(
        np.stack([image, image]), np.stack([visibility] * 2), np.stack([world] * 2), np.full(2, 3.0)
    )
    np.testing.assert_allclose(many[1], one, atol=1e-6)


def test_hidden_points_do_not_move_the_square_and_nobody_is_no_crash() -> None:
    motion = standing()
    image, visibility, world = motion_landmarks(motion, frame_choice(motion.num_frames))
    hidden = visibility.copy()
    hidden[:, 15] = 0.0
    far = image.copy()
    far[:, 15] += 50.0
    moved = clip_features(far, hidden, world, 3.0)[:, _NUMBERS]
    assert np.abs(moved[:, :3]).max() < 1e-4
    assert np.isfinite(clip_features(image, 0.0 * visibility, world, 3.0)).all()


def test_a_motion_is_seen_from_the_front_and_whole() -> None:
    motion = going(6.0, 1.5, turn_degrees=120)
    image, visibility, world = motion_landmarks(motion, frame_choice(motion.num_frames))
    assert np.abs(image).max() <= 1.0
    assert image[0, 11, 0] > image[0, 12, 0]
    assert image[0, 0, 1] < image[0, 23, 1]
    assert world[0, 0, 2] < 0.0  # the nose is nearer than the pelvis
    assert visibility.shape == (CLIP_FRAMES, 33)


def test_the_projector_gives_rows_of_the_words_spread() -> None:
    torch.manual_seed(0)
    projector = ClipProjector(2, 16, 32)
    seen = 5.0 * _seen(60) + 3.0
    projector.fit_scale(seen, text_std=0.1)
    rows = projector(seen)
    assert rows.shape == (60, CLIP_FRAMES * 2, 32)
    assert rows.std().item() == pytest.approx(0.1, rel=0.05)
    assert sum(p.numel() for p in ClipProjector(1, 256, 576).parameters()) < 650_000


def test_frames_are_mixed() -> None:
    torch.manual_seed(0)
    projector = ClipProjector(1, 16, 32)
    one, other = _seen(1), _seen(1)
    other[:, 7] += 1.0
    assert not torch.allclose(projector(one)[:, 0], projector(other)[:, 0], atol=1e-6)


def test_the_request_holds_question_length_and_clip() -> None:
    model = tiny_clip_model()
    words = model.processor
    plain, asked = words.describe_ids(8, 4.0), words.describe_ids(8, 12.34, " Which hand? ")
    assert (plain[:, 0] == FEATURE).sum() == 8
    assert plain[-9:-1, 0].tolist() == [FEATURE] * 8
    text = words.text_rows("Describe:\nseconds: 4.0\n")
    assert plain[: len(text)].tolist() == text.tolist()
    text = words.text_rows("Question: Which hand?\nseconds: 12.3\n")
    assert asked[: len(text)].tolist() == text.tolist()


def _prompt(model: Hmvlm, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    features = model.watching()(seen)
    rows = torch.from_numpy(model.processor.describe_ids(features.shape[1], 4.0))
    return rows.expand(len(seen), -1, -1), features


def test_answers_are_the_likeliest_words_one_after_the_other() -> None:
    model = tiny_clip_model()
    ids, features = _prompt(model, _seen(3))
    answers = describe_clips(model, ids, features, _ALPHA.expand(3, -1), max_new_tokens=6)
    alone = describe_clips(model, ids[1:2], features[1:2], _ALPHA, max_new_tokens=6)
    assert alone == answers[1:2]
    rows = ids[1:2]
    for token in answers[1]:
        logits = model.text_logits(rows, _ALPHA, features=features[1:2], use_cache=False)
        assert int(logits[0, -1].argmax()) == token
        rows = torch.cat([rows, torch.full_like(rows[:, :1], -1)], dim=1)
        rows[0, -1, 0] = token
    assert max(len(a) for a in answers) == 6


def test_an_answer_ends_at_the_stop_token_and_can_be_cancelled() -> None:
    model = tiny_clip_model()
    ids, features = _prompt(model, _seen(2))
    alphas = _ALPHA.expand(2, -1)
    first = describe_clips(model, ids, features, alphas, max_new_tokens=3)[0]
    model.stop_tokens = lambda: {first[1]}
    ended = describe_clips(model, ids, features, alphas, max_new_tokens=3)[0]
    assert ended == first[: first.index(first[1])]
    with pytest.raises(Cancelled):
        describe_clips(model, ids, features, alphas, max_new_tokens=3, is_cancelled=lambda: True)


def test_text_comes_piece_by_piece_but_no_half_characters() -> None:
    model = tiny_clip_model()
    pieces: list[str] = []
    stream = TextStream(model, pieces.append)
    texts = {1: "a", 2: "a�", 3: "aé"}
    model.processor.tokenizer.decode = lambda ids, skip_special_tokens: texts[len(ids)]
    for count in (1, 2, 3):
        stream.show([0] * count)
    assert pieces == ["a", "é"]
    stream.show([0] * 2, last=True)
    assert stream.said == "a�"


def test_the_gate_decides_over_descriptions_and_questions() -> None:
    model = tiny_clip_model()
    assert model.describe_alpha().shape == (1, 5)
    assert model.describe_alpha("Do they walk?").shape == (1, 5)
    with torch.no_grad():
        model.router.out.bias[0] += 50.0
    with pytest.raises(AssetError, match="gate"):
        model.describe_alpha()
    with pytest.raises(InvalidInput, match="question"):
        model.describe_alpha("What is love?")


def test_adapters_travel_with_clips_and_grow_them(tmp_path: Path) -> None:
    seeing, watching = tiny_pose_model(), tiny_clip_model()
    seeing.save_adapter(tmp_path / "seeing")
    watching.save_adapter(tmp_path / "watching")
    assert HmvlmConfig.load(tmp_path / "watching") == watching.config
    again = build_tiny(watching.config)
    again.load_adapter(tmp_path / "watching")
    torch.testing.assert_close(again.watching()(_seen(1)), watching.watching()(_seen(1)))
    grown = build_tiny(tiny_pose_config(CLIP_VISION))
    with pytest.raises(AssetError, match="does not fit"):
        grown.load_adapter(tmp_path / "seeing")
    grown.load_adapter(tmp_path / "seeing", fresh=CLIP_TABLES)
    with pytest.raises(AssetError, match="read no clips"):
        seeing.watching()


def test_patches_of_each_frame_are_pooled() -> None:
    vision = VisionConfig("patches", tower="open_clip:hmvlm-tiny/x", tower_width=16, clip_rows=2)
    model = tiny_clip_model(vision)
    patches = torch.randn(3, CLIP_FRAMES, 4, 16)
    rows = model.watching()(patches)
    assert rows.shape == (3, CLIP_FRAMES * 2, 32)
    swapped = model.watching()(patches[:, :, [1, 0, 2, 3]])  # within what is pooled together
    torch.testing.assert_close(rows, swapped)
