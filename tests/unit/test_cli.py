# SPDX-License-Identifier: Apache-2.0
import subprocess
from pathlib import Path

import pytest

from backend import assets, doctor
from backend.cli import build_parser, main


def test_every_verb_explains_itself(capsys):
    for verb in ("serve", "generate", "chat", "gate", "fetch", "doctor"):
        with pytest.raises(SystemExit) as stop:
            build_parser(verb).parse_args([verb, "--help"])
        assert stop.value.code == 0
        assert f"hmvlm {verb}" in capsys.readouterr().out


def test_no_verb_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "VERB" in capsys.readouterr().err


def test_fetch_prints_where_things_are(monkeypatch, capsys, tmp_path):
    asked = []

    def ensure(name, progress, *, force):
        asked.append((name, force))
        progress(0.5, "Downloading")
        return tmp_path / name

    monkeypatch.setattr(assets, "ensure", ensure)
    assert main(["fetch", "--force"]) == 0
    assert asked == [(name, True) for name in assets.ASSETS]
    out = capsys.readouterr()
    assert str(tmp_path) in out.out
    assert "Apache-2.0" in out.out
    assert "Downloading" in out.err
    assert main(["fetch", "minilm"]) == 0
    assert asked[-1] == ("minilm", False)


def test_fetch_of_an_unknown_asset(capsys):
    assert main(["fetch", "gpt9"]) == 1
    assert "smollm2" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "", "\n \n", "\udcff"])
def test_gate_needs_prompts(tmp_path, capsys, text):
    path = tmp_path / "prompts.txt"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main(["gate", "--file", str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def test_doctor_reports_a_module_that_cannot_be_imported():
    finding = doctor.check_import("no_such_module", "1", "", required=True)
    assert not finding.ok
    assert "no_such_module" in finding.detail
    assert finding.remedy


def test_doctor_reports_a_module_that_hangs(monkeypatch):
    def hang(*_args: object, **_more: object) -> None:
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "no answer" in doctor.check_import("torch", "1", "", required=True).detail


def test_doctor_sees_missing_assets_and_no_server(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("HMVLM_CACHE_DIR", str(tmp_path / "cache"))
    findings = list(doctor.check_assets())
    assert len(findings) == len(assets.ASSETS)
    assert all(not f.ok and "hmvlm fetch" in f.remedy for f in findings)
    assert doctor.check_server(tmp_path / "none.json").ok
    assert str(tmp_path) in doctor.check_space().detail


def test_doctor_exit_code(monkeypatch, capsys):
    findings = [doctor.Finding("a", "fine"), doctor.Finding("b", "absent", False, "get it", False)]
    monkeypatch.setattr(doctor, "examine", lambda _: iter(findings))
    assert doctor.doctor(None) == 0
    findings.append(doctor.Finding("c", "broken", False, "mend it"))
    assert doctor.doctor(None) == 1
    assert "FAIL  c: broken\n      -> mend it" in capsys.readouterr().out
