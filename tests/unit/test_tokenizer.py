# SPDX-License-Identifier: Apache-2.0
"""The motion tokenizer: shapes, the attention mask, codebooks, files, decoding of prefixes."""

import json
from pathlib import Path

import pytest
import torch

from backend.errors import AssetError, InvalidInput
from backend.motion.tokenizer import KINDS, MotionTokenizer, MotionTokenizerConfig, tokenizer_config
from backend.motion.tokenizer.quantizer import PartQuantizer
from backend.motion.tokenizer.spatial import SpatialEncoder, part_attention_mask
from blender_addon.shared.skeleton import BODY_PARTS, PART_NAMES


def make_tokenizer(kind: str = "body_part", seed: int = 0) -> MotionTokenizer:
    """An untrained tokenizer whose residual branches are open, as after training."""
    torch.manual_seed(seed)
    tokenizer = MotionTokenizer(tokenizer_config(kind), torch.randn(272), torch.rand(272) + 0.5)
    for parameter in tokenizer.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return tokenizer.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_size(kind: str) -> None:
    tokenizer = make_tokenizer(kind)
    parts = 5 if kind == "body_part" else 1
    codes = tokenizer.encode(torch.randn(2, 24, 272))
    assert codes.shape == (2, 6, parts)
    assert codes.dtype == torch.long
    assert tokenizer.decode(codes).shape == (2, 24, 272)
    size = 2560 if kind == "whole_body_2560" else 512
    assert tokenizer.codebook_vectors().shape[:2] == (parts, size)
    numbers = sum(p.numel() for p in tokenizer.parameters()) + tokenizer.codebook_vectors().numel()
    assert numbers <= 2_500_000  # with both baselines and the adapter: under 45 MB


def test_mask_joins_each_part_to_its_own_joints() -> None:
    mask = part_attention_mask(tuple(BODY_PARTS.values()))
    assert mask.shape == (5, 28)
    for p, joints in enumerate(BODY_PARTS.values()):
        assert mask[p, :22].nonzero().flatten().tolist() == sorted(joints)
    sees_path = dict(zip(PART_NAMES, mask[:, 22].tolist(), strict=True))
    assert sees_path["torso"]
    assert sees_path["left_leg"]
    assert sees_path["right_leg"]
    assert not sees_path["left_arm"]
    assert not sees_path["right_arm"]
    assert mask[:, 23:].all()


def test_a_part_token_sees_no_other_parts_joints() -> None:
    encoder = SpatialEncoder(tokenizer_config("body_part")).eval()
    rows = torch.randn(1, 4, 272)
    changed = rows.clone()
    for joint in BODY_PARTS["right_arm"]:
        changed[..., 8 + 12 * joint : 20 + 12 * joint] += 1.0
    moved = (encoder(rows) - encoder(changed)).abs().amax(dim=(0, 1, 3)) > 1e-6
    assert moved.tolist() == [name == "right_arm" for name in PART_NAMES]


def test_normalisation_is_inside() -> None:
    tokenizer = make_tokenizer()
    features = torch.randn(1, 8, 272)
    back = tokenizer.denormalize(tokenizer.normalize(features))
    assert torch.allclose(back, features, atol=1e-5)


def test_training_pass_is_a_function_of_the_codes() -> None:
    tokenizer = make_tokenizer()
    features = torch.randn(2, 16, 272)
    output = tokenizer(tokenizer.normalize(features))
    codes = tokenizer.encode(features)
    assert output.codes is not None
    assert torch.equal(output.codes, codes)
    decoded = tokenizer.decode(codes)
    assert torch.allclose(tokenizer.denormalize(output.features), decoded, atol=1e-4)
    assert tokenizer(tokenizer.normalize(features), quantise=False).codes is None


def test_prefix_frames_are_final_and_no_more_than_promised() -> None:
    tokenizer = make_tokenizer().double()
    torch.manual_seed(1)
    codes = torch.randint(512, (1, 24, 5))
    whole = tokenizer.decode(codes)
    for known in (1, tokenizer.receptive_field_steps, 12, 20):
        final = tokenizer.final_frames(known)
        prefix = tokenizer.decode(codes[:, :known])
        assert torch.allclose(prefix[:, :final], whole[:, :final], atol=1e-12)
        if final:
            assert (prefix[:, final] - whole[:, final]).abs().max() > 1e-9


def test_receptive_field_bounds_the_reach_of_a_code() -> None:
    tokenizer = make_tokenizer().double()
    codes = torch.randint(512, (1, 41, 5))
    other = codes.clone()
    other[:, 20] = (other[:, 20] + 1) % 512
    changed = (tokenizer.decode(codes) - tokenizer.decode(other)).abs().amax(dim=(0, 2)) > 1e-12
    steps = changed.nonzero().flatten() // 4
    reach = tokenizer.receptive_field_steps
    assert 20 - reach <= int(steps.min())
    assert int(steps.max()) <= 20 + reach


@pytest.mark.parametrize("frames", [0, 3, 10])
def test_frames_that_do_not_fit_are_refused(frames: int) -> None:
    with pytest.raises(InvalidInput, match="multiple of 4"):
        make_tokenizer().encode(torch.zeros(1, frames, 272))


def test_wrong_shapes_are_refused() -> None:
    tokenizer = make_tokenizer()
    with pytest.raises(InvalidInput, match="272"):
        tokenizer.encode(torch.zeros(1, 8, 263))
    with pytest.raises(InvalidInput, match="codes"):
        tokenizer.decode(torch.zeros(1, 8, 3, dtype=torch.long))


def test_lookup_finds_the_nearest_code() -> None:
    torch.manual_seed(0)
    quantizer = PartQuantizer(parts=3, codes=16, dim=8)
    codes = torch.randint(16, (2, 5, 3))
    latents = quantizer.vectors(codes) + 0.01 * torch.randn(2, 5, 3, 8)
    assert torch.equal(quantizer.lookup(latents), codes)


def test_dead_codes_come_back() -> None:
    """Latents in 32 clusters, and a codebook that starts on one of them: all get used."""
    torch.manual_seed(0)
    centres = torch.randn(32, 8)
    quantizer = PartQuantizer(parts=1, codes=32, dim=8, decay=0.8).train()
    quantizer(centres[:1].expand(64, 1, 8).reshape(1, 64, 1, 8))
    for _ in range(60):
        latents = centres[torch.randint(32, (256,))] + 0.01 * torch.randn(256, 8)
        _, codes, commitment = quantizer(latents.view(1, 256, 1, 8))
    assert len(codes.unique()) >= 28
    assert float(commitment) < 0.1


def test_gradient_passes_straight_through() -> None:
    quantizer = PartQuantizer(parts=2, codes=8, dim=4).train()
    latents = torch.randn(1, 6, 2, 4, requires_grad=True)
    quantised, _, _ = quantizer(latents)
    quantised.sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded(tmp_path: Path, kind: str) -> None:
    make_tokenizer(kind).save_pretrained(tmp_path / "a")
    first = MotionTokenizer.from_pretrained(tmp_path / "a")
    first.save_pretrained(tmp_path / "b")
    second = MotionTokenizer.from_pretrained(tmp_path / "b")
    assert first.config == second.config == tokenizer_config(kind)
    features = torch.randn(1, 40, 272)
    codes = first.encode(features)
    assert torch.equal(codes, second.encode(features))
    assert torch.equal(first.decode(codes), second.decode(codes))
    assert (tmp_path / "a" / "model.safetensors").stat().st_size < 5_000_000


def test_missing_or_altered_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="hmvlm-train tokenizer"):
        MotionTokenizer.from_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AssetError, match="damaged"):
        MotionTokenizer.from_pretrained(tmp_path)
    weights.write_bytes(whole)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "codebook_size": 256}))
    with pytest.raises(AssetError, match="does not fit"):
        MotionTokenizer.from_pretrained(tmp_path)


def test_config_checks_the_parts() -> None:
    with pytest.raises(ValueError, match="exactly once"):
        MotionTokenizerConfig(part_names=("arm",), part_joints=((1, 2),))
    with pytest.raises(InvalidInput, match="body_part"):
        tokenizer_config("hands")
    config = tokenizer_config("body_part")
    assert MotionTokenizerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
