# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are read back as they were written, and refused when they do not fit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_hmvlm import LetterTokenizer, WordEncoder, tiny_base, tiny_config, tiny_hmvlm
from transformers import LlamaConfig, LlamaForCausalLM

from backend import assets
from backend.errors import AssetError
from backend.model import loading
from backend.model.compact import expand
from backend.model.configuration import HmvlmConfig
from backend.model.hmvlm import Hmvlm
from backend.model.moe_lora import ADAPTER_WEIGHTS
from backend.model.processing import HmvlmProcessor
from backend.motion.tokenizer import MotionTokenizer, tokenizer_config


@pytest.fixture
def tiny_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base model and the encoder are toys; nothing is fetched."""
    monkeypatch.setattr(
        loading, "load_base", lambda name, dtype=None: (tiny_base(), LetterTokenizer(), "d" * 64)
    )
    monkeypatch.setattr(loading, "load_encoder", lambda name: WordEncoder(8))


def _checkpoint(folder: Path, **change) -> Path:
    model = tiny_hmvlm()
    model.config = replace(model.config, base_sha256="d" * 64, **change)
    model.save_adapter(folder / loading.ADAPTER_FOLDER)
    MotionTokenizer(tokenizer_config("body_part")).save_pretrained(
        folder / loading.TOKENIZER_FOLDER
    )
    assets.write_manifest(folder, record_times=False)
    return folder


def test_configuration_round_trip(tmp_path: Path) -> None:
    config = tiny_config()
    config.save(tmp_path)
    assert HmvlmConfig.load(tmp_path) == config
    assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"] == "MOE_LORA"


def test_a_saved_model_answers_as_before(tmp_path: Path, tiny_world: None) -> None:
    model = tiny_hmvlm()
    loaded = loading.load_hmvlm(_checkpoint(tmp_path))
    ids = torch.from_numpy(model.processor.prompt_ids("a man walks"))[None]
    alpha = torch.full((1, 5), 0.2)
    with torch.no_grad():
        torch.testing.assert_close(loaded.hidden(ids, alpha), model.hidden(ids, alpha))
        torch.testing.assert_close(loaded.gate(["a man walks"]), model.gate(["a man walks"]))
    assert not any(p.requires_grad for p in loaded.parameters())


def test_the_adapter_holds_nothing_of_the_base(tmp_path: Path) -> None:
    model = tiny_hmvlm()
    model.save_adapter(tmp_path)
    names = load_file(tmp_path / ADAPTER_WEIGHTS).keys()
    assert not any("base_layer" in n or "embed_tokens" in n or "lm_head" in n for n in names)
    assert any(n.endswith("lora_A") for n in names)


def test_no_folder_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="hmvlm-train export"):
        loading.load_hmvlm(tmp_path / "nothing")


@pytest.mark.parametrize("part", ["adapter/adapter_model.safetensors", "tokenizer/config.json"])
def test_altered_and_missing_files_are_named(tmp_path: Path, tiny_world: None, part: str) -> None:
    folder = _checkpoint(tmp_path)
    data = (folder / part).read_bytes()
    (folder / part).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(AssetError, match=Path(part).name):
        loading.load_hmvlm(folder)
    (folder / part).unlink()
    with pytest.raises(AssetError, match=Path(part).name):
        loading.load_hmvlm(folder)


def test_another_base_model_is_refused(tmp_path: Path, tiny_world: None, monkeypatch) -> None:
    folder = _checkpoint(tmp_path)
    monkeypatch.setattr(
        loading, "load_base", lambda name, dtype=None: (tiny_base(), LetterTokenizer(), "e" * 64)
    )
    with pytest.raises(AssetError, match="trained on another 'tiny'"):
        loading.load_hmvlm(folder)


def test_a_base_of_another_shape_is_refused(tmp_path: Path, tiny_world: None) -> None:
    folder = _checkpoint(tmp_path, hidden_size=64)
    with pytest.raises(AssetError, match="hidden size 32"):
        loading.load_hmvlm(folder)


def test_an_encoder_of_another_width_is_refused(tmp_path: Path, tiny_world: None, monkeypatch):
    folder = _checkpoint(tmp_path)
    monkeypatch.setattr(loading, "load_encoder", lambda name: WordEncoder(9))
    with pytest.raises(AssetError, match="gives 9 numbers a prompt, the gate reads 8"):
        loading.load_hmvlm(folder)


def test_the_shipped_weights_have_the_names_and_shapes_of_the_model() -> None:
    folder = loading.DEFAULT_CHECKPOINT / loading.ADAPTER_FOLDER
    config = HmvlmConfig.load(folder)
    with torch.device("meta"):  # the base model's form without its half gigabyte
        base = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=config.text_vocab_size,
                hidden_size=config.hidden_size,
                intermediate_size=1536,
                num_hidden_layers=30,
                num_attention_heads=9,
                num_key_value_heads=3,
                tie_word_embeddings=True,
            )
        )
        model = Hmvlm(config, base, HmvlmProcessor(config, LetterTokenizer()))
    own = {name: value.shape for name, value in model.adapter_state().items()}
    shipped = expand(load_file(folder / ADAPTER_WEIGHTS))
    assert own == {name: value.shape for name, value in shipped.items()}


def test_a_mixture_without_a_zero_expert_round_trips_and_skips_nothing(tmp_path: Path) -> None:
    config = tiny_config()
    moe = replace(config.moe, zero_expert=False, target_modules="all-linear")
    config = replace(config, moe=moe)
    config.save(tmp_path)
    assert HmvlmConfig.load(tmp_path) == config
    model = Hmvlm(config, tiny_base(), HmvlmProcessor(config, LetterTokenizer()), WordEncoder(8))
    assert not model.skips_experts(torch.tensor([[1.0, 0, 0, 0, 0]]))[0]
    ids = torch.from_numpy(model.processor.prompt_ids("a man walks"))[None]
    assert model.hidden(ids, model.gate(["a man walks"])).shape[:2] == ids.shape[:2]


def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    model = tiny_hmvlm()
    model.save_adapter(tmp_path)
    state = load_file(tmp_path / ADAPTER_WEIGHTS)
    state.pop(next(iter(state)))
    save_file(state, tmp_path / ADAPTER_WEIGHTS)
    with pytest.raises(AssetError, match="does not fit"):
        tiny_hmvlm().load_adapter(tmp_path)
    (tmp_path / ADAPTER_WEIGHTS).write_bytes(b"junk")
    with pytest.raises(AssetError, match="cannot be read"):
        tiny_hmvlm().load_adapter(tmp_path)


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"hmvlm": {}}')
    with pytest.raises(AssetError, match="cannot be read"):
        HmvlmConfig.load(tmp_path)
    with pytest.raises(AssetError, match="is missing"):
        HmvlmConfig.load(tmp_path / "nowhere")


def test_a_base_name_that_is_neither_asset_nor_folder(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="neither an asset"):
        loading.load_base(str(tmp_path))


@pytest.mark.slow
def test_answers_to_general_questions_are_the_real_base_models_token_for_token() -> None:
    """Greedy chat of the shipped model against Hugging Face's generate on the untouched base."""
    from backend.model.decoding import generate_text

    model = loading.load_hmvlm()
    base, tokenizer, _ = loading.load_base(model.config.base_model)
    for question in ("What is the capital of France?", "Write a haiku about tax law."):
        messages = [{"role": "user", "content": question}]
        assert model.skips_experts(model.gate([question]))[0]
        _, tokens, _ = generate_text(model, messages, max_new_tokens=24)
        ids = tokenizer.encode(
            model.processor.chat_text(messages), add_special_tokens=False, return_tensors="pt"
        )
        out = base.generate(ids, max_new_tokens=24, do_sample=False)[0, ids.shape[1] :].tolist()
        stop = tokenizer.eos_token_id
        assert tokens == (out[: out.index(stop)] if stop in out else out)
