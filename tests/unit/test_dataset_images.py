# SPDX-License-Identifier: Apache-2.0
"""3DPW and Human3.6M folders, tiny but in the published layouts."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from backend.errors import AssetError, InvalidInput
from backend.motion.array_pickle import load_array_pickle
from blender_addon.shared.motion import forward_kinematics
from blender_addon.shared.rotations import axis_angle_to_matrix, axis_rotation
from training.data.datasets.h36m import Human36M
from training.data.datasets.records import PosedImage
from training.data.datasets.threedpw import ThreeDPW

TURN = axis_rotation(np.array(0.4), "Y") @ axis_rotation(np.array(np.pi), "X")
SHIFT = np.array([0.1, 1.0, 4.0])
FRAMES = 3


class _Evil:
    """Makes a file where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("the-pickle-was-run",)


def _poses(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (FRAMES, 72))


def _joints(poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(24, 3) joints of one frame by forward kinematics."""
    return forward_kinematics(axis_angle_to_matrix(poses.reshape(24, 3)), trans)[0]


def _pixels(record: PosedImage, joints: np.ndarray) -> np.ndarray:
    image = joints @ record.intrinsics.T
    return image[:, :2] / image[:, 2:]


def threedpw_fields() -> dict:
    """Two people in three frames; the second one's camera is not aligned in the last frame."""
    camera = np.eye(4)
    camera[:3, :3], camera[:3, 3] = TURN, SHIFT
    poses = [_poses(0), _poses(1)]
    trans = [np.full((FRAMES, 3), 0.1), np.full((FRAMES, 3), -0.2)]
    return {
        "sequence": "street_00",
        "poses": poses,
        "trans": trans,
        "betas": [np.zeros(10), np.ones(300)],
        "poses2d": [np.ones((FRAMES, 3, 18)), np.ones((FRAMES, 3, 18))],
        "jointPositions": [
            np.stack([_joints(p, t) for p, t in zip(*pair, strict=True)]).reshape(FRAMES, 72)
            for pair in zip(poses, trans, strict=True)
        ],
        "cam_poses": np.tile(camera, (FRAMES, 1, 1)),
        "cam_intrinsics": np.array([[1000.0, 0, 540], [0, 1000.0, 960], [0, 0, 1]]),
        "campose_valid": [np.ones(FRAMES, bool), np.array([True, True, False])],
        "genders": ["m", "f"],
    }


def write_3dpw(folder: Path) -> Path:
    for split in ("train", "validation", "test"):
        name = f"street_{split}"
        (folder / "sequenceFiles" / split).mkdir(parents=True)
        (folder / "imageFiles" / name).mkdir(parents=True)
        path = folder / "sequenceFiles" / split / f"{name}.pkl"
        path.write_bytes(pickle.dumps(threedpw_fields(), protocol=2))
        for i in range(FRAMES):
            (folder / "imageFiles" / name / f"image_{i:05d}.jpg").touch()
    return folder


@pytest.fixture
def threedpw(tmp_path):
    return write_3dpw(tmp_path / "3DPW")


def test_3dpw_records_are_in_the_camera_frame(threedpw):
    reader = ThreeDPW(threedpw, "train")
    records = {r.name: r for r in reader}
    assert len(records) == 5
    assert reader.skipped == {"camera not aligned to the image": 1}
    record = records["street_train/00001/1"]
    assert record.image == threedpw / "imageFiles/street_train/image_00001.jpg"
    assert (record.gender, record.split, record.betas.shape) == ("female", "train", (10,))
    assert record.keypoints.shape == (18, 3)
    # the pose in the camera's frame gives the joints that the camera sees
    np.testing.assert_allclose(_joints(record.poses, record.trans), record.joints, atol=1e-9)
    fields = threedpw_fields()
    world = fields["jointPositions"][1][1].reshape(24, 3)
    seen = (world @ TURN.T + SHIFT) @ record.intrinsics.T
    np.testing.assert_allclose(_pixels(record, record.joints), seen[:, :2] / seen[:, 2:])


def test_3dpw_without_the_fields_that_not_every_release_has(threedpw):
    fields = threedpw_fields()
    del fields["poses2d"], fields["jointPositions"]
    path = threedpw / "sequenceFiles/test/street_test.pkl"
    path.write_bytes(pickle.dumps(fields, protocol=2))
    record = next(iter(ThreeDPW(threedpw, "test")))
    assert record.keypoints.shape == record.joints.shape == (0, 3)


def test_3dpw_bad_records_are_skipped_and_counted(threedpw):
    fields = threedpw_fields()
    fields["poses"][0][1, 4] = np.nan
    fields["trans"][1] = np.zeros((FRAMES, 2))
    path = threedpw / "sequenceFiles/train/street_train.pkl"
    path.write_bytes(pickle.dumps(fields, protocol=2))
    (threedpw / "imageFiles/street_train/image_00002.jpg").unlink()
    reader = ThreeDPW(threedpw, "train")
    assert [r.name for r in reader] == ["street_train/00000/0"]
    assert reader.skipped == {
        "numbers that are not finite": 1,
        "no such image": 1,
        "a person whose arrays have the wrong shape": 1,
    }
    del fields["cam_poses"]
    path.write_bytes(pickle.dumps(fields, protocol=2))
    with pytest.raises(InvalidInput, match="a sequence without cam_poses: 1"):
        list(ThreeDPW(threedpw, "train"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pickle.dumps(_Evil()), id="a call"),
        pytest.param(pickle.dumps({"poses": [_Evil()]}, protocol=2), id="a call inside"),
        pytest.param(b"no pickle", id="text"),
        pytest.param(b"", id="empty"),
    ],
)
def test_3dpw_refuses_a_pickle_that_is_not_of_arrays(threedpw, content, monkeypatch):
    monkeypatch.chdir(threedpw)
    path = threedpw / "sequenceFiles/train/street_train.pkl"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"street_train.pkl is no pickle of arrays"):
        list(ThreeDPW(threedpw, "train"))
    assert not (threedpw / "the-pickle-was-run").exists()


def test_array_pickles_hold_what_was_written(tmp_path):
    path = tmp_path / "a.pkl"
    for protocol in (2, 4, 5):
        path.write_bytes(pickle.dumps({"a": np.arange(6.0), "b": [np.float64(2)]}, protocol))
        loaded = load_array_pickle(path)
        assert loaded["a"].tolist() == [0, 1, 2, 3, 4, 5]
        assert loaded["b"] == [2.0]
    for name in (b"cbuiltins\neval\n", b"cnumpy\nload\n", b"cnumpy.core.multiarray\nfromfile\n"):
        path.write_bytes(name + b".")
        with pytest.raises(pickle.UnpicklingError, match="it holds a"):
            load_array_pickle(path)


@pytest.mark.parametrize(
    "name", ["imageFiles", "sequenceFiles/validation", "imageFiles/street_test"]
)
def test_3dpw_missing_files_say_what_to_get(threedpw, name):
    (threedpw / name).rename(threedpw / "elsewhere")
    with pytest.raises(AssetError) as raised:
        list(ThreeDPW(threedpw))
    for said in (str(threedpw / name), "virtualhumans.mpi-inf.mpg.de", "non-commercial"):
        assert said in raised.value.message


METADATA = """<?xml version="1.0"?><metadata>
<mapping><tr><td/><td/><td>S1</td><td>S9</td></tr>
<tr><td>2</td><td>1</td><td>Directions 1</td><td>Directions</td></tr></mapping>
<dbcameras><index2id><elem>54138969</elem><elem>55011271</elem></index2id></dbcameras>
</metadata>"""


def write_h36m(folder: Path, *, videos: bool = False) -> Path:
    """Subjects 1 (train) and 9 (test), one action, two frames, cameras 1 and 2."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "metadata.xml").write_text(METADATA)
    for subject in (1, 9):
        poses = _poses(subject)
        fits = {
            str(i): {"pose": poses[i].tolist(), "shape": [0.1] * 10, "trans": [0.2, 0.0, 1.0]}
            for i in range(2)
        }
        camera = {"R": TURN.tolist(), "t": (SHIFT * 1000).tolist(), "f": [1145, 1143]}
        camera["c"] = [512, 515]
        joints = {str(i): [[100.0 * j, 0.0, 900.0] for j in range(17)] for i in range(2)}
        for kind, content in (
            ("SMPL_NeuralAnnot", {"2": {"1": fits}}),
            ("camera", {"1": camera, "2": camera}),
            ("joint_3d", {"2": {"1": joints}}),
        ):
            path = folder / "annotations" / f"Human36M_subject{subject}_{kind}.json"
            path.write_text(json.dumps(content))
        for number, camera_id in ((1, "54138969"), (2, "55011271")):
            if videos:
                action = "Directions 1" if subject == 1 else "Directions"
                path = folder / f"S{subject}" / "Videos" / f"{action}.{camera_id}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                continue
            name = f"s_{subject:02d}_act_02_subact_01_ca_{number:02d}"
            (folder / "images" / name).mkdir(parents=True)
            for frame in (1, 2, 3):  # the third has no fit
                (folder / "images" / name / f"{name}_{frame:06d}.jpg").touch()
    return folder


def test_h36m_records_are_in_the_camera_frame(tmp_path):
    folder = write_h36m(tmp_path / "h36m")
    reader = Human36M(folder)
    records = {r.name: r for r in reader}
    assert len(records) == 8
    assert reader.skipped == {"no SMPL fit for the image": 4}
    record = records["S9/2/1/2/1"]
    assert record.split == "test"
    assert record.image.name == "s_09_act_02_subact_01_ca_02_000002.jpg"
    assert record.frame is None
    world = _joints(_poses(9)[1], np.array([0.2, 0.0, 1.0]))
    np.testing.assert_allclose(
        _joints(record.poses, record.trans), world @ TURN.T + SHIFT, atol=1e-9
    )
    np.testing.assert_allclose(record.joints[3], TURN @ [0.3, 0.0, 0.9] + SHIFT)
    np.testing.assert_allclose(record.intrinsics, [[1145, 0, 512], [0, 1143, 515], [0, 0, 1]])
    assert {r.split for r in Human36M(folder, "train")} == {"train"}


def test_h36m_reads_the_videos_of_each_subject(tmp_path):
    folder = write_h36m(tmp_path / "h36m", videos=True)
    records = {r.name: r for r in Human36M(folder)}
    assert len(records) == 8
    record = records["S1/2/1/1/1"]
    assert record.image == folder / "S1/Videos/Directions 1.54138969.mp4"
    assert record.frame == 1
    (folder / "metadata.xml").write_text("<metadata/>")
    with pytest.raises(InvalidInput, match="metadata"):
        list(Human36M(folder))


def test_h36m_bad_fits_are_skipped_and_counted(tmp_path):
    folder = write_h36m(tmp_path / "h36m")
    path = folder / "annotations/Human36M_subject1_SMPL_NeuralAnnot.json"
    fits = json.loads(path.read_text())
    fits["2"]["1"]["0"]["pose"][0] = float("nan")
    fits["2"]["1"]["1"]["shape"] = [0.0]
    path.write_text(json.dumps(fits))
    reader = Human36M(folder, "train")
    with pytest.raises(InvalidInput, match="no usable record"):
        list(reader)
    assert reader.skipped["numbers that are not finite"] == 2
    assert reader.skipped["a fit with arrays of the wrong shape"] == 2


def test_h36m_missing_files_say_what_to_get(tmp_path):
    folder = write_h36m(tmp_path / "h36m")
    for kind in ("SMPL_NeuralAnnot", "camera"):
        path = folder / "annotations" / f"Human36M_subject1_{kind}.json"
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(AssetError) as raised:
            list(Human36M(folder))
        for said in (str(path), "vision.imar.ro", "NeuralAnnot", "academic use only"):
            assert said in raised.value.message
        path.write_bytes(kept)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError, match="S1/Videos"):
        list(Human36M(tmp_path / "empty"))
