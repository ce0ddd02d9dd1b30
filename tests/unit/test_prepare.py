# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train prepare` on a small folder of BVH and AMASS files made here."""

import time

import numpy as np
import pytest

from backend.errors import AssetError, InvalidInput
from backend.motion.bvh import write_bvh
from backend.motion.representation import FEATURE_DIM, FPS, decode_smpl22
from blender_addon.shared.motion import Motion
from training.data.prepare import PrepareSettings, prepare
from training.data.prepared import PreparedDataset
from training.data.shards import shared_by_kind
from training.data.sources import labels_of


def walking(frames: int, fps: float, seed: int) -> Motion:
    """A stiff walk straight ahead: legs and arms swing, the pelvis goes 1.2 m/s."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / fps
    swing = 0.5 * np.sin(2 * np.pi * (t + rng.random()))
    poses = np.zeros((frames, 22, 3))
    poses[:, 1, 0], poses[:, 2, 0] = -swing, swing
    poses[:, 16] = np.stack([swing, 0 * t, 0 * t - 1.2], 1)
    poses[:, 17] = np.stack([-swing, 0 * t, 0 * t + 1.2], 1)
    trans = np.stack([0 * t, 0 * t + 1.16, 1.2 * t], axis=1)
    return Motion(poses, trans, fps)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    for i in range(10):
        write_bvh(walking(60 + 3 * i, 30.0, i), folder / f"dataset-2_walk_normal_{i:03d}.bvh")
    walking(400, 30.0, 99).save_npz(folder / "long_walk.npz")
    return folder


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    prepare(PrepareSettings(source, out, jobs=1, captions=6, composites=False))
    return out


def test_every_clip_comes_with_its_mirror_image(prepared):
    dataset = PreparedDataset(prepared)
    ids = {c.id for c in dataset.clips}
    assert all(c.id.removesuffix("~m") in ids for c in dataset.clips)
    assert sum(c.mirrored for c in dataset.clips) * 2 == len(dataset)


def test_a_clip_and_its_mirror_are_in_one_split(prepared):
    split = {c.id: c.split for c in PreparedDataset(prepared).clips}
    assert all(split[i] == split[i.removesuffix("~m")] for i in split)
    assert set(split.values()) == {"train", "val", "test"}


def test_rows_decode_to_the_stored_motion(prepared):
    dataset = PreparedDataset(prepared)
    for i in range(0, len(dataset), 5):
        motion = dataset.motion(i)
        again = decode_smpl22(dataset.features(i))
        assert motion.fps == FPS
        np.testing.assert_allclose(again.joint_positions(), motion.joint_positions(), atol=1e-3)


def test_motion_starts_at_the_origin_facing_z_and_walks_ahead(prepared):
    dataset = PreparedDataset(prepared)
    for i in range(len(dataset)):
        pelvis = dataset.motion(i).joint_positions()[:, 0]
        np.testing.assert_allclose(pelvis[0, [0, 2]], 0, atol=1e-4)
        assert pelvis[-1, 2] > 1.0


def test_a_long_clip_is_cut_into_windows(prepared):
    long = [c for c in PreparedDataset(prepared).clips if "long_walk" in c.id]
    assert len(long) > 2
    assert all(c.frames <= 10 * FPS for c in long)


def test_captions_are_many_and_differ(prepared):
    for clip in PreparedDataset(prepared).clips:
        assert len(clip.captions) >= 4
        assert len(set(clip.captions)) == len(clip.captions)


def test_a_second_run_keeps_the_finished_shards(source, prepared):
    before = {p.name: p.stat().st_mtime_ns for p in prepared.glob("*.npy")}
    start = time.monotonic()
    prepare(PrepareSettings(source, prepared, jobs=1, captions=6, composites=False))
    assert time.monotonic() - start < 30
    assert {p.name: p.stat().st_mtime_ns for p in prepared.glob("*.npy")} == before


def test_other_settings_in_the_same_folder_are_refused(source, prepared):
    with pytest.raises(InvalidInput, match="other settings"):
        prepare(PrepareSettings(source, prepared, jobs=1, captions=7, composites=False))


def test_an_unprepared_folder_says_what_to_run(tmp_path):
    with pytest.raises(AssetError, match="hmvlm-train prepare"):
        PreparedDataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("dataset-2_wave-left-hand_exhausted_012", ("wave-left-hand", "exhausted")),
        ("cmu-train_jumping_2", ("jumping", "")),
        ("cmu-train_basketball_signal_1", ("basketball-signal", "")),
        ("cmu-train_walking_47e", ("walking", "")),
        ("deepmimic_cartwheel", ("cartwheel", "")),
        ("05_03", ("", "")),
    ],
)
def test_labels_come_from_the_file_name(name, labels):
    assert labels_of(name) == labels


def test_numbers_of_one_kind_share_a_deviation():
    std = np.random.default_rng(0).uniform(0.1, 1.0, FEATURE_DIM)
    shared = shared_by_kind(std)
    joints = shared[8:].reshape(22, 12)
    assert shared[0] == std[0]
    assert shared[3] == std[3]
    assert shared[1] == shared[2] == std[1:3].mean()
    for kind in (slice(0, 6), slice(6, 9), slice(9, 12)):
        assert np.ptp(joints[:, kind]) == 0
        assert np.isclose(joints[0, kind][0], std[8:].reshape(22, 12)[:, kind].mean())
