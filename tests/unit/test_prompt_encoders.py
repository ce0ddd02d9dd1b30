# SPDX-License-Identifier: Apache-2.0
"""The gate's encoders, sentence encoders and CLIP text towers, on tiny random ones."""

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from backend.errors import AssetError
from backend.model.configuration import GateConfig
from backend.model.gate import Router
from backend.model.loading import load_encoder
from backend.model.prompt_encoders import OpenClipEncoder

TEXTS = ["a man walks", "sit", "a person waves with the left hand and then bows twice"]


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A random CLIP that open_clip knows as hmvlm-tiny."""
    path = tmp_path_factory.mktemp("clip") / "hmvlm-tiny.json"
    text = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    vision = {"image_size": 16, "patch_size": 8, "width": 16, "head_width": 8, "layers": 1}
    path.write_text(json.dumps({"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}))
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    return open_clip.create_model("hmvlm-tiny").eval()


def test_a_clip_tower_gives_unit_rows_that_depend_on_their_own_text(tiny_clip: Any) -> None:
    with torch.no_grad():
        tokens = open_clip.get_tokenizer("hmvlm-tiny")(TEXTS)
        expected = tiny_clip.encode_text(tokens, normalize=True)
    encoder = OpenClipEncoder(tiny_clip, open_clip.get_tokenizer("hmvlm-tiny"))
    rows = encoder.encode(TEXTS, batch_size=2)
    torch.testing.assert_close(rows, expected)
    assert not any("visual" in name for name, _ in encoder.model.named_parameters())
    alpha = Router(GateConfig("open_clip:hmvlm-tiny", embed_dim=12, hidden_dim=8), 5)(rows)
    torch.testing.assert_close(alpha.sum(1), torch.ones(3))


def test_a_clip_tower_is_loaded_from_a_file(tiny_clip: Any, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = open_clip.create_model("hmvlm-tiny").eval()
    path = tmp_path / "weights.pt"
    torch.save(other.state_dict(), path)
    loaded = load_encoder(f"open_clip:hmvlm-tiny/{path}").encode(TEXTS)
    tokenizer = open_clip.get_tokenizer("hmvlm-tiny")
    torch.testing.assert_close(loaded, OpenClipEncoder(other, tokenizer).encode(TEXTS))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:hmvlm-tiny", "does not say which weights"),
        ("open_clip:hmvlm-tiny/", "does not say which weights"),
        ("open_clip:ViT-B-32/nobody", "laion2b_s34b_b79k"),
        ("open_clip:ViT-Z-1/openai", "has no model 'ViT-Z-1'"),
    ],
)
def test_untrained_and_unknown_towers_are_refused(name: str, message: str, tiny_clip: Any) -> None:
    with pytest.raises(AssetError, match=message):
        load_encoder(name)


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch) -> None:
    def offline(*args: Any, **kwargs: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained", offline)
    with pytest.raises(AssetError, match=r"no route to host\. Go online.*open_clip:ViT-B-32/FILE"):
        load_encoder("open_clip:ViT-B-32/openai")


def test_a_file_that_holds_no_weights_is_refused(tiny_clip: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"junk")
    with pytest.raises(AssetError, match="cannot be had"):
        load_encoder(f"open_clip:hmvlm-tiny/{path}")


def test_a_folder_with_a_sentence_encoder(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "walks", "sit"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=9, intermediate_size=16, **sizes)).save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path))
    rows = encoder.encode(TEXTS)
    assert rows.shape == (3, 16)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(rows[1:2], encoder.encode(["sit"]))
    assert not torch.allclose(rows[0], rows[1])


def test_a_folder_without_one_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="sentence encoder"):
        load_encoder(str(tmp_path))
    with pytest.raises(AssetError, match="no asset 'nothing'"):
        load_encoder("nothing")
