# SPDX-License-Identifier: Apache-2.0
"""BVH: what is written is read back, and a broken file is refused with the line that is wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_motion import smooth_motion

from backend.motion.bvh import BvhError, parse_bvh, read_bvh, write_bvh
from blender_addon.shared.skeleton import JOINT_NAMES, NUM_BODY_JOINTS, PARENTS

SMALL = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 10 0
    CHANNELS 3 Yrotation Xrotation Zrotation
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
1 2 3 0 0 0 0 0 0
1 2 3 90 0 0 0 0 90
"""


def test_small_file() -> None:
    clip = parse_bvh(SMALL)
    assert clip.names == ("Hips", "Chest")
    assert clip.parents == (-1, 0)
    assert clip.fps == pytest.approx(20)
    np.testing.assert_allclose(clip.end_sites["Chest"], [0, 5, 0])
    positions, rotations = clip.world()
    np.testing.assert_allclose(positions[0], [[1, 2, 3], [1, 12, 3]])
    # a quarter turn about Z takes up (+Y) to -X
    np.testing.assert_allclose(positions[1], [[1, 2, 3], [-9, 2, 3]], atol=1e-12)
    np.testing.assert_allclose(rotations[1, 1], np.diag([-1.0, -1.0, 1.0]), atol=1e-12)


def test_layout_of_the_text_does_not_matter() -> None:
    expected = parse_bvh(SMALL).world()[0]
    for text in (
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("  ", "\t"),
        SMALL.replace("\n", "\n\n"),
        SMALL.replace("MOTION", "motion").replace("ROOT", "Root"),
        SMALL.replace("1 2 3", "1.0e0   2.00\t3"),
        SMALL + "\n\n",
    ):
        np.testing.assert_allclose(parse_bvh(text).world()[0], expected)


def test_hinge_with_one_channel_and_joint_with_none() -> None:
    hinge = SMALL.replace("3 Yrotation Xrotation Zrotation", "1 Zrotation").replace(
        "0 0 0 0 0 0\n", "0 0 0 0\n"
    )
    hinge = hinge.replace("90 0 0 0 0 90", "90 0 0 90")
    np.testing.assert_allclose(parse_bvh(hinge).world()[1], parse_bvh(SMALL).world()[1])
    still = hinge.replace("CHANNELS 1 Zrotation\n", "\n").replace("0 0 0 0\n", "0 0 0\n")
    clip = parse_bvh(still.replace("90 0 0 90", "90 0 0"))
    np.testing.assert_allclose(clip.rotations[:, 1], [np.eye(3)] * 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_write_and_read_back(tmp_path: Path, seed: int) -> None:
    motion = smooth_motion(seconds=4, fps=30, seed=seed)
    path = tmp_path / "clip.bvh"
    write_bvh(motion, path)
    clip = read_bvh(path)
    assert set(clip.names) == set(JOINT_NAMES[:NUM_BODY_JOINTS])
    assert clip.fps == pytest.approx(30, rel=1e-5)
    assert len(clip.rotations) == motion.num_frames
    at = {name: j for j, name in enumerate(clip.names)}
    for j, parent in enumerate(PARENTS[:NUM_BODY_JOINTS]):
        own = clip.parents[at[JOINT_NAMES[j]]]
        assert (clip.names[own] if own >= 0 else None) == (
            JOINT_NAMES[parent] if parent >= 0 else None
        )
    order = [at[name] for name in JOINT_NAMES[:NUM_BODY_JOINTS]]
    positions = clip.world()[0][:, order] / 100  # the file is in centimetres
    assert np.abs(positions - motion.joint_positions()).max() < 1e-5


def test_hands_are_dropped_and_any_pose_survives(tmp_path: Path) -> None:
    """24 joints, single frame, rotations at and past the gimbal lock of the written order."""
    rng = np.random.default_rng(5)
    motion = smooth_motion(seconds=1)
    poses = rng.normal(0, 2, (20, 24, 3))
    poses[0, :, :] = [np.pi / 2, 0, 0]
    poses[1, :, :] = [-np.pi / 2, 0, 0]
    poses[:, 22:] = 0
    wild = type(motion)(poses, motion.trans, 20)
    write_bvh(wild, tmp_path / "wild.bvh")
    clip = read_bvh(tmp_path / "wild.bvh")
    order = [clip.names.index(n) for n in JOINT_NAMES[:NUM_BODY_JOINTS]]
    ours = wild.joint_positions()[:, :NUM_BODY_JOINTS]
    assert np.abs(clip.world()[0][:, order] / 100 - ours).max() < 1e-5


def _line_of(text: str, fragment: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if fragment in line)


BROKEN = {
    "not a bvh": (SMALL.replace("HIERARCHY", "<html>"), 1),
    "unknown word": (SMALL.replace("OFFSET 0 10 0", "SIZE 0 10 0"), 8),
    "short offset": (SMALL.replace("OFFSET 0 10 0", "OFFSET 0 10"), 8),
    "offset not a number": (SMALL.replace("OFFSET 0 10 0", "OFFSET 0 ten 0"), 8),
    "wrong channel count": (SMALL.replace("CHANNELS 3", "CHANNELS 4"), 9),
    "unknown channel": (SMALL.replace("Zrotation\n    End", "Wrotation\n    End"), 9),
    "channel twice": (SMALL.replace("3 Yrotation Xrotation", "3 Zrotation Xrotation"), 9),
    "missing brace": (SMALL.replace("JOINT Chest\n  {", "JOINT Chest"), 7),
    "second root": (SMALL.replace("JOINT Chest", "ROOT Chest"), 6),
    "open braces": (SMALL.replace("  }\n}\nMOTION", "MOTION"), 14),
    "no frames line": (SMALL.replace("Frames: 2\n", ""), 17),
    "frames not a number": (SMALL.replace("Frames: 2", "Frames: two"), 17),
    "odd digit": (SMALL.replace("Frames: 2", "Frames: \u00b2"), 17),
    "odd channel digit": (SMALL.replace("CHANNELS 3", "CHANNELS \u00b3"), 9),
    "negative frames": (SMALL.replace("Frames: 2", "Frames: -2"), 17),
    "zero frames": (SMALL.replace("Frames: 2", "Frames: 0"), 17),
    "no frame time": (SMALL.replace("Frame Time: 0.05\n", ""), 18),
    "zero frame time": (SMALL.replace("0.05", "0"), 18),
    "frame time not a number": (SMALL.replace("0.05", "fast"), 18),
    "frame too short": (SMALL.replace("0 0 90\n", "0\n"), 20),
    "frame too long": (SMALL.replace("0 0 90\n", "0 0 90 7\n"), 20),
    "frame with a word": (SMALL.replace("0 0 90\n", "0 0 abc\n"), 20),
    "frame with nan": (SMALL.replace("0 0 90\n", "0 0 nan\n"), 20),
    "frame with infinity": (SMALL.replace("0 0 90\n", "0 0 1e999\n"), 20),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file_names_file_and_line(tmp_path: Path, case: str) -> None:
    text, line = BROKEN[case]
    path = tmp_path / "broken.bvh"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BvhError) as caught:
        read_bvh(path)
    assert str(path) in str(caught.value)
    assert f"line {line}:" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HIERARCHY",
        SMALL[: SMALL.index("MOTION")],
        SMALL[: SMALL.index("Frame Time")],
        SMALL[: SMALL.rindex("1 2 3")],  # one of two frames
        "\n".join(SMALL.splitlines()[:6]),
        "HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 0.1\n",
    ],
)
def test_truncated_file(text: str) -> None:
    with pytest.raises(BvhError):
        parse_bvh(text)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\x01\xff\xfe", bytes(range(256)) * 10, b"\x00" * 100]
)
def test_binary_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.bvh"
    path.write_bytes(content)
    with pytest.raises(BvhError, match=r"junk\.bvh"):
        read_bvh(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BvhError, match=r"nothing\.bvh"):
        read_bvh(tmp_path / "nothing.bvh")
    with pytest.raises(BvhError):
        read_bvh(tmp_path)  # a folder


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_never_escapes_as_another_error(data: st.DataObject) -> None:
    """Cut, drop or overwrite anything: a clip comes back, or a BvhError."""
    text = SMALL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(len(text), start + data.draw(st.integers(0, 30)))
        text = text[:start] + data.draw(st.text(max_size=6)) + text[stop:]
    try:
        clip = parse_bvh(text)
    except BvhError:
        return
    assert np.isfinite(clip.rotations).all()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    with pytest.raises(BvhError):
        parse_bvh(text)
