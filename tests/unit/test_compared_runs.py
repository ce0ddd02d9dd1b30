# SPDX-License-Identifier: Apache-2.0
"""`compare-tasks` and `ablate-gate` on toys: what is trained, what is measured, how they go on."""

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_hmvlm import LetterTokenizer, tiny_base
from toy_instruct import build_toy
from toy_joint import TOGETHER, JointData, joint_settings, joint_stand_ins, toy_alignment

from backend.errors import InvalidInput
from training import ablate_gate as ablation
from training import compare_tasks as comparison
from training import compared_runs, instruct_command
from training.ablate_gate import WITH, WITHOUT, ablate_gate
from training.card_tables import ablation_table, tasks_table
from training.compare_tasks import compare_tasks
from training.dialogue_perplexity import REFERENCES
from training.gating import GateTexts
from training.instruct import train_instruct
from training.instruct_settings import RUN_FILE, InstructSettings
from training.run_record import RECORD_FILE


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> InstructSettings:
    joint_stand_ins(monkeypatch)
    monkeypatch.setattr("training.compare_tasks.PreparedDataset", JointData)
    for module in ("evaluate_describe", "ablate_gate"):
        monkeypatch.setattr(f"training.{module}.build_hmvlm", build_toy)
    monkeypatch.setattr(
        "training.ablate_gate.load_base", lambda name: (tiny_base(), LetterTokenizer(), "d" * 64)
    )
    return replace(joint_settings(tmp_path), steps=2, gate_steps=2, out=tmp_path / "runs")


def _ask(settings: InstructSettings) -> None:
    """MT-Bench with two questions, one of them answered."""
    folder = settings.source / "prompts"
    asked = [{"question_id": n, "turns": ["why is it so", "and then"]} for n in (1, 2)]
    (folder / "mt-bench.jsonl").write_text("\n".join(map(json.dumps, asked)))
    answers = {"question_id": 2, "choices": [{"turns": ["so it is", "no"]}]}
    (folder / REFERENCES).write_text(json.dumps(answers))


def test_each_task_alone_and_all_together(settings: InstructSettings, tmp_path: Path) -> None:
    asked = replace(settings, tasks=TOGETHER, alignment=toy_alignment(settings, tmp_path))
    report = compare_tasks(asked, clips=2)
    assert report["budget"] == {"steps": 2, "minutes": None}
    for task, size in (("motion", 2), ("pose", 4), ("video", 3)):
        measures = report["tasks"][task]
        assert measures["steps"] == {"single": 2, "joint": 2}
        assert measures["samples"] == {"single": 2 * size, "joint": 2 * size}
        record = json.loads((asked.out / task / RUN_FILE).read_text("utf-8"))
        assert record["tasks"] == [task]
        shown = record["last"] | json.loads((asked.out / "joint" / RUN_FILE).read_text())["last"]
        assert shown.keys() >= {n for n in measures if n.startswith("val_")}
    assert {"val_pose_right", "val_pose_mpjpe_mm"} <= report["tasks"]["pose"].keys()
    assert {"val_caption", "content", "side"} <= report["tasks"]["video"].keys()
    assert report["tasks"]["video"]["clips"] == {"single": 2.0, "joint": 2.0}
    assert "motion: validation, nats a motion token" in "\n".join(tasks_table(report))


def test_a_step_of_the_joint_run_has_the_single_runs_samples(
    settings: InstructSettings, tmp_path: Path
) -> None:
    """The first losses are of the same weights on the same samples."""
    aligned = toy_alignment(settings, tmp_path)
    asked = replace(settings, tasks=TOGETHER, alignment=aligned, steps=1)
    compare_tasks(asked, clips=0)
    first = {}
    for name in (*TOGETHER, "joint"):
        first[name] = json.loads((asked.out / name / "log.json").read_text())[0]
    for task, loss in (("motion", "motion"), ("pose", "pose"), ("video", "caption")):
        assert first["joint"][loss] == pytest.approx(first[task][loss], rel=1e-5)


def test_it_goes_on_where_it_was_stopped(
    settings: InstructSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(settings, tasks=("motion", "pose"), alignment=toy_alignment(settings, tmp_path))
    trained: list[str] = []

    def stopping(run: InstructSettings) -> Path:
        trained.append(run.out.name)
        if run.out.name == "joint" and len(trained) == 3:
            raise KeyboardInterrupt
        return train_instruct(run)

    monkeypatch.setattr(compared_runs, "train_instruct", stopping)
    with pytest.raises(KeyboardInterrupt):
        compare_tasks(asked, clips=0)
    compare_tasks(replace(asked, threads=1), clips=0)
    assert trained == ["motion", "pose", "joint", "joint"]
    with pytest.raises(InvalidInput, match=r"lora_rate was .*, not 0.5"):
        compare_tasks(replace(asked, lora_rate=0.5), clips=0)
    compare_tasks(replace(asked, lora_rate=0.5, resume=False), clips=0)
    assert trained[4:] == ["motion", "pose", "joint"]
    record = json.loads((asked.out / "joint" / RUN_FILE).read_text("utf-8"))
    assert (record["lora_rate"], record["steps_done"]) == (0.5, 2)
    with pytest.raises(InvalidInput, match="two tasks or more"):
        compare_tasks(replace(asked, tasks=("pose",)), clips=0)
    with pytest.raises(InvalidInput, match="--steps"):
        compare_tasks(replace(asked, steps=None), clips=0)


def test_the_ablation_trains_without_l_gat(
    settings: InstructSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ask(settings)
    # what the toy's encoder can tell apart
    easy = GateTexts(["walk", "walk on"], ["name a fruit", "why is it"])
    monkeypatch.setattr("training.instruct.with_instructions", lambda texts, rng: easy)
    report = ablate_gate(replace(settings, gate_steps=600), turns=None, tokens=4)
    for name, terms in ((WITH, True), (WITHOUT, False)):
        record = json.loads((settings.out / name / RUN_FILE).read_text("utf-8"))
        assert ("l_gat" in record["last"]) is terms
        assert record["tasks"] == ["motion"]
        assert record["seed"] == settings.seed
        assert json.loads((settings.out / name / RECORD_FILE).read_text())["sessions"]
    kept, lost = report[WITH], report[WITHOUT]
    assert kept["turns"] == lost["turns"] == 4
    assert kept["left_to_base_model"] == 1.0
    assert kept["identical_of_all"] == 4
    assert kept["perplexity"]["model"] == pytest.approx(kept["perplexity"]["base"], rel=1e-6)
    assert lost["left_to_base_model"] == 0.0
    assert lost["made_motions"] == 4  # its gate has no border: the chat sees a motion everywhere
    assert lost["perplexity"]["model"] != pytest.approx(lost["perplexity"]["base"], rel=1e-6)
    assert "perplexity of reference answers" in "\n".join(ablation_table(report))
    sampled = ablate_gate(replace(settings, gate_steps=600), turns=1, tokens=2)
    assert sampled[WITH]["turns"] == 2  # the turns of one question belong together


def test_the_ablation_begins_with_nothing(settings: InstructSettings, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="begins with nothing"):
        ablate_gate(replace(settings, start_from=tmp_path), turns=None, tokens=2)
    without = replace(settings, gate=replace(settings.gate, eta=0.0))
    with pytest.raises(InvalidInput, match="--gate-eta must be above 0"):
        ablate_gate(without, turns=None, tokens=2)
    with pytest.raises(InvalidInput, match="--steps"):
        ablate_gate(replace(settings, steps=None), turns=None, tokens=2)
    assert not settings.out.exists()  # nothing was trained for a question that cannot be answered


def test_the_commands_print_a_table_and_write_it(
    settings: InstructSettings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _ask(settings)
    quick = partial(InstructSettings, gate_steps=2)
    monkeypatch.setattr("training.instruct_command.InstructSettings", quick)
    aligned = toy_alignment(settings, tmp_path)
    words = ["--data", settings.data, "--source", settings.source, "--batch", "2", "--steps", "1"]
    words += ["--tokenizer", settings.tokenizer, "--pose-batch", "2", "--clip-batch", "2"]
    for module, more, name in (
        (comparison, ["--alignment", aligned, "--clips", "2"], "compare_tasks"),
        (ablation, ["--turns", "2", "--tokens", "2"], "ablate_gate"),
    ):
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        asked = [str(w) for w in (*words, *more, "--out", tmp_path / name)]
        module.run(parser.parse_args(asked))
        printed = capsys.readouterr().out
        assert "| measure" in printed
        report = json.loads((tmp_path / name / f"{name}.json").read_text("utf-8"))
        assert report["budget"] == {"steps": 1, "minutes": None}
        assert str(tmp_path) not in json.dumps(report)
        with pytest.raises(InvalidInput, match="must be"):
            module.run(parser.parse_args([*asked, str(more[-2]), "-1"]))


def test_every_option_of_instruct_reaches_the_runs() -> None:
    for module in (comparison, ablation):
        parser, plain = argparse.ArgumentParser(), argparse.ArgumentParser()
        module.add_arguments(parser)
        instruct_command.add_arguments(plain)
        own = {a.dest for a in plain._actions}
        assert own <= {a.dest for a in parser._actions}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
