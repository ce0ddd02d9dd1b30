# SPDX-License-Identifier: Apache-2.0
"""Our forward kinematics against the smplx package.

The licensed SMPL files are never shipped, so the test makes a body-model file in their format: a
small cloud of vertices whose regressor gives our rest joints, with random shape and pose
corrections and skinning weights. smplx loads and poses it as it does the real one.
"""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import smplx
import torch

from backend.errors import AssetError
from backend.motion import kinematics
from backend.motion.smpl import load_smpl_joints
from blender_addon.shared.motion import Motion, forward_kinematics
from blender_addon.shared.rotations import axis_angle_to_matrix
from blender_addon.shared.skeleton import NUM_JOINTS, PARENTS, REST_OFFSETS, rest_joint_positions

_VERTICES = 6890  # as the real one: smplx picks finger tips and toes by vertex number


def _model_fields(rng: np.random.Generator) -> dict:
    joints = rest_joint_positions()
    vertices = rng.normal(0, 0.3, (_VERTICES, 3))
    regressor = np.zeros((NUM_JOINTS, _VERTICES))
    for j in range(NUM_JOINTS):
        pair = 10 + 2 * j
        vertices[pair] = joints[j] + 0.05 * rng.normal(size=3)
        vertices[pair + 1] = 2 * joints[j] - vertices[pair]
        regressor[j, pair : pair + 2] = 0.5
    parents = np.array(PARENTS, dtype=np.int64)
    parents[0] = 2**32 - 1  # how the official files write "no parent"
    return {
        "v_template": vertices,
        "shapedirs": 0.01 * rng.normal(size=(_VERTICES, 3, 10)),
        "posedirs": 0.01 * rng.normal(size=(_VERTICES, 3, 207)),
        "J_regressor": scipy.sparse.csc_matrix(regressor),
        "weights": rng.dirichlet(np.ones(NUM_JOINTS), _VERTICES),
        "kintree_table": np.stack([parents, np.arange(NUM_JOINTS)]),
        "f": rng.integers(0, _VERTICES, (64, 3)).astype(np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(_model_fields(np.random.default_rng(3)), protocol=2))
    return path


def _smplx_joints(path: Path, poses: np.ndarray, trans: np.ndarray, betas: np.ndarray):
    model = smplx.create(str(path), model_type="smpl", dtype=torch.float64)
    count = len(poses)
    with torch.no_grad():
        output = model(
            global_orient=torch.from_numpy(poses[:, 0]),
            body_pose=torch.from_numpy(poses[:, 1:].reshape(count, -1)),
            transl=torch.from_numpy(trans),
            betas=torch.from_numpy(np.tile(betas, (count, 1))),
        )
    return output.joints[:, :NUM_JOINTS].numpy()


@pytest.fixture(scope="module")
def clip() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.normal(0, 1.2, (30, NUM_JOINTS, 3)), rng.normal(0, 3, (30, 3))


def test_numpy_and_torch_agree_with_smplx(model_file: Path, clip) -> None:
    poses, trans = clip
    expected = _smplx_joints(model_file, poses, trans, np.zeros(10))
    local = axis_angle_to_matrix(poses)
    ours = forward_kinematics(local, trans)[0]
    twin = kinematics.forward_kinematics(torch.from_numpy(local), torch.from_numpy(trans))[0]
    assert np.abs(ours - expected).max() < 1e-5
    assert np.abs(twin.numpy() - expected).max() < 1e-5


def test_motion_joint_positions_agree_with_smplx(model_file: Path, clip) -> None:
    poses, trans = clip
    poses = poses.copy()
    poses[:, 22:] = 0
    expected = _smplx_joints(model_file, poses, trans, np.zeros(10))[:, :22]
    assert np.abs(Motion(poses[:, :22], trans, 20).joint_positions() - expected).max() < 1e-5


def test_rest_offsets_of_another_body_shape(model_file: Path, clip) -> None:
    poses, trans = clip
    betas = np.linspace(-2, 2, 10)
    offsets = load_smpl_joints(model_file, betas)
    assert np.abs(offsets - REST_OFFSETS).max() > 1e-3
    ours = forward_kinematics(axis_angle_to_matrix(poses), trans, offsets)[0]
    assert np.abs(ours - _smplx_joints(model_file, poses, trans, betas)).max() < 1e-5


def test_mean_shape_gives_our_rest_offsets_from_file_or_folder(model_file: Path) -> None:
    for path in (model_file, model_file.parent):
        np.testing.assert_allclose(load_smpl_joints(path), REST_OFFSETS, atol=1e-6)


def test_npz_form(tmp_path: Path) -> None:
    fields = _model_fields(np.random.default_rng(3))
    fields["J_regressor"] = fields["J_regressor"].toarray()
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **fields)
    np.testing.assert_allclose(load_smpl_joints(tmp_path), REST_OFFSETS, atol=1e-6)


def test_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"Download SMPL for Python .* licence"):
        load_smpl_joints(tmp_path / "SMPL_NEUTRAL.pkl")
    with pytest.raises(AssetError, match=r"SMPL_FEMALE\.pkl"):
        load_smpl_joints(tmp_path, gender="female")


class _Evil:
    def __reduce__(self):
        return os.getcwd, ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a pickle at all", "cannot be read"),
        (b"", "cannot be read"),
        (pickle.dumps({"v_template": np.zeros((3, 3))}), "has no shapedirs"),
        (pickle.dumps([1, 2, 3]), "has no v_template"),
        (pickle.dumps(_Evil()), "cannot be read"),
        (b"cchumpy.ch\nCh\n.", "chumpy"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=message):
        load_smpl_joints(path)


def test_another_kind_of_body_is_refused(tmp_path: Path) -> None:
    fields = _model_fields(np.random.default_rng(3))
    fields["kintree_table"] = fields["kintree_table"][:, ::-1].copy()
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(fields))
    with pytest.raises(AssetError, match="another order"):
        load_smpl_joints(path)
