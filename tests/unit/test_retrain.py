# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train retrain`: its stages, how it goes on, and a whole run on a made-up source."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from tiny_hmvlm import LetterTokenizer, WordEncoder, tiny_base
from tiny_models import TEXT_SIZE

from backend.errors import HmvlmError, InvalidInput
from backend.model import loading
from backend.motion.bvh import write_bvh
from training import cli
from training.retrain import Recipe, Stage, retrain, stages


class Pretending:
    """In place of the commands: notes them and leaves the file that each would make."""

    def __init__(self, plan: list[Stage], fails: str = "") -> None:
        self.makes = {stage.words: stage for stage in plan}
        self.fails, self.ran = fails, []

    def __call__(self, words: tuple[str, ...]) -> int:
        stage = self.makes[words]
        self.ran.append(stage.name)
        if stage.name == self.fails:
            return 1
        stage.makes.parent.mkdir(parents=True, exist_ok=True)
        stage.makes.write_text("{}")
        return 0


def test_it_goes_on_with_the_stage_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, recipe = tmp_path / "run", Recipe()
    plan = stages(tmp_path, out, recipe)
    failing = Pretending(plan, fails="instruct")
    with pytest.raises(HmvlmError, match="'instruct' failed"):
        retrain(tmp_path, out, recipe, failing)
    assert failing.ran == ["prepare", "tokenizer", "instruct"]
    going_on = Pretending(plan)
    assert retrain(tmp_path, out, recipe, going_on) == out / "weights"
    assert going_on.ran == [stage.name for stage in plan[2:]]
    assert "prepare: done before" in capsys.readouterr().out
    with pytest.raises(InvalidInput, match="other options"):
        retrain(tmp_path, out, replace(recipe, steps=1), going_on)
    with pytest.raises(InvalidInput, match="is no folder"):
        retrain(tmp_path / "nowhere", out, recipe, going_on)


def test_every_stage_is_a_command_with_those_options(tmp_path: Path) -> None:
    import argparse
    import importlib

    for recipe in (Recipe(), Recipe(minutes=2.5, threads=2)):
        for stage in stages(tmp_path, tmp_path / "run", recipe):
            words = list(stage.words)
            table = cli.EVALUATIONS if words[0] == "evaluate" else cli.COMMANDS
            words = words[1:] if words[0] == "evaluate" else words
            parser = argparse.ArgumentParser(exit_on_error=False)
            importlib.import_module(table[words[0]][0]).add_arguments(parser)
            parser.parse_args(words[1:])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_motion_files_to_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every real stage, with a base model and an encoder the size of toys."""
    source = tmp_path / "source"
    (source / "motion").mkdir(parents=True)
    for i in range(12):
        write_bvh(
            smooth_motion(2.0 + 0.1 * i, fps=30.0, seed=i),
            source / "motion" / f"dataset-2_walk_normal_{i:03d}.bvh",
        )
    prompts = source / "prompts"
    prompts.mkdir()
    asked = [
        {"instruction": f"name {n} fruits", "instances": [{"input": "", "output": "a pear"}]}
        for n in range(40)
    ]
    (prompts / "self-instruct-seed-tasks.jsonl").write_text("\n".join(map(json.dumps, asked)))
    (prompts / "mt-bench.jsonl").write_text(json.dumps({"turns": ["name a fruit", "and more"]}))
    base = (tiny_base().config, "d" * 64)

    def load_base(name: str, dtype: torch.dtype = torch.float32) -> tuple:
        return tiny_base().to(dtype), LetterTokenizer(), "d" * 64

    monkeypatch.setattr(loading, "load_base", load_base)
    monkeypatch.setattr("training.evaluate_dialogue.load_base", loading.load_base)
    monkeypatch.setattr("training.instruct_model.describe_base", lambda name: base)
    for module in ("backend.model.loading", "training.instruct_model"):
        monkeypatch.setattr(f"{module}.load_encoder", lambda name: WordEncoder(8))
    monkeypatch.setattr("training.instruct_settings.InstructSettings.gate_steps", 3, raising=False)
    recipe = Recipe(
        tokenizer_steps=2, decoder_steps=1, steps=2, jobs=1, threads=1, seeds=1, speed_runs=1
    )
    weights = retrain(source, tmp_path / "run", recipe, lambda words: cli.main(list(words)))
    figures = json.loads((weights / "figures.json").read_text("utf-8"))
    assert set(figures) == {"gate", "semantic", "tokenizer", "dialogue", "speed"}
    assert np.isfinite(figures["tokenizer"]["body_part"]["mse"])
    assert "| semantic | share |" in (weights / "model_card.md").read_text("utf-8")
    assert loading.load_hmvlm(weights).config.text_vocab_size == TEXT_SIZE
