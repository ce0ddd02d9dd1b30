# SPDX-License-Identifier: Apache-2.0
"""Processes whose words come through a file: real ones, small."""

import os
import sys
import time

import psutil
import pytest

from blender_addon.core.child import Child

LIMIT_S = 30.0
posix = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")


def until(child: Child, condition) -> list[str]:
    lines, deadline = [], time.monotonic() + LIMIT_S
    while not condition(lines):
        assert time.monotonic() < deadline, lines
        lines += child.poll()
        time.sleep(0.01)
    return lines


def run(program: str, tmp_path) -> Child:
    child = Child([sys.executable, "-c", program], tmp_path / "log.txt")
    child.start()
    return child


def test_lines_come_whole_and_the_last_needs_no_end(tmp_path):
    child = run("import sys; sys.stdout.write('one\\r\\ntwö\\nthree'); sys.exit(3)", tmp_path)
    assert until(child, lambda _: not child.running) == ["one", "twö", "three"]
    assert child.code == 3
    assert child.poll() == []


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        Child([str(tmp_path / "nowhere")], tmp_path / "log.txt").start()


def test_looking_never_waits(tmp_path):
    child = run("import time; time.sleep(60)", tmp_path)
    begun = time.perf_counter()
    for _ in range(100):
        assert child.poll() == []
    assert time.perf_counter() - begun < 1.0
    child.close()
    assert not child.running


GRANDCHILD = """
import subprocess, sys, time
p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(p.pid, flush=True)
time.sleep(600)
"""


@posix
@pytest.mark.parametrize("how", ["cancel", "close"])
def test_ending_it_ends_what_it_started(how, tmp_path):
    child = run(GRANDCHILD, tmp_path)
    pid = int(until(child, bool)[0])
    grandchild = psutil.Process(pid)
    getattr(child, how)()
    until(child, lambda _: not child.running)
    deadline = time.monotonic() + LIMIT_S
    while grandchild.is_running() and grandchild.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert child.code != 0


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(1, flush=True)
time.sleep(60)
"""


@posix
def test_one_that_will_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("blender_addon.core.child.KILL_AFTER_S", 0.1)
    child = run(STUBBORN, tmp_path)
    until(child, bool)
    child.cancel()
    until(child, lambda _: not child.running)
    assert child.cancelled
    assert child.code == -9


def test_blenders_python_home_does_not_reach_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    child = run("import os; print(os.environ.get('PYTHONHOME'))", tmp_path)
    assert until(child, bool) == ["None"]
