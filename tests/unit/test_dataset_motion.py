# SPDX-License-Identifier: Apache-2.0
"""HumanML3D, KIT-ML and AMASS folders, tiny but in the published layouts, and `prepare` on them."""

from pathlib import Path

import numpy as np
import pytest
from made_up_motion import smooth_motion

from backend.errors import AssetError, InvalidInput
from backend.motion.humanml3d import encode_humanml3d, joints_from_positions
from backend.motion.retarget import floor_height
from blender_addon.shared.motion import MotionError
from blender_addon.shared.rotations import normalize
from blender_addon.shared.skeleton import PARENTS
from training.data.dataset_sources import dataset_sources, recognise
from training.data.datasets.amass import Amass
from training.data.datasets.base import Bad
from training.data.datasets.humanml3d import HumanML3D
from training.data.datasets.kitml import KitML
from training.data.datasets.text_motion import parse_line
from training.data.prepare import PrepareSettings, prepare
from training.data.prepared import PreparedDataset

SPLITS = {"train": ["000001", "M000001", "000002"], "val": ["000003"], "test": ["000004"]}
WHOLE = "a man walks in a curve.#a/DET man/NOUN walk/VERB in/ADP a/DET curve/NOUN#0.0#0.0\n"
KIT_FROM_SMPL = {
    **{0: 0, 1: 3, 2: 9, 3: 12, 4: 15},
    **{5: 17, 6: 19, 7: 21, 8: 16, 9: 18, 10: 20},
    **{11: 2, 12: 5, 13: 8, 15: 11, 16: 1, 17: 4, 18: 7, 20: 10},
}


def write_humanml3d(folder: Path) -> Path:
    """Four clips and a mirror image; the first has a sentence about a part of it."""
    for name in ("new_joint_vecs", "new_joints", "texts"):
        (folder / name).mkdir(parents=True)
    for split, ids in SPLITS.items():
        (folder / f"{split}.txt").write_text("\n".join(ids) + "\n")
        for clip_id in ids:
            joints = smooth_motion(seed=int(clip_id[-1])).joint_positions()
            features = encode_humanml3d(joints)
            np.save(folder / "new_joint_vecs" / f"{clip_id}.npy", features)
            np.save(
                folder / "new_joints" / f"{clip_id}.npy",
                joints_from_positions(features).astype(np.float32),
            )
            (folder / "texts" / f"{clip_id}.txt").write_text(WHOLE)
    with (folder / "texts" / "000001.txt").open("a") as lines:
        lines.write("he sways.#he/PRON sway/VERB#1.0#2.5\n")
        lines.write("#nothing/NOUN#0.0#0.0\n")
        lines.write("no times\n")
    np.save(folder / "Mean.npy", np.zeros(263, np.float32))
    np.save(folder / "Std.npy", np.ones(263, np.float32))
    return folder


def kit_joints(seed: int, *, swapped: bool = False) -> np.ndarray:
    """(T, 21, 3) joints in KIT's order and a unit of its own; swapped: the sides change places."""
    joints = smooth_motion(seed=seed, fps=12.5).joint_positions() * 640.0
    out = np.zeros((len(joints), 21, 3))
    for kit, smpl in KIT_FROM_SMPL.items():
        out[:, kit] = joints[:, smpl]
    for mid, ankle, toe in ((14, 13, 15), (19, 18, 20)):
        out[:, mid] = (out[:, ankle] + out[:, toe]) / 2
    if swapped:
        order = [*range(5), 8, 9, 10, 5, 6, 7, *range(16, 21), *range(11, 16)]
        out = out[:, order]
    return out


def kit_features(joints: np.ndarray) -> np.ndarray:
    """(T, 251) rows that hold the height and the positions, standing where it faces +Z."""
    rows = np.zeros((len(joints), 251), np.float32)
    rows[:, 3] = joints[:, 0, 1]
    local = joints[:, 1:] - joints[:, :1] * [1.0, 0.0, 1.0]
    rows[:, 4:64] = local.reshape(len(joints), -1)
    return rows


def write_kitml(folder: Path) -> Path:
    for name in ("new_joint_vecs", "new_joints", "texts"):
        (folder / name).mkdir(parents=True)
    for split, clip_id in (("train", "00001"), ("val", "00002"), ("test", "00003")):
        (folder / f"{split}.txt").write_text(f"{clip_id}\n99999\n")
        joints = kit_joints(int(clip_id))
        np.save(folder / "new_joint_vecs" / f"{clip_id}.npy", kit_features(joints))
        np.save(folder / "new_joints" / f"{clip_id}.npy", joints.astype(np.float32))
        (folder / "texts" / f"{clip_id}.txt").write_text(WHOLE)
    return folder


def write_amass(folder: Path) -> Path:
    """One SMPL-H and one SMPL-X motion, both Z up, with the files that tell a subject's shape."""
    for sub, name, width, rate in (
        ("CMU/01", "01_01_poses", 156, "mocap_framerate"),
        ("ACCAD/Female1", "A1_stageii", 165, "mocap_frame_rate"),
    ):
        (folder / sub).mkdir(parents=True)
        poses = np.zeros((50, width))
        poses[:, 0] = np.pi / 2  # the body stands up along Z
        trans = np.tile([0.0, 0.0, 1.1], (50, 1))
        trans[:, 1] = -np.linspace(0, 1, 50)  # towards -Y, which becomes +Z
        fields = {"poses": poses, "trans": trans, "betas": np.zeros(16), rate: np.array(25.0)}
        np.savez(folder / sub / f"{name}.npz", gender=np.array("female"), **fields)
    np.savez(folder / "CMU/01/shape.npz", betas=np.zeros(16))
    np.savez(folder / "ACCAD/Female1/neutral_stagei.npz", betas=np.zeros(16))
    return folder


@pytest.fixture
def humanml3d(tmp_path):
    return write_humanml3d(tmp_path / "HumanML3D")


def test_humanml3d_records(humanml3d):
    reader = HumanML3D(humanml3d)
    records = {r.name: r for r in reader}
    assert list(records) == ["000001", "000001_1-2.5s", "M000001", "000002", "000003", "000004"]
    whole, part = records["000001"], records["000001_1-2.5s"]
    assert whole.features.shape == (59, 263)
    assert whole.joints.shape == (59, 22, 3)
    assert whole.captions[0].text == "a man walks in a curve."
    assert whole.captions[0].tokens[1] == "man/NOUN"
    np.testing.assert_array_equal(part.features, whole.features[20:50])
    assert part.captions[0].text == "he sways."
    assert [r.split for r in records.values()] == ["train"] * 4 + ["val", "test"]
    assert [r.name for r in records.values() if r.mirrored] == ["M000001"]
    assert reader.skipped == {
        "empty text": 1,
        "a text line that is not caption#tokens#from#to": 1,
    }


def test_humanml3d_split_and_statistics(humanml3d):
    reader = HumanML3D(humanml3d, "val")
    assert [r.name for r in reader] == ["000003"]
    mean, std = reader.statistics()
    assert (mean.shape, std[0]) == ((263,), 1.0)
    with pytest.raises(InvalidInput, match="train, val, test"):
        HumanML3D(humanml3d, "validation")


def test_joints_come_from_the_features_where_their_file_is_missing(humanml3d):
    kept = next(iter(HumanML3D(humanml3d, "test"))).joints
    (humanml3d / "new_joints" / "000004.npy").unlink()
    np.testing.assert_allclose(next(iter(HumanML3D(humanml3d, "test"))).joints, kept, atol=1e-4)


def test_bad_motions_are_skipped_and_counted(humanml3d):
    vectors = humanml3d / "new_joint_vecs"
    broken = np.load(vectors / "000002.npy")
    broken[3, 5] = np.nan
    np.save(vectors / "000002.npy", broken)
    np.save(vectors / "000003.npy", np.zeros((10, 7)))
    (vectors / "000004.npy").write_bytes(b"not an array")
    reader = HumanML3D(humanml3d)
    assert [r.name for r in reader] == ["000001", "000001_1-2.5s", "M000001"]
    assert reader.skipped["numbers that are not finite"] == 1
    assert reader.skipped["features that are not (T, 263)"] == 1
    assert reader.skipped["unreadable .npy file"] == 1


def test_no_usable_record_is_an_error(humanml3d):
    (humanml3d / "new_joint_vecs" / "000004.npy").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"no usable record.*unreadable .npy file: 1"):
        list(HumanML3D(humanml3d, "test"))


@pytest.mark.parametrize("name", ["texts", "new_joint_vecs", "val.txt"])
def test_a_missing_file_says_what_to_get(humanml3d, name):
    (humanml3d / name).rename(humanml3d / "elsewhere")
    with pytest.raises(AssetError) as raised:
        list(HumanML3D(humanml3d))
    for said in (str(humanml3d / name), "github.com/EricGuo5513/HumanML3D", "MIT", "texts.zip"):
        assert said in raised.value.message


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a#b#c", "not caption"),
        ("  #x/NOUN#0.0#0.0", "empty text"),
        ("walk#x/VERB#zero#one", "no numbers"),
        ("walk#x/VERB#3.0#2.0", "ends before"),
        ("walk#x/VERB#1.0#inf", "ends before"),
    ],
)
def test_text_lines_that_cannot_be_used(line, reason):
    parsed = parse_line(line)
    assert isinstance(parsed, Bad)
    assert reason in parsed.reason


def test_times_that_are_not_given_mean_the_whole_clip():
    parsed = parse_line("walk#walk/VERB#nan#nan")
    assert not isinstance(parsed, Bad)
    assert parsed[1] == (0.0, 0.0)


def test_humanml3d_as_smpl_motion(humanml3d):
    reader = HumanML3D(humanml3d, "test")
    entry = next(e for e in reader.entries() if not isinstance(e, Bad))
    motion = reader.load_motion(entry)
    assert floor_height(motion.joint_positions()) == pytest.approx(0, abs=1e-6)
    shift = motion.joint_positions() - reader.load(entry).joints
    # the same joints, only standing on their soles
    np.testing.assert_allclose(shift - shift[:1, :1], 0, atol=1e-3)


@pytest.mark.parametrize("swapped", [False, True])
def test_kit_joints_land_on_the_right_side(tmp_path, swapped):
    reader = KitML(write_kitml(tmp_path / "KIT-ML"))
    made = reader.smpl_joints(kit_joints(1, swapped=swapped)) / 640.0
    true = smooth_motion(seed=1, fps=12.5).joint_positions()
    off = np.linalg.norm(made - true, axis=-1).max(axis=0)
    guessed = [6, 13, 14]  # KIT has no such joints
    assert np.delete(off, guessed).max() < 1e-6
    assert off[guessed].max() < 0.06


def test_kit_records_and_motion(tmp_path):
    reader = KitML(write_kitml(tmp_path / "KIT-ML"))
    records = list(reader)
    assert [(r.split, r.features.shape[1], r.joints.shape[1:]) for r in records] == [
        (split, 251, (21, 3)) for split in ("train", "val", "test")
    ]
    assert records[0].fps == 12.5
    assert reader.skipped == {"listed in a split, but without files": 3}
    entry = next(e for e in reader.entries() if not isinstance(e, Bad))
    positions = reader.load_motion(entry).joint_positions()
    true = smooth_motion(seed=1, fps=12.5).joint_positions()

    def thighs(joints: np.ndarray) -> np.ndarray:
        legs = [4, 5, 7, 8, 18, 19]
        return normalize(joints[:, legs] - joints[:, [PARENTS[j] for j in legs]])

    np.testing.assert_allclose(thighs(positions), thighs(true), atol=1e-5)
    (tmp_path / "KIT-ML" / "train.txt").unlink()
    with pytest.raises(AssetError, match=r"motion-annotation\.humanoids\.kit\.edu"):
        list(reader)


def test_amass_records_are_y_up(tmp_path):
    reader = Amass(write_amass(tmp_path / "amass"))
    records = list(reader)
    assert [(r.name, r.subject) for r in records] == [
        ("ACCAD/Female1/A1_stageii", "ACCAD/Female1"),
        ("CMU/01/01_01_poses", "CMU/01"),
    ]
    assert reader.skipped == {}
    for record in records:
        positions = record.motion.joint_positions()
        assert record.motion.fps == 25.0
        assert record.motion.gender == "female"
        assert (positions[:, 15, 1] > positions[:, 0, 1]).all()
        assert positions[-1, 0, 2] - positions[0, 0, 2] == pytest.approx(1.0, abs=1e-6)


def test_amass_bad_and_missing_files(tmp_path):
    folder = write_amass(tmp_path / "amass")
    (folder / "CMU/01/01_02_poses.npz").write_bytes(b"PK damaged")
    reader = Amass(folder)
    assert len(list(reader)) == 2
    assert sum(reader.skipped.values()) == 1
    with pytest.raises(AssetError, match=r"amass\.is\.tue\.mpg\.de"):
        Amass(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError, match="non-commercial"):
        list(Amass(tmp_path / "empty"))


def test_layouts_are_recognised(tmp_path, humanml3d):
    assert recognise(humanml3d) == "humanml3d"
    assert recognise(write_kitml(tmp_path / "kit")) == "kitml"
    amass = write_amass(tmp_path / "amass")
    assert recognise(amass) == "amass"
    (amass / "walk.bvh").write_text("HIERARCHY")
    assert recognise(amass) is None
    own = tmp_path / "own"
    own.mkdir()
    smooth_motion().save_npz(own / "walk.npz")
    assert recognise(own) is None
    assert dataset_sources(own, None) == []


def test_sources_leave_mirror_images_out_and_keep_splits(tmp_path, humanml3d):
    (source,) = dataset_sources(humanml3d, None)
    clips = list(source.clips())
    assert tuple(c.name for c in clips) == source.clip_names
    assert source.clip_names == ("000001", "000001_1-2.5s", "000002", "000003", "000004")
    assert source.splits["000003"] == "val"
    assert clips[1].captions == ("he sways.",)
    assert len(source.left_out) == 2
    assert clips[0].load().num_frames == 59
    (humanml3d / "new_joint_vecs" / "000001.npy").write_bytes(b"")
    with pytest.raises(MotionError, match="000001"):
        clips[0].load()
    (amass,) = dataset_sources(write_amass(tmp_path / "amass"), None)
    assert [c.load().num_frames for c in amass.clips()] == [50, 50]


def test_a_named_dataset_is_held_to_its_layout(tmp_path, humanml3d):
    with pytest.raises(AssetError, match="AMASS"):
        dataset_sources(humanml3d, "amass")
    with pytest.raises(AssetError, match="new_joint_vecs"):
        dataset_sources(write_amass(tmp_path / "amass"), "humanml3d")


def test_prepare_takes_a_humanml3d_folder(tmp_path, humanml3d):
    out = tmp_path / "prepared"
    settings = PrepareSettings(humanml3d, out, jobs=1, captions=4, composites=False)
    report = prepare(settings)
    assert "empty text (1)" in report
    clips = {c.id: c for c in PreparedDataset(out).clips}
    assert len(clips) == 10
    assert clips["humanml3d/000003"].split == "val"
    assert clips["humanml3d/000004~m"].split == "test"
    said = [s.lower().rstrip(".") for s in clips["humanml3d/000002"].captions]
    assert "a man walks in a curve" in said
