# SPDX-License-Identifier: Apache-2.0
"""What the README tells people to type must exist, and CI must run the test command it names."""

import re
import shlex
from pathlib import Path

import pytest

from backend import cli as backend_cli
from training import cli as training_cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip() for line in re.findall(r"^ {4}(.+)$", README, re.MULTILINE) if "hmvlm" in line
]


def test_the_first_screen_has_the_two_commands():
    first_screen = "\n".join(README.splitlines()[:30])
    assert "pip install uv && uv run hmvlm demo" in first_screen
    assert 'pip install uv && uv run pytest -m ""' in first_screen


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'uv run pytest -m ""' in script


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_exist_with_their_options(line, capsys):
    words = shlex.split(line.split("uv run ")[-1])
    program, verb = words[0], words[1]
    main = {"hmvlm": backend_cli.main, "hmvlm-train": training_cli.main}[program]
    path = words[1:3] if verb == "evaluate" else [verb]
    with pytest.raises(SystemExit) as end:
        main([*path, "--help"])
    assert end.value.code == 0
    help_text = capsys.readouterr().out
    for word in words:
        if word.startswith("--"):
            assert word in help_text, f"{program} {verb} has no {word}"


def test_named_files_and_folders_are_there():
    for name in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / name).exists(), name
