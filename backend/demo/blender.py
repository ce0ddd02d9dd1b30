# SPDX-License-Identifier: Apache-2.0
"""Runs scene.py in a Blender of its own process and follows what it reports.

A process of its own, because a computer without graphics libraries does not make Blender raise:
it ends it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.errors import HmvlmError

if TYPE_CHECKING:
    from backend.demo.command import Steps

REPORT = "HMVLM-DEMO "  # how a line of the report begins, among Blender's own words
LIBRARIES = (
    "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libgl1 libegl1 "
    "libgl1-mesa-dri"
)
_INSTALL = f"on Debian or Ubuntu: apt-get install {LIBRARIES}"


@dataclass
class SceneReport:
    """What Blender managed to do; `why_not_rendered` says what kept it from rendering."""

    rendered: bool = False
    why_not_rendered: str = ""


def make_scene(out: Path, title: str, steps: "Steps") -> SceneReport:
    """Make out/motion.blend from out/motion.npz, then preview.mp4 and filmstrip.png.

    Raises HmvlmError when there is no .blend in the end; a preview that Blender could not render
    is left to the caller.
    """
    log_path = out / "blender.log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.demo.scene", str(out.absolute()), title],
            stdout=subprocess.PIPE,
            stderr=log,
        )
        reports = _reports(process, log)
        with steps.step("scene") as step:
            saved = _follow(reports, "saved", steps)
            if not saved:
                process.wait()
                raise HmvlmError(
                    f"Blender could not make the scene: {_last_words(log_path)}\n"
                    f"If a library is missing, {_INSTALL}"
                )
            step.result = (
                f"Blender {saved['blender']}, {saved['keys']} keys on {saved['bones']} bones"
            )
        report = SceneReport()
        with steps.step("preview") as step:
            rendered = _follow(reports, "rendered", steps)
            if rendered:
                report.rendered = True
                step.result = f"{rendered['frames']} frames rendered, {rendered['stills']} stills"
            else:
                process.wait()
                step.result = "Blender cannot draw on this computer"
                report.why_not_rendered = (
                    f"{_last_words(log_path)}\n      To change that, {_INSTALL}"
                )
        process.wait()
    if report.rendered:
        log_path.unlink()
    return report


def _follow(reports: Iterator[dict[str, Any]], until: str, steps: "Steps") -> dict[str, Any]:
    """The report named `until`; empty when the process ended before it."""
    for report in reports:
        if report["event"] == until:
            return report
        steps.line.step(report["fraction"], report["message"])
    return {}


def _reports(process: subprocess.Popen[bytes], log: Any) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        text = line.decode("utf-8", "replace")
        if text.startswith(REPORT):
            yield json.loads(text[len(REPORT) :])
        else:
            log.write(line)


def _last_words(log_path: Path) -> str:
    lines = log_path.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else "it ended without a word"
