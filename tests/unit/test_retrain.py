# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train retrain`: its stages, how it goes on, and a whole run on a made-up source."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_motion import smooth_motion
from safetensors.torch import load_file
from tiny_hmvlm import LetterTokenizer, WordEncoder, tiny_base
from tiny_models import TEXT_SIZE

from backend.errors import HmvlmError, InvalidInput
from backend.model import loading
from backend.model.moe_lora import ADAPTER_WEIGHTS
from backend.motion.bvh import write_bvh
from training import cli
from training.dialogue_perplexity import REFERENCES
from training.instruct_settings import InstructSettings
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
    assert failing.ran == ["prepare", "tokenizer", "pose tokenizer", "align", "instruct"]
    going_on = Pretending(plan)
    assert retrain(tmp_path, out, recipe, going_on) == out / "weights"
    assert going_on.ran == [stage.name for stage in plan[4:]]
    assert going_on.ran[:4] == ["instruct", "instruct all tasks", "instruct poses", "export"]
    assert "prepare: done before" in capsys.readouterr().out
    with pytest.raises(InvalidInput, match="other options"):
        retrain(tmp_path, out, replace(recipe, steps=1), going_on)
    with pytest.raises(InvalidInput, match="is no folder"):
        retrain(tmp_path / "nowhere", out, recipe, going_on)


def test_each_run_begins_where_the_one_before_ended(tmp_path: Path) -> None:
    def runs(recipe: Recipe) -> dict[str, list[str]]:
        plan = stages(tmp_path, tmp_path, recipe)
        return {s.name: list(s.words) for s in plan if s.words[0] in ("instruct", "export")}

    def after(words: list[str], option: str) -> str:
        return words[words.index(option) + 1]

    made = runs(Recipe())
    assert "--start-from" not in made["instruct"]
    joint, poses = made["instruct all tasks"], made["instruct poses"]
    assert after(joint, "--tasks") == "motion,pose,video"
    assert after(joint, "--start-from") == f"{after(made['instruct'], '--out')}/adapter"
    assert after(joint, "--alignment") == str(tmp_path / "align")
    assert after(poses, "--start-from") == f"{after(joint, '--out')}/adapter"
    assert "--alignment" not in poses  # it would bring back the tables of stage 1
    assert after(made["export"], "--run") == after(poses, "--out")
    assert "instruct poses" not in runs(Recipe(pose_steps=0))
    alone = runs(Recipe(joint_steps=0))
    assert "instruct all tasks" not in alone
    assert after(alone["export"], "--run") == after(alone["instruct"], "--out")
    measured = {s.name for s in stages(tmp_path, tmp_path, Recipe(joint_steps=0))}
    assert not measured & {"evaluate pose", "evaluate describe"}


def test_every_stage_is_a_command_with_those_options(tmp_path: Path) -> None:
    import argparse
    import importlib

    for recipe in (Recipe(), Recipe(minutes=2.5, threads=2, clips=3)):
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
    turns = {"question_id": 1, "turns": ["name a fruit", "and more"]}
    (prompts / "mt-bench.jsonl").write_text(json.dumps(turns))
    answers = {"question_id": 1, "choices": [{"turns": ["a pear", "no"]}]}
    (prompts / REFERENCES).write_text(json.dumps(answers))
    base = (tiny_base().config, "d" * 64)

    def load_base(name: str, dtype: torch.dtype = torch.float32) -> tuple:
        return tiny_base().to(dtype), LetterTokenizer(), "d" * 64

    monkeypatch.setattr(loading, "load_base", load_base)
    monkeypatch.setattr("training.evaluate_dialogue.load_base", loading.load_base)
    monkeypatch.setattr("training.instruct_model.describe_base", lambda name: base)
    for module in ("backend.model.loading", "training.instruct_model"):
        monkeypatch.setattr(f"{module}.load_encoder", lambda name: WordEncoder(8))
    quick = partial(InstructSettings, gate_steps=3)
    monkeypatch.setattr("training.instruct_command.InstructSettings", quick)
    for name in ("_STATISTICS", "_STATISTICS_CLIPS", "_VALIDATION"):
        monkeypatch.setattr(f"training.alignment.{name}", 8)
    for name in ("_HELD_OUT_POSES", "_HELD_OUT_CLIPS"):
        monkeypatch.setattr(f"training.instruct.{name}", 4)
    monkeypatch.setattr("training.evaluate_pose_tokenizer._WIDENED", 8)
    recipe = Recipe(
        tokenizer_steps=2,
        decoder_steps=1,
        pose_tokenizer_minutes=1e-4,
        align_minutes=1e-4,
        steps=2,
        joint_steps=1,
        joint_batch=(2, 4, 2),
        pose_steps=1,
        pose_batch=4,
        jobs=1,
        threads=1,
        seeds=1,
        speed_runs=1,
        people=2,
        clips=2,
    )
    weights = retrain(source, tmp_path / "run", recipe, lambda words: cli.main(list(words)))
    figures = json.loads((weights / "figures.json").read_text("utf-8"))
    assert set(figures) == {
        *("gate", "semantic", "tokenizer", "pose_tokenizer", "dialogue", "speed"),
        *("pose", "describe"),
    }
    assert np.isfinite(figures["tokenizer"]["body_part"]["mse"])
    card = (weights / "model_card.md").read_text("utf-8")
    assert "| semantic | share |" in card
    assert "| pose_tokenizer | body_part.recorded_mpjpe_mm |" in card
    assert "### Mean share of each expert, by task" in card
    model = loading.load_hmvlm(weights)
    assert model.config.text_vocab_size == TEXT_SIZE
    assert model.watching() is not None
    # the last stage trains what reads poses and nothing that speaks
    joint, poses = (
        load_file(tmp_path / "run" / name / "adapter" / ADAPTER_WEIGHTS)
        for name in ("instruct-joint", "instruct-poses")
    )
    changed = {name.split(".")[0] for name in joint if not torch.equal(joint[name], poses[name])}
    assert changed == {"vision_projector", "pose_head"}
