# SPDX-License-Identifier: Apache-2.0
"""Patch features of a CLIP vision tower, on a tiny random one; untrained ones are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from tiny_pose import tiny_pose_model

from backend.errors import AssetError
from backend.model.configuration import VisionConfig
from backend.model.loading import vision_tower
from backend.model.vision_projector import PatchProjector
from backend.model.vision_tower import VisionTower


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A random CLIP that open_clip knows as hmvlm-eyes: 16 pixels, 4 patches, 3 blocks."""
    path = tmp_path_factory.mktemp("clip") / "hmvlm-eyes.json"
    text = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    vision = {"image_size": 16, "patch_size": 8, "width": 16, "head_width": 8, "layers": 3}
    path.write_text(json.dumps({"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}))
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    return open_clip.create_model("hmvlm-eyes").eval()


def _squares(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 16, 16, 3)).astype(np.float32)


def test_patches_are_the_last_but_one_block_without_the_class_token(tiny_clip: Any) -> None:
    tower = VisionTower(tiny_clip)
    assert (tower.size, tower.width) == (16, 16)
    squares = _squares(2)
    patches = tower.patches(squares)
    assert patches.shape == (2, 4, 16)
    seen: list[torch.Tensor] = []
    hook = tiny_clip.visual.transformer.resblocks[1].register_forward_hook(
        lambda module, given, out: seen.append(out)
    )
    mean, std = (torch.tensor(tiny_clip.visual.preprocess_cfg[k]) for k in ("mean", "std"))
    with torch.no_grad():
        tiny_clip.visual(((torch.from_numpy(squares) - mean) / std).permute(0, 3, 1, 2))
    hook.remove()
    torch.testing.assert_close(patches, seen[0][:, 1:])
    torch.testing.assert_close(tower.patches(squares[1:]), patches[1:])
    with pytest.raises(ValueError, match="16"):
        tower.patches(squares[:, :8])


def test_llavas_two_layers_read_them(tiny_clip: Any) -> None:
    rows = PatchProjector(16, 32)(VisionTower(tiny_clip).patches(_squares(1)))
    assert rows.shape == (1, 4, 32)


def test_a_tower_is_loaded_from_a_file_once(tiny_clip: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(tiny_clip.state_dict(), path)
    name = f"open_clip:hmvlm-eyes/{path}"
    model = tiny_pose_model(VisionConfig("patches", tower=name, tower_width=16))
    tower = vision_tower(model)
    assert vision_tower(model) is tower
    squares = _squares(1)
    torch.testing.assert_close(tower.patches(squares), VisionTower(tiny_clip).patches(squares))
    wrong = tiny_pose_model(VisionConfig("patches", tower=name, tower_width=24))
    with pytest.raises(AssetError, match="16 numbers a patch"):
        vision_tower(wrong)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:hmvlm-eyes", "does not say which weights"),
        ("open_clip:ViT-L-14/nobody", "does not say which weights"),
        ("open_clip:ViT-Z-1/openai", "Name the vision tower as in open_clip:ViT-L-14/openai"),
    ],
)
def test_untrained_and_unknown_towers_are_refused(name: str, message: str, tiny_clip: Any) -> None:
    with pytest.raises(AssetError, match=message):
        VisionTower.from_name(name)


def test_a_network_without_patches_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Convolutional:
        visual = object()

    monkeypatch.setattr(
        "backend.model.vision_tower.create_open_clip", lambda *names: (Convolutional(), "RN50")
    )
    with pytest.raises(AssetError, match="no patch features"):
        VisionTower.from_name("open_clip:RN50/openai")
