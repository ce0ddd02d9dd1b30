# SPDX-License-Identifier: Apache-2.0
"""Configurations of instruction tuning, base models of the hub, and what is said when they fail."""

import argparse
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError

from backend.errors import AssetError, InvalidInput
from backend.model import hub, loading, quantising
from backend.model.moe_lora import MoeLoraConfig
from training.instruct_command import add_arguments, read_arguments
from training.instruct_config import CONFIGS, DEFAULTS, read_config
from training.instruct_settings import InstructSettings


def _settings(*words: str) -> InstructSettings:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    folders = ["--data", "d", "--source", "s", "--tokenizer", "t", "--out", "o"]
    return read_arguments(parser.parse_args([*folders, *words]))


def test_without_a_configuration_the_defaults_are_those_of_the_settings() -> None:
    assert _settings() == InstructSettings(Path("d"), Path("s"), Path("t"), Path("o"))
    assert DEFAULTS["targets"] == MoeLoraConfig().target_modules


@pytest.mark.parametrize(
    ("name", "base"),
    [("paper-vicuna", "lmsys/vicuna-7b-v1.5"), ("paper-gemma", "google/gemma-2-2b-it")],
)
def test_the_papers_hyper_parameters(name: str, base: str) -> None:
    settings = _settings("--config", name)
    assert settings.base_model == base
    assert (settings.moe.r, settings.moe.num_experts, settings.moe.zero_expert) == (8, 5, True)
    assert {settings.lora_rate, settings.table_rate, settings.router_rate} == {3e-3}
    assert (settings.batch, settings.micro_batch, settings.precision) == (32, 2, "bf16")
    assert settings.layout.name == "flatten"


def test_every_shipped_configuration_is_read() -> None:
    names = {path.stem for path in CONFIGS.glob("*.toml")}
    assert names == {"embedded", "paper-vicuna", "paper-gemma"}
    assert _settings("--config", "embedded").base_model == "smollm2"


def test_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("rank = 4\nbatch = 6\ndelays = [0, 1, 1, 2, 2]\nlora_rate = 1\n")
    settings = _settings("--config", str(file), "--rank", "2", "--quantise", "4bit")
    assert (settings.moe.r, settings.batch, settings.lora_rate) == (2, 6, 1.0)
    assert settings.moe.lora_alpha == 4.0
    assert settings.layout.delays == (0, 1, 1, 2, 2)
    assert settings.quantise == "4bit"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lora_rat = 1.0", "nearest is 'lora_rate'"),
        ("batch = 2.5", "must be of type int"),
        ("batch = true", "must be of type int"),
        ("batch = ", "no TOML"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=said):
        read_config(str(file))


def test_other_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="paper-gemma"):
        read_config("paper-gema")
    file = tmp_path / "wrong.toml"
    file.write_text('precision = "fp64"')
    with pytest.raises(InvalidInput, match="'precision' must be one of"):
        _settings("--config", str(file))


def _refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)


def test_a_licence_that_was_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    gated = GatedRepoError.__new__(GatedRepoError)
    _refuse(monkeypatch, gated)
    with pytest.raises(AssetError, match="accept it there"):
        loading.find_base("google/gemma-2-2b-it")


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(monkeypatch, LocalEntryNotFoundError("offline"))
    with pytest.raises(AssetError, match="cannot be reached") as caught:
        loading.find_base("lmsys/vicuna-7b-v1.5")
    assert caught.value.retryable


@pytest.mark.parametrize("safe", [True, False])
def test_a_model_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, safe: bool) -> None:
    names = ["model-1.safetensors", "model-2.safetensors"] if safe else ["pytorch_model-1.bin"]
    for name in names:
        (tmp_path / name).write_text(name)
    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda self, name: names)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    folder, digest = loading.find_base("some/model")
    assert folder == tmp_path
    assert digest == hub.digest_of([tmp_path / name for name in names])
    assert ("*.safetensors" in asked["allow_patterns"]) == safe
    assert ("pytorch_model*.bin" in asked["allow_patterns"]) != safe


def test_quantising_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="4bit or 8bit"):
        quantising.options("2bit", torch.bfloat16)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="--group quantised"):
        quantising.options("4bit", torch.bfloat16)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidInput, match="CUDA GPU"):
        quantising.options("4bit", torch.bfloat16)
