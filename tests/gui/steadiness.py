# SPDX-License-Identifier: GPL-3.0-or-later
"""Window tests that do not pass on every machine yet."""

import os

import pytest

ASKED_BY = "HMVLM_EVERY_BUTTON"
UNSTEADY = pytest.mark.skipif(
    ASKED_BY not in os.environ,
    reason=f"a slow screen loses clicks: set {ASKED_BY}=1 on a quiet machine to run it",
)
