# SPDX-License-Identifier: Apache-2.0
"""`hmvlm chat` as a user runs it, with the fake engine: scripted, piped, and at a terminal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from backend_harness import HMVLM, ROOT, Backend

from backend.cli import main
from blender_addon.shared.motion import Motion

pytestmark = pytest.mark.wire
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}


@pytest.fixture
def file(backend: Backend) -> list[str]:
    return ["--connection-file", str(backend.connection_file)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test process keeps its own
    return tmp_path


def chat(*arguments: str) -> int:
    return main(["chat", *arguments])


def test_scripted_turns_are_one_conversation(file, here, capsys):
    assert chat("--message", "hello there", "--message", "and you?", *file) == 0
    # the second answer saw three messages: both turns and the first answer
    assert capsys.readouterr().out == "hello there (1) \nand you? (3) \n"


def test_a_system_message_leads(file, here, capsys):
    assert chat("--message", "hello", "--system", "Be brief.", *file) == 0
    assert capsys.readouterr().out == "hello (2) \n"


def test_motions_are_numbered_and_never_overwritten(file, here, capsys):
    (here / "motion_001.bvh").write_text("mine")
    turns = ["--message", "he walks", "--message", "walk on"]
    assert chat(*turns, "--seconds", "1", "--format", "both", *file) == 0
    out = capsys.readouterr().out
    for number in (2, 3):
        assert f"motion_00{number}.npz" in out
        assert Motion.load_npz(here / f"motion_00{number}.npz").num_frames == 20
        assert (here / f"motion_00{number}.bvh").read_text().startswith("HIERARCHY")
    assert (here / "motion_001.bvh").read_text() == "mine"


def test_json_is_an_object_a_turn(file, here, capsys):
    assert chat("--message", "grüß dich", "--message", "walk", "--json", *file) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["message"] == "grüß dich"
    assert first["text"] == "grüß dich (1) "
    assert first["motion"] is None
    assert first["alpha"] == [1.0, 0.0]
    assert second["motion"]["files"] == ["motion_001.npz"]
    assert second["motion"]["frames"] == 40
    assert (here / "motion_001.npz").exists()


def test_what_was_left_out_is_said(file, here, capsys):
    assert chat("--message", "old", "--message", "long", *file) == 0
    errors = capsys.readouterr().err
    assert "oldest 2 turns did not fit" in errors
    assert "cut after" in errors


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--message", " "], "is empty"),
        (["--message", "\udcff"], "not UTF-8"),
        (["--message", "x", "--out", "no/such"], "no such folder"),
    ],
)
def test_bad_input(file, here, capsys, arguments, word):
    assert chat(*arguments, *file) == 1
    assert word in capsys.readouterr().err


def piped(text: bytes, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*HMVLM, "chat", *arguments],
        input=text,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_lines_on_standard_input(file, tmp_path):
    lines = "/seconds 1\nwalk\n\nhello\n/save talk.json\n/reset\nhello\n/quit\nnever\n"
    done = piped(lines.encode(), *file, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "walk (1) \nmotion_001.npz\nhello (3) \nhello (1) \n"
    assert Motion.load_npz(tmp_path / "motion_001.npz").num_frames == 20
    saved = json.loads((tmp_path / "talk.json").read_text())
    assert [m["role"] for m in saved] == ["user", "assistant"] * 2
    assert saved[1]["motion"] == {"prompt": "walk", "seconds": 1.0}


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"/sing", "/help"),
        (b"/seconds many", "/seconds 4"),
        (b"/seconds 500", "from 1 to 30"),
        (b"/save", "FILE.json"),
        (b"/save no/such/talk.json", "could not be written"),
        (b"gr\xfc\xdf", "not UTF-8"),
    ],
)
def test_a_script_stops_at_what_is_wrong(file, tmp_path, line, word):
    done = piped(line + b"\nhello\n", *file, folder=tmp_path)
    assert done.returncode == 1
    assert word in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


class Terminal:
    """The program at a pseudo-terminal."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        import pty

        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*HMVLM, "chat", *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            # a shell starts its background jobs with SIGINT ignored, and a child inherits that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(slave)

    def type(self, line: str) -> None:
        os.write(self.master, line.encode())

    def wait_for(self, text: str, number: int = 0) -> str:
        """What came up to and with the text. number: a signal to send each second meanwhile.

        Python's readline misses one that comes between its prompt and its wait for a key.
        """
        import select

        seen, deadline, last = "", time.monotonic() + 60, 0.0
        while text not in seen:
            assert time.monotonic() < deadline, seen
            if number and time.monotonic() - last > 1:
                last = time.monotonic()
                self.process.send_signal(number)
            if select.select([self.master], [], [], 0.1)[0]:
                # a byte at a time: what comes after the text is left for the next wait
                seen += os.read(self.master, 1).decode(errors="replace")
        return seen


@pytest.fixture
def terminal(file: list[str], tmp_path: Path) -> Iterator[Terminal]:
    if sys.platform == "win32":
        pytest.skip("there are no pseudo-terminals here")
    terminal = Terminal(file, tmp_path)
    yield terminal
    terminal.process.kill()
    terminal.process.wait()
    os.close(terminal.master)


def test_ctrl_c_stops_the_answer_and_not_the_program(terminal):
    terminal.wait_for("> ")
    terminal.type("word " * 300 + "\n")
    terminal.wait_for("\r\n")
    terminal.wait_for("word word word")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for("message is forgotten")
    terminal.wait_for("> ")
    terminal.wait_for("Ctrl-D leaves", signal.SIGINT)
    terminal.type("/nonsense\n")
    terminal.wait_for("/help lists them")
    terminal.type("again\n")
    terminal.wait_for("again (1) ")
    terminal.type("/quit\n")
    assert terminal.process.wait(30) == 0


@pytest.mark.parametrize("busy", [False, True])
def test_a_kill_ends_it(terminal, busy):
    terminal.wait_for("> ")
    if busy:
        terminal.type("word " * 300 + "\n")
        terminal.wait_for("\r\n")
        terminal.wait_for("word word word")
    terminal.wait_for("stopped", signal.SIGTERM)
    assert terminal.process.wait(30) == 130


def test_ctrl_d_leaves(terminal):
    terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.process.wait(30) == 0
