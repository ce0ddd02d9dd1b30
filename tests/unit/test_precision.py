# SPDX-License-Identifier: Apache-2.0
"""Whoever asks a processor for arithmetic it does not have is told, before hours are lost."""

import pytest

from training import precision


def _takes(monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    monkeypatch.setattr(precision, "bf16_slowdown", lambda: times)


def test_a_slow_precision_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _takes(monkeypatch, 45.0)
    precision.warn_of_slow("bf16", "cpu")
    told = capsys.readouterr().err
    assert "45 times" in told
    assert "--precision fp32" in told


@pytest.mark.parametrize(
    ("asked", "device", "times"),
    [("bf16", "cpu", 0.4), ("fp32", "cpu", 45.0), ("bf16", "cuda", 45.0)],
)
def test_nothing_is_said_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    device: str,
    times: float,
) -> None:
    _takes(monkeypatch, times)
    precision.warn_of_slow(asked, device)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("times", "chosen"), [(45.0, "fp32"), (0.4, "bf16")])
def test_auto_is_the_faster_one(monkeypatch: pytest.MonkeyPatch, times: float, chosen: str) -> None:
    _takes(monkeypatch, times)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert precision.chosen_precision("auto") == chosen
    assert precision.chosen_precision("bf16") == "bf16"


def test_it_is_measured() -> None:
    assert 0.01 < precision.bf16_slowdown() < 1000
