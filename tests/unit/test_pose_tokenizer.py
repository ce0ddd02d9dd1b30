# SPDX-License-Identifier: Apache-2.0
"""The pose tokenizer: codes of a pose, its training and its evaluation on made-up poses."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from backend.errors import AssetError, InvalidInput
from backend.motion.kinematics import axis_angle_to_matrix, axis_rotation
from backend.motion.pose_tokenizer import (
    PoseTokenizer,
    pose_features,
    pose_joints,
    pose_tokenizer_config,
    without_heading,
)
from backend.motion.representation import decode_smpl22, encode_smpl22
from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import BODY_PARTS, REST_OFFSETS
from training import cli
from training.pose_data import PoseSampler, every_pose


def random_poses(count: int, seed: int = 0) -> torch.Tensor:
    """(count, 22, 3, 3) small random rotations."""
    generator = torch.Generator().manual_seed(seed)
    return axis_angle_to_matrix(0.4 * torch.randn(count, 22, 3, generator=generator))


class MadeUpData:
    """Stands in for PreparedDataset: people who hold one of four poses, a little differently."""

    def __init__(self, folder: Path, split: str) -> None:
        rng = np.random.default_rng({"train": 0, "val": 1, "test": 2}[split])
        shapes = np.random.default_rng(9).normal(size=(4, 22, 3)) * 0.4
        self.folder, self.hash = folder, "made-up"
        self._rows = []
        for shape in shapes:
            poses = shape + 0.02 * rng.normal(size=(40, 22, 3))
            poses[:, 0] = 0.0
            trans = np.tile([0.0, 0.95, 0.0], (40, 1)) - REST_OFFSETS[0]
            self._rows.append(encode_smpl22(Motion(poses, trans, 20.0)).astype(np.float32))
        self._poses = [decode_smpl22(rows) for rows in self._rows]
        self.clips = [SimpleNamespace(frames=40, source="made-up", mirrored=False) for _ in shapes]

    def __len__(self) -> int:
        return len(self.clips)

    def features(self, index: int) -> np.ndarray:
        return self._rows[index]

    def motion(self, index: int) -> Motion:
        return self._poses[index]


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for module in ("pose_tokenizer", "evaluate_pose_tokenizer"):
        monkeypatch.setattr(f"training.{module}.PreparedDataset", MadeUpData)
    return tmp_path


def test_features_are_rotations_and_joints_about_the_pelvis():
    poses = random_poses(3)
    features = pose_features(poses)
    assert features.shape == (3, 22, 9)
    assert torch.equal(features[..., :3], poses[..., 0])
    assert torch.equal(features[:, 0, 6:], torch.zeros(3, 3))
    rest = pose_joints(torch.eye(3).expand(1, 22, 3, 3))[0]
    expected = REST_OFFSETS[1]
    assert torch.allclose(rest[1], torch.tensor(expected).float(), atol=1e-6)


def test_the_heading_is_taken_out_and_nothing_else():
    poses = random_poses(50)
    turned = poses.clone()
    turned[:, 0] = axis_rotation(torch.linspace(-3, 3, 50), "Y") @ poses[:, 0]
    one, other = without_heading(poses), without_heading(turned)
    assert torch.allclose(one, other, atol=1e-5)
    assert torch.equal(one[:, 1:], poses[:, 1:])
    assert one[:, 0, 2, 0].abs().max() < 1e-5  # the hip axis has no part along Z
    lying = torch.eye(3).repeat(1, 22, 1, 1)
    lying[:, 0] = axis_rotation(torch.tensor([torch.pi / 2]), "Z")
    assert torch.allclose(without_heading(lying)[:, 0], lying[:, 0], atol=1e-5)


@pytest.mark.parametrize("kind", ["body_part", "whole_body_512", "whole_body_2560"])
def test_codes_and_back(kind: str, tmp_path: Path):
    torch.manual_seed(0)
    tokenizer = PoseTokenizer(pose_tokenizer_config(kind)).eval()
    codes = tokenizer.encode(random_poses(5))
    assert codes.shape == (5, tokenizer.config.num_parts)
    made = tokenizer.decode(codes)
    assert torch.allclose(made @ made.mT, torch.eye(3).expand_as(made), atol=1e-5)
    tokenizer.save_pretrained(tmp_path)
    again = PoseTokenizer.from_pretrained(tmp_path)
    assert again.config == tokenizer.config
    assert torch.allclose(again.decode(codes), made, atol=0.02)  # half precision on disk


def test_a_code_depends_on_its_own_joints_most():
    """The joint-to-part mask: a wrist is seen by its arm; others know of it through that alone."""
    torch.manual_seed(0)
    tokenizer = PoseTokenizer(pose_tokenizer_config("body_part")).eval()
    one = random_poses(1)
    other = one.clone()
    other[0, 20] = random_poses(1, seed=5)[0, 20]
    part = list(BODY_PARTS).index("left_arm")
    with torch.no_grad():
        moved = (tokenizer._latents(one) - tokenizer._latents(other))[0, 0].norm(dim=-1)
    assert int(moved.argmax()) == part


def test_wrong_shapes_and_damaged_files_are_named(tmp_path: Path):
    tokenizer = PoseTokenizer(pose_tokenizer_config("body_part"))
    with pytest.raises(InvalidInput, match="22, 3, 3"):
        tokenizer.encode(torch.zeros(1, 24, 3, 3))
    with pytest.raises(InvalidInput, match="codes"):
        tokenizer.decode(torch.zeros(1, 4, dtype=torch.long))
    with pytest.raises(InvalidInput, match="body_part"):
        pose_tokenizer_config("legs")
    with pytest.raises(AssetError, match="pose-tokenizer"):
        PoseTokenizer.from_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(AssetError, match="damaged"):
        PoseTokenizer.from_pretrained(tmp_path)


def test_train_and_evaluate(made_up: Path, capsys: pytest.CaptureFixture):
    words = ["pose-tokenizer", "--data", str(made_up), "--out", str(made_up / "run")]
    assert (
        cli.main([*words, "--steps", "40", "--batch", "32", "--threads", "1", "--widened", "0.2"])
        == 0
    )
    log = json.loads((made_up / "run" / "body_part" / "log.json").read_text("utf-8"))
    assert log[-1]["val_joints"] < 0.2  # metres; the first steps are at 0.5
    capsys.readouterr()
    command = ["evaluate", "pose-tokenizer", "--data", str(made_up), "--json"]
    assert cli.main([*command, "--run", str(made_up / "run")]) == 0
    both = json.loads(capsys.readouterr().out)["body_part"]
    assert set(both) == {"recorded", "widened"}
    scores = both["recorded"]
    assert scores["mpjpe_mm"] < 250
    assert scores["poses"] == 32
    assert cli.main([*command, "--run", str(made_up / "none")]) == 1
    assert "No pose tokenizer" in capsys.readouterr().err


def test_sampled_poses_depend_on_the_step_alone(tmp_path: Path):
    data = MadeUpData(tmp_path, "train")
    sampler = PoseSampler(data, 3)  # pyright: ignore[reportArgumentType]
    assert torch.equal(sampler.batch(2, 10), PoseSampler(data, 3).batch(2, 10))  # pyright: ignore[reportArgumentType]
    assert not torch.equal(sampler.batch(2, 10), sampler.batch(3, 10))
    assert every_pose(data, 10).shape == (16, 22, 3, 3)  # pyright: ignore[reportArgumentType]
