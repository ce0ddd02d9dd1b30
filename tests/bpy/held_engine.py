# SPDX-License-Identifier: Apache-2.0
"""The stand-in for the model that walks, but stays at its first frames for as long as it is told.

The file that HMVLM_HOLD names holds seeds, one a line: jobs with one of them wait.
"""

import os
import time
from pathlib import Path
from typing import Any

from backend.engine import Arrays, EngineOptions, JobContext, Output, Params
from tests.bpy import answers_engine
from tests.wire import fake_engine

LOOK_S = 0.02


def create(options: EngineOptions) -> fake_engine.FakeEngine:
    engine = answers_engine.create(options)
    engine.tasks["text_to_motion"] = HeldMotion()
    return engine


class HeldMotion(fake_engine.FakeMotion):
    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        held: Any = _HeldJob(job, str(params["seed"]))
        return super().run(params, arrays, held)


class _HeldJob:
    """A job whose `progress` comes back once its seed is not held any more."""

    def __init__(self, job: JobContext, seed: str) -> None:
        self._job, self._seed = job, seed
        self.is_cancelled, self.chunk = job.is_cancelled, job.chunk

    def progress(self, fraction: float, message: str = "") -> None:
        self._job.progress(fraction, message)
        hold = Path(os.environ["HMVLM_HOLD"])
        while not self.is_cancelled() and hold.exists() and self._seed in hold.read_text().split():
            time.sleep(LOOK_S)
