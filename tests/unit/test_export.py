# SPDX-License-Identifier: Apache-2.0
"""Exported weights: what is written, what the card says of their past, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_hmvlm import CODES, tiny_hmvlm

from backend import assets
from backend.errors import AssetError, InvalidInput
from backend.motion.tokenizer import MotionTokenizer, tokenizer_config
from training import export as exporting
from training.export import CARD, export
from training.instruct import RUN_FILE, earlier_runs

_FOLDER = "/somewhere/of/mine"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run that went on from another one, with its tokenizer beside it."""
    folder = tmp_path / "run"
    tiny_hmvlm().save_adapter(folder / "adapter")
    first = {"steps_done": 11, "batch": 16, "seconds": 60.0, "precision": "fp32"}
    record = {**first, "steps_done": 22, "precision": "bf16", "data": _FOLDER, "out": _FOLDER}
    (folder / RUN_FILE).write_text(json.dumps({**record, "earlier": [first]}))
    config = replace(tokenizer_config("body_part"), codebook_size=CODES, decoder_width=32)
    MotionTokenizer(config).save_pretrained(tmp_path / "tokenizer")
    made = {"steps_done": 33, "batch": 32, "note": "Made on a Tuesday.", "data": _FOLDER}
    (tmp_path / "tokenizer" / RUN_FILE).write_text(json.dumps(made))
    return folder


def test_the_card_tells_the_whole_way(run: Path, tmp_path: Path) -> None:
    out = export(run, tmp_path / "tokenizer", tmp_path / "out")
    card = (out / CARD).read_text()
    assert "--out runs/instruct-1 --steps 11" in card
    assert "--start-from runs/instruct-1/adapter --out runs/instruct --steps 22" in card
    assert "--kind body_part --steps 33" in card
    assert "Made on a Tuesday." in card
    assets.check_manifest(out, "restore them", thorough=True)


def test_the_card_of_a_carried_over_run_begins_with_the_weights_before(
    run: Path, tmp_path: Path
) -> None:
    record = json.loads((run / RUN_FILE).read_text())
    (run / RUN_FILE).write_text(json.dumps({**record, "carried_over": True}))
    card = (export(run, tmp_path / "tokenizer", tmp_path / "out") / CARD).read_text()
    assert "--steps 11" not in card
    assert (
        "--start-from BEFORE/adapter --start-tokenizer BEFORE/tokenizer --out runs/instruct" in card
    )
    assert "BEFORE is the folder of the weights before these" in card


def test_the_card_has_the_tables_whose_figures_are_there(run: Path, tmp_path: Path) -> None:
    shares = {"prompts": 3, "mean_alpha": [0.75, 0.25], "std_alpha": [0.125, 0.0]}
    both = {"single": 0.5, "joint": 0.25}
    dialogue = {
        **{"turns": 4, "tokens": 2, "left_to_base_model": 1.0, "made_motions": 0},
        **{"identical_of_all": 4, "perplexity": {"model": 2.0, "base": 2.0}},
    }
    reports = {
        "gate": {"motion": {"share": 1.0}, "tasks": {"text_to_motion": shares}},
        "compare_tasks": {"budget": {"steps": 7}, "tasks": {"video": {"content": both}}},
        "ablate_gate": {
            **{"budget": {"minutes": 3.0}, "with_l_gat": dialogue, "without_l_gat": dialogue}
        },
    }
    for name, report in reports.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    files = [tmp_path / f"{name}.json" for name in reports]
    card = (export(run, tmp_path / "tokenizer", tmp_path / "out", [], files) / CARD).read_text()
    assert "| gate | motion.share | 1 |" in card
    assert "0.750 ± 0.125" in card
    assert "The same start and 7 steps for each run" in card
    assert "50.0%" in card
    assert "From nothing, 3 minutes each." in card
    assert "| compare_tasks |" not in card  # only in its own table
    older = tmp_path / "older" / "gate.json"
    older.parent.mkdir()
    older.write_text(json.dumps({"motion": {"share": 0.5}}))
    card = (export(run, tmp_path / "tokenizer", tmp_path / "out", [], [older]) / CARD).read_text()
    assert "| gate | motion.share | 0.5 |" in card
    assert "###" not in card


def test_of_figures_by_group_the_card_quotes_the_whole(run: Path, tmp_path: Path) -> None:
    of_all = {"found": 47, "raw": {"landmarks_mpjpe": 129.8}, "below_raw": {"mpjpe": 0.26}}
    report = tmp_path / "pose_renders.json"
    report.write_text(json.dumps({"all": of_all, "sitting": {"found": 9, "raw": None}}))
    out = export(run, tmp_path / "tokenizer", tmp_path / "out", reports=[report])
    card = (out / CARD).read_text()
    assert "| pose_renders | found | 47 |" in card
    assert "| pose_renders | raw.landmarks_mpjpe | 129.8 |" in card
    assert "| pose_renders | below_raw.mpjpe | 0.26 |" in card
    assert "sitting" not in card


def test_no_folder_of_this_machine_is_exported(run: Path, tmp_path: Path) -> None:
    out = export(run, tmp_path / "tokenizer", tmp_path / "out")
    for path in out.rglob("*"):
        if path.is_file():
            assert _FOLDER.encode() not in path.read_bytes(), path.name


def test_weights_trained_further_know_their_past(run: Path, tmp_path: Path) -> None:
    out = export(run, tmp_path / "tokenizer", tmp_path / "out")
    assert [r["steps_done"] for r in earlier_runs(out / "adapter")] == [11, 22]
    assert [r["steps_done"] for r in earlier_runs(run / "adapter")] == [11, 22]
    assert not any(_FOLDER in json.dumps(r) for r in earlier_runs(run / "adapter"))
    assert earlier_runs(None) == []


def test_another_tokenizer_is_refused(run: Path, tmp_path: Path) -> None:
    MotionTokenizer(tokenizer_config("body_part")).save_pretrained(tmp_path / "other")
    with pytest.raises(AssetError, match="give the tokenizer that the run was trained with"):
        export(run, tmp_path / "other", tmp_path / "out")


def test_a_failed_export_leaves_the_old_weights(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = export(run, tmp_path / "tokenizer", tmp_path / "out")
    before = (out / CARD).read_bytes()
    monkeypatch.setattr(exporting, "MAX_BYTES", 1000)
    with pytest.raises(InvalidInput, match="at most 1,000"):
        export(run, tmp_path / "tokenizer", out)
    assert (out / CARD).read_bytes() == before
