# SPDX-License-Identifier: Apache-2.0
"""Pictures as rows of the language model, and the five codes it answers with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_hmvlm import CODES, tiny_hmvlm
from tiny_pose import build_tiny, tiny_pose_config, tiny_pose_model
from torch.nn import functional as F

from backend.errors import AssetError
from backend.model.configuration import HmvlmConfig, VisionConfig
from backend.model.decoding import SamplingOptions
from backend.model.hmvlm import VISION_TABLES
from backend.model.pose_decoding import draw_poses, offer_poses
from backend.model.processing import FEATURE, POSE_INSTRUCTION
from backend.model.vision_projector import LandmarkProjector, landmark_features

_ALPHA = torch.tensor([[0.2, 0.2, 0.2, 0.2, 0.2]])


def _seen(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 33, 6, generator=torch.Generator().manual_seed(seed))


def test_landmark_features_are_told_about_the_hips() -> None:
    image, world = torch.randn(2, 33, 2), torch.randn(2, 33, 3)
    seen = landmark_features(image, torch.full((2, 33), 0.5), world)
    assert seen.shape == (2, 33, 6)
    moved = landmark_features(image, torch.full((2, 33), 0.5), world + 3.0)
    torch.testing.assert_close(seen, moved)
    assert seen[:, [23, 24], 3:].mean(dim=1).abs().max() < 1e-6


def test_the_projector_normalises_and_gives_rows_of_the_words_spread() -> None:
    torch.manual_seed(0)
    seen = 5.0 * _seen(200) + 3.0
    projector = LandmarkProjector(4, 16, 32)
    projector.fit_scale(seen, text_std=0.1)
    rows = projector(seen)
    assert rows.shape == (200, 4, 32)
    assert rows.std().item() == pytest.approx(0.1, rel=0.05)


def test_features_stand_where_the_sequence_says() -> None:
    model = tiny_pose_model()
    ids = torch.from_numpy(model.processor.pose_ids(3)).expand(2, -1, -1)
    assert (ids[0, :, 0] == FEATURE).tolist() == [False] * len(POSE_INSTRUCTION) + [True] * 3 + [
        False
    ]
    features = torch.randn(2, 3, 32)
    plain, rows = model.embed(ids), model.embed(ids, features)
    at = len(POSE_INSTRUCTION)
    torch.testing.assert_close(rows[:, at : at + 3], features)
    torch.testing.assert_close(rows[:, :at], plain[:, :at])
    torch.testing.assert_close(rows[:, -1], model.motion_embedding.control[2].expand(2, -1))
    assert (plain[:, at : at + 3] == 0).all()
    with pytest.raises(ValueError, match="2 rows"):
        model.embed(ids, features[:, :2])


def test_a_state_depends_on_its_own_landmarks_and_on_the_experts() -> None:
    model = tiny_pose_model()
    seen = _seen(3)
    states = model.pose_states(seen, _ALPHA.expand(3, -1))
    alone = model.pose_states(seen[1:2], _ALPHA)
    torch.testing.assert_close(states[1:2], alone, atol=1e-4, rtol=1e-4)
    zero = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0]])
    assert not torch.allclose(alone, model.pose_states(seen[1:2], zero), atol=1e-3)
    assert not torch.allclose(states[0], states[1], atol=1e-3)


def test_drawn_codes_are_the_chains_and_repeat_with_the_seed() -> None:
    model = tiny_pose_model()
    _, head = model.seeing()
    states = model.pose_states(_seen(2), _ALPHA.expand(2, -1)).detach()
    codes = draw_poses(model, states, SamplingOptions(), seed=3, samples=5)
    assert codes.shape == (2, 5, 5)
    assert ((codes >= 0) & (codes < CODES)).all()
    torch.testing.assert_close(
        codes, draw_poses(model, states, SamplingOptions(), seed=3, samples=5)
    )
    assert (codes[:, 1:] != codes[:, :1]).any()
    for part, logits in enumerate(head.scores(states, codes[:, 0])):
        torch.testing.assert_close(logits.argmax(dim=-1), codes[:, 0, part])
    # the second part's scores are others when the first part's code is another
    other = codes[:, 0].clone()
    other[:, 0] = (other[:, 0] + 1) % CODES
    assert not torch.allclose(head.scores(states, other)[1], head.scores(states, codes[:, 0])[1])


def test_the_first_pose_lies_between_the_likely_ones() -> None:
    model = tiny_pose_model()
    _, head = model.seeing()
    states = model.pose_states(_seen(2), _ALPHA.expand(2, -1)).detach()
    codes, poses = offer_poses(model, states, SamplingOptions(), seed=3, samples=3)
    torch.testing.assert_close(codes, draw_poses(model, states, SamplingOptions(), 3, 3))
    whole = model.pose_tokenizer.decode(codes.flatten(0, 1)).unflatten(0, (2, 3))
    torch.testing.assert_close(poses[:, 1:], whole[:, 1:])
    assert not torch.allclose(poses[:, 0], whole[:, 0], atol=1e-3)
    alone = offer_poses(model, states, SamplingOptions())[1]
    torch.testing.assert_close(alone, poses[:, :1])
    with torch.no_grad():
        head.rows.mul_(1e4)  # as sure as can be: nothing lies between
    codes, sure = offer_poses(model, states, SamplingOptions())
    torch.testing.assert_close(
        sure[:, 0], model.pose_tokenizer.decode(codes[:, 0]), atol=1e-3, rtol=0
    )


def test_rows_of_the_head_start_alike_where_codes_mean_alike() -> None:
    model = tiny_pose_model()
    _, head = model.seeing()
    vectors = torch.randn(5, CODES, 8)
    vectors[:, 1] = vectors[:, 0] + 0.01
    head.start_from_codebook(vectors)
    rows = head.rows.view(5, CODES, -1)
    alike = F.cosine_similarity(rows[:, 0], rows[:, 1], dim=-1)
    assert alike.min() > 0.95
    assert F.cosine_similarity(rows[:, 0], rows[:, 2], dim=-1).abs().max() < 0.95


def test_adapters_travel_with_and_without_vision(tmp_path: Path) -> None:
    plain, seeing = tiny_hmvlm(), tiny_pose_model()
    plain.save_adapter(tmp_path / "plain")
    seeing.save_adapter(tmp_path / "seeing")
    kept = json.loads((tmp_path / "plain" / "adapter_config.json").read_text())
    assert "vision" not in kept["hmvlm"]  # as adapters were before pictures
    assert HmvlmConfig.load(tmp_path / "plain").vision is None
    config = HmvlmConfig.load(tmp_path / "seeing")
    assert config == seeing.config
    again = build_tiny(config)
    again.load_adapter(tmp_path / "seeing")
    states = [m.pose_states(_seen(1), _ALPHA) for m in (seeing, again.eval())]
    torch.testing.assert_close(*states)
    # what has no projector yet gets a fresh one only where that is asked for
    grown = build_tiny(tiny_pose_config())
    with pytest.raises(AssetError, match="does not fit"):
        grown.load_adapter(tmp_path / "plain")
    grown.load_adapter(tmp_path / "plain", fresh=VISION_TABLES)
    torch.testing.assert_close(grown.motion_head.rows, plain.motion_head.rows)


def test_a_model_without_vision_says_what_to_do() -> None:
    with pytest.raises(AssetError, match="hmvlm-train align"):
        tiny_hmvlm().pose_states(_seen(1), _ALPHA)


def test_a_gate_that_leaves_poses_to_the_base_model_is_refused() -> None:
    model = tiny_pose_model()
    assert model.pose_alpha().shape == (1, 5)
    with torch.no_grad():
        model.router.out.bias[0] += 50.0
    with pytest.raises(AssetError, match="gate"):
        model.pose_alpha()


def test_patches_take_as_many_rows_as_the_tower_gives() -> None:
    vision = VisionConfig("patches", tower="open_clip:hmvlm-tiny/x", tower_width=16)
    model = tiny_pose_model(vision)
    patches = torch.randn(2, 4, 16)
    assert model.pose_states(patches, _ALPHA.expand(2, -1)).shape == (2, 32)
    assert HmvlmConfig.from_dict(model.config.to_dict()) == model.config
    assert replace(model.config, vision=None) != model.config
