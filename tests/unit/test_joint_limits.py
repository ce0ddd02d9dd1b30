# SPDX-License-Identifier: Apache-2.0
"""Human joint limits: the angles, what is beyond them, and how a pose is held to them."""

import numpy as np
import pytest
import torch
from shared_data import need_shared

from backend.motion.joint_limits import (
    clamp,
    joint_angles,
    limit_ranges,
    limit_violation,
    rotations_from_angles,
)
from backend.motion.kinematics import axis_angle_to_matrix
from backend.motion.retarget import retarget_to_smpl
from blender_addon.shared.skeleton import joint_index
from training.data.bvhpack import read_pack


def _bent(joint: str, axis: str, degrees: float) -> torch.Tensor:
    turn = torch.zeros(1, 22, 3, dtype=torch.float64)
    turn[0, joint_index(joint), "xyz".index(axis)] = np.radians(degrees)
    return axis_angle_to_matrix(turn)


def _inside(count: int = 50) -> torch.Tensor:
    low, high = limit_ranges(torch.float64)
    low, high = low.clamp_min(-1.0), high.clamp_max(1.0)
    share = torch.rand(
        count, 22, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    return low + share * (high - low)


def test_angles_come_back() -> None:
    angles = _inside()
    assert torch.allclose(joint_angles(rotations_from_angles(angles)), angles, atol=1e-9)
    assert limit_violation(rotations_from_angles(angles)).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("joint", "axis", "fine", "beyond"),
    [
        ("left_knee", "x", 140, -40),  # knees bend backward only
        ("right_knee", "x", 140, -40),
        ("left_elbow", "y", -140, 60),  # forearms come forward
        ("right_elbow", "y", 140, -60),
        ("left_hip", "x", -120, 70),  # thighs go further forward than back
        ("right_hip", "z", -60, 60),  # and further out than in
        ("left_shoulder", "z", 80, 130),
        ("head", "y", 45, 90),
        ("left_ankle", "x", 50, -90),
    ],
)
def test_people_bend_one_way(joint: str, axis: str, fine: float, beyond: float) -> None:
    assert limit_violation(_bent(joint, axis, fine)).abs().max() < 1e-9
    off = limit_violation(_bent(joint, axis, beyond))
    assert off[0, joint_index(joint), "xyz".index(axis)].sign() == np.sign(beyond)
    held = clamp(_bent(joint, axis, beyond))
    assert limit_violation(held).abs().max() < 1e-9
    others = [j for j in range(22) if j != joint_index(joint)]
    assert torch.equal(held[:, others], _bent(joint, axis, beyond)[:, others])


def test_the_root_is_free_and_good_poses_are_left_alone() -> None:
    rotations = rotations_from_angles(_inside())
    rotations[:, 0] = axis_angle_to_matrix(torch.tensor([3.0, 0.2, 0.1], dtype=torch.float64))
    assert torch.equal(clamp(rotations), rotations)


@pytest.mark.slow
@pytest.mark.parametrize("pack", ["bandai-namco-1", "cmu-actions", "deepmimic"])
def test_real_capture_lies_within(pack: str) -> None:
    """99.1 % of all prepared frames do; a single pack may have a little less."""
    good = []
    for i, (_, clip) in enumerate(read_pack(need_shared("motion", f"{pack}.bvhpack"))):
        # one clip in ten, but all of the few (and wild) ones of the smallest pack
        if i % 10 == 0 or pack == "deepmimic":
            motion = retarget_to_smpl(clip).resampled(5.0)
            off = limit_violation(axis_angle_to_matrix(torch.from_numpy(motion.poses[:, :22])))
            good.append((off.abs().amax(dim=(1, 2)) == 0).numpy())
    assert np.concatenate(good).mean() > 0.97
