# SPDX-License-Identifier: Apache-2.0
"""Where the tests find the shared data pack: HMVLM_SHARED, or `shared` beside the repository."""

import os
from pathlib import Path

import pytest

REPO_ROOT = Path(__file__).resolve().parents[2]


def shared_root() -> Path:
    """The folder that holds `data/`; it need not exist."""
    given = os.environ.get("HMVLM_SHARED")
    return Path(given) if given else REPO_ROOT.parent / "shared"


def need_shared(*names: str) -> Path:
    """Path under `shared/data`, or skip the test when it is not on this machine."""
    path = shared_root().joinpath("data", *names)
    if not path.exists():
        pytest.skip(f"needs the shared data pack: {'/'.join(names)} (set HMVLM_SHARED)")
    return path
