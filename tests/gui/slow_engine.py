# SPDX-License-Identifier: Apache-2.0
"""The stand-in for the model, slow enough for a hand to press Esc before it is done."""

from backend.engine import EngineOptions
from tests.wire import fake_engine


def create(options: EngineOptions) -> fake_engine.FakeEngine:
    """The engine of the wire tests, with half a second for every half second of motion."""
    fake_engine.STEP_S = 0.5
    return fake_engine.create(options)
