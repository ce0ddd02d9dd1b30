# SPDX-License-Identifier: Apache-2.0
"""`hmvlm track` as a user runs it, with the fake engine behind a real server."""

import signal
from pathlib import Path

import numpy as np
import pytest
from backend_harness import Backend
from PIL import Image

from backend.cli import main
from backend.vision.videos import examine, read_frames
from blender_addon.shared.motion import Motion

pytestmark = pytest.mark.wire
FRAMES = 5


@pytest.fixture
def asked(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command for a folder of five pictures, and where the server is."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for k in range(FRAMES):
        Image.new("RGB", (64, 48), "#445566").save(folder / f"{k}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test process keeps its own
    return ["track", "shot", "--connection-file", str(backend.connection_file)]


def test_track_writes_motion_and_overlay(asked: list[str], capsys) -> None:
    assert main([*asked, "--out", "m.npz", "--overlay", "o.mp4"]) == 0
    said = capsys.readouterr()
    assert "m.npz, o.mp4: 4 frames" in said.out
    assert "The first frame shows nobody." in said.out
    assert "Following the person" in said.err
    assert Motion.load_npz("m.npz").fps == 24
    with np.load("m.npz") as content:
        assert content["planted"].shape == (4, 4)
    assert examine("o.mp4").frames == FRAMES
    spread = [int(np.ptp(f.picture.pixels[20, 20].astype(int))) for f in read_frames("o.mp4")]
    assert max(spread[1:]) > spread[0]  # the skeleton is drawn from the second frame on
    assert main([*asked, "--out", "m.bvh"]) == 0
    assert Path("m.bvh").read_text().startswith("HIERARCHY")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--lens", "2"], "lens must be"),
        (["--box", "1,2,nan,4"], "A box is four numbers"),
        (["--start", "9"], "nothing after 9 seconds"),
    ],
)
def test_bad_input(asked: list[str], capsys, arguments: list[str], word: str) -> None:
    assert main([*asked, "--out", "m.npz", *arguments]) == 1
    assert word in capsys.readouterr().err
    assert not Path("m.npz").exists()
