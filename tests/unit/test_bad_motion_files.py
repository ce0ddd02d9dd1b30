# SPDX-License-Identifier: Apache-2.0
"""Broken motion files: each is refused with its name and a reason, and never stops the others."""

from pathlib import Path

import numpy as np
import pytest
from made_up_motion import smooth_motion
from shared_data import need_shared

from backend.errors import InvalidInput
from backend.motion.bvh import read_bvh, write_bvh
from blender_addon.shared.motion import Motion, MotionError
from training.data.prepare import PrepareSettings, prepare
from training.data.prepared import PreparedDataset


def _good_fields() -> dict[str, np.ndarray]:
    return {
        "poses": np.zeros((5, 72)),
        "trans": np.zeros((5, 3)),
        "betas": np.zeros(10),
        "mocap_framerate": np.array(30.0),
    }


BAD_FIELDS = {
    "no poses": ({"poses": None}, "no poses"),
    "no trans": ({"trans": None}, "no trans"),
    "no rate": ({"mocap_framerate": None}, "frame rate"),
    "zero rate": ({"mocap_framerate": np.array(0.0)}, "above 0"),
    "many rates": ({"mocap_framerate": np.ones(3)}, "one number"),
    "rate in words": ({"mocap_framerate": np.array("fast")}, "must be numbers"),
    "narrow poses": ({"poses": np.zeros((5, 63))}, "66 or more"),
    "deep poses": ({"poses": np.zeros((5, 22, 3))}, "66 or more"),
    "poses in words": ({"poses": np.full((5, 72), "x")}, "must be numbers"),
    "pickled poses": ({"poses": np.array([{}, []], dtype=object)}, "plain numbers"),
    "no frames": ({"poses": np.zeros((0, 72)), "trans": np.zeros((0, 3))}, "no frames"),
    "short trans": ({"trans": np.zeros((4, 3))}, "trans must be"),
    "flat trans": ({"trans": np.zeros(15)}, "trans must be"),
    "nan": ({"poses": np.full((5, 72), np.nan)}, "not finite"),
    "sideways": ({"up_axis": np.array("X")}, "up_axis"),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_npz_with_bad_contents(tmp_path: Path, case: str) -> None:
    changes, message = BAD_FIELDS[case]
    fields = {k: v for k, v in {**_good_fields(), **changes}.items() if v is not None}
    path = tmp_path / "clip.npz"
    np.savez(path, **fields)
    with pytest.raises(MotionError, match=message) as caught:
        Motion.load_npz(path)
    assert "clip.npz" in str(caught.value)


def test_the_fields_these_cases_start_from_are_good(tmp_path: Path) -> None:
    np.savez(tmp_path / "clip.npz", **_good_fields())
    assert Motion.load_npz(tmp_path / "clip.npz").num_frames == 5


def _npz_bytes(tmp_path: Path) -> bytes:
    path = tmp_path / "whole.npz"
    np.savez_compressed(path, **_good_fields())
    return path.read_bytes()


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.6, 0.95, 0.999])
def test_truncated_npz(tmp_path: Path, keep: float) -> None:
    whole = _npz_bytes(tmp_path)
    path = tmp_path / "cut.npz"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(MotionError, match=r"cut\.npz"):
        Motion.load_npz(path)


def test_flipped_bytes_in_npz(tmp_path: Path) -> None:
    """Wherever a byte is wrong, the answer is a motion or a MotionError, nothing else."""
    whole = bytearray(_npz_bytes(tmp_path))
    path = tmp_path / "flipped.npz"
    refused = 0
    for at in range(0, len(whole), 7):
        damaged = whole.copy()
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        try:
            Motion.load_npz(path)
        except MotionError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 junk", b"\x93NUMPY\x01\x00", b"{}"])
def test_other_files_named_npz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(MotionError, match=r"other\.npz"):
        Motion.load_npz(path)


def test_single_array_and_missing_file(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros((5, 72)))
    with pytest.raises(MotionError, match=r"not an \.npz"):
        Motion.load_npz(tmp_path / "one.npz")
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(MotionError, match="cannot be read"):
            Motion.load_npz(path)


def _settings(source: Path, out: Path) -> PrepareSettings:
    return PrepareSettings(source, out, jobs=1, captions=3, composites=False)


def _write_broken(folder: Path) -> list[str]:
    write_bvh(smooth_motion(seconds=2, seed=9), folder / "whole.bvh")
    text = (folder / "whole.bvh").read_text()
    (folder / "whole.bvh").unlink()
    broken = {
        "cut.bvh": text[: len(text) * 2 // 3].rsplit("\n", 1)[0],
        "word.bvh": text.replace("Frame Time: 0.05", "Frame Time: soon"),
        "no-motion.bvh": text[: text.index("MOTION")],
        "table.bvh": "OFFSET".join(text.split("OFFSET")[:1]) + "{ } table leg leg leg leg",
    }
    for name, content in broken.items():
        (folder / name).write_text(content)
    (folder / "binary.bvh").write_bytes(bytes(range(256)))
    (folder / "cut.npz").write_bytes(_npz_bytes(folder)[:100])
    (folder / "whole.npz").unlink()
    return [*broken, "binary.bvh", "cut.npz"]


def test_broken_files_are_named_and_the_rest_is_prepared(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    broken = _write_broken(source)
    for i in range(3):
        write_bvh(smooth_motion(seconds=2, seed=i), source / f"good-{i}.bvh")
    smooth_motion(seconds=2, seed=7).save_npz(source / "good-7.npz")
    report = prepare(_settings(source, tmp_path / "out"))
    for name in broken:
        assert name in report, f"{name} is not named in:\n{report}"
    ids = {c.id for c in PreparedDataset(tmp_path / "out").clips}
    assert len(ids) == 8  # four clips and their mirror images
    assert all("good-" in i for i in ids)


def test_a_folder_of_broken_files_only(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    _write_broken(source)
    with pytest.raises(InvalidInput, match=r"none of the 6 clips"):
        prepare(_settings(source, tmp_path / "out"))


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_motion(tmp_path: Path, exists: bool) -> None:
    source = tmp_path / "in"
    if exists:
        source.mkdir()
        (source / "notes.txt").write_text("no motion here")
    with pytest.raises(InvalidInput, match=str(source)):
        prepare(_settings(source, tmp_path / "out"))


@pytest.mark.parametrize("keep", [None, 0.1, 0.7])
def test_damaged_pack(tmp_path: Path, keep: float | None) -> None:
    """A pack that is junk or cut short is named; it never ends in a traceback."""
    source = tmp_path / "in"
    source.mkdir()
    if keep is None:
        content = b"this is no pack" * 100
    else:
        whole = need_shared("motion", "deepmimic.bvhpack").read_bytes()
        content = whole[: int(len(whole) * keep)]
    (source / "broken.bvhpack").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"broken\.bvhpack"):
        prepare(_settings(source, tmp_path / "out"))


def test_bvh_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    write_bvh(smooth_motion(seconds=1), tmp_path / "clip.bvh")
    marked = tmp_path / "marked.bvh"
    marked.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "clip.bvh").read_bytes())
    assert len(read_bvh(marked).rotations) == 20
