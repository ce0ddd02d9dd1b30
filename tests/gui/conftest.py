# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests with a window share: the tool that opens one, the zip, the window itself.

They need Xvfb, xdotool and ImageMagick's `import`, and a tool that opens the bpy package with a
window: HMVLM_BPY_GUI names it, or it lies in ../shared/tools beside the repository.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from window import FAKE, ROOT, Window


@pytest.fixture(scope="session")
def tool() -> Path:
    named = os.environ.get("HMVLM_BPY_GUI")
    tool = Path(named) if named else ROOT.parent / "shared" / "tools" / "bpy_gui.py"
    if not tool.is_file():
        pytest.skip(f"{tool} is not there: it opens the bpy package with a window")
    missing = [name for name in ("Xvfb", "xdotool", "import") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: apt-get install xvfb xdotool imagemagick")
    return tool


@pytest.fixture(scope="session")
def zip_path(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, str(ROOT / "build_addon.py"), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture
def open_window(tool, zip_path, tmp_path) -> Iterator[Callable[[str], Window]]:
    opened = []

    def open_one(options: str) -> Window:
        window = Window(tmp_path, tool, zip_path, options)
        opened.append(window)
        return window.ready()

    yield open_one
    for window in opened:
        window.close()


@pytest.fixture(scope="module")
def window(tool, zip_path, tmp_path_factory) -> Iterator[Window]:
    """One for all tests of a file, with the stand-in for the model."""
    window = Window(tmp_path_factory.mktemp("window"), tool, zip_path, FAKE)
    try:
        yield window.ready()
    finally:
        window.close()
