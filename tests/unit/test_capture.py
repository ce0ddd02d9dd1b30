# SPDX-License-Identifier: Apache-2.0
"""How a rig is posed, read back as SMPL motion."""

import numpy as np
import pytest
from made_up_motion import smooth_motion
from made_up_rigs import ARMS_DOWN, BLENDER, ODD_REST, blender_heads, family_names, make_rig

from blender_addon.core.capture import capture_rig, capture_smpl, watched_bones
from blender_addon.core.mapping import MappingError, family_named, find_mapping
from blender_addon.core.placing import heading, place
from blender_addon.core.retarget import retarget_to_rig
from blender_addon.shared.motion import Motion, forward_kinematics
from blender_addon.shared.rotations import axis_angle_to_matrix
from blender_addon.shared.skeleton import REST_OFFSETS

MIXAMO = family_names(family_named("Mixamo"))


def posed_by(rig, motion):
    """Bone -> (T, 4, 4), as Blender poses the rig with the keys of the motion."""
    channels = retarget_to_rig(rig, find_mapping(rig).bones, motion, foot_lock=False)
    heads, axes = blender_heads(rig, channels.quaternions, channels.locations)
    posed = np.tile(np.eye(4), (*heads.shape[:2], 1, 1))
    posed[..., :3, :3], posed[..., :3, 3] = axes, heads
    return {name: posed[:, i] for i, name in enumerate(rig.names)}


def same(a: Motion, b: Motion) -> float:
    return np.abs(a.joint_positions() - b.joint_positions()).max()


@pytest.mark.parametrize("turns", [{}, ARMS_DOWN, ODD_REST], ids=["T", "A", "odd"])
@pytest.mark.parametrize(("space", "unit"), [(BLENDER, 1.0), (np.eye(3), 100.0)], ids=["z", "y"])
def test_what_was_keyed_is_read_back(turns, space, unit):
    motion = smooth_motion(seconds=1)
    rig = make_rig(MIXAMO, turns=turns, space=space, unit=unit, seed=5)
    bones = find_mapping(rig).bones
    read = capture_rig(rig, bones, posed_by(rig, motion), motion.fps)
    assert read.fps == motion.fps
    if len(bones) == 22:
        assert same(read, motion) < 1e-5
    else:  # of joints without a bone the turn is shared out anew
        limbs = [4, 5, 7, 8, 18, 19]
        a, b = read.joint_positions(), motion.joint_positions()
        assert np.abs((a - a[:, :1])[:, limbs[:4]] - (b - b[:, :1])[:, limbs[:4]]).max() < 1e-5


def test_scale_and_proportions_of_the_rig_do_not_matter():
    motion = smooth_motion(seconds=1)
    rig = make_rig(lambda joint: joint, stretch={"left_elbow": 1.4, "spine2": 0.7}, unit=7.0)
    posed = posed_by(rig, motion)
    scaled = {name: pose @ np.diag([2.0, 2.0, 2.0, 1.0]) for name, pose in posed.items()}
    read = capture_rig(rig, {j: j for j in rig.names}, scaled, motion.fps)
    assert same(read, motion) < 1e-5


def test_a_spine_with_fewer_bones_bends_evenly():
    motion = smooth_motion(seconds=1)
    missing = ("spine1", "spine2")
    rig = make_rig({j: j for j in MIXAMO if j not in missing})
    read = capture_rig(rig, {j: j for j in rig.names}, posed_by(rig, motion), motion.fps)
    chest = [
        forward_kinematics(axis_angle_to_matrix(m.poses), m.trans)[1][:, 9] for m in (read, motion)
    ]
    assert np.abs(chest[0] - chest[1]).max() < 1e-6
    angles = np.linalg.norm(read.poses[:, [3, 6, 9]], axis=-1)
    assert np.abs(angles - angles[:, :1]).max() < 1e-6


def test_a_mapping_without_legs_is_refused():
    rig = make_rig(lambda joint: joint)
    with pytest.raises(MappingError, match="left_knee"):
        capture_rig(rig, {"pelvis": "pelvis"}, {}, 20.0)


def test_smpl_is_read_exactly_whatever_the_rest_axes():
    motion = smooth_motion(seconds=1)
    rng = np.random.default_rng(3)
    rests = axis_angle_to_matrix(rng.normal(0, 2, (22, 3)))
    positions, world = forward_kinematics(axis_angle_to_matrix(motion.poses), motion.trans)
    read = capture_smpl(rests, 3.0 * world @ rests, positions[:, 0], motion.fps)
    assert same(read, motion) < 1e-9


def test_rigify_is_read_off_the_bones_that_fk_and_ik_both_move():
    rig = make_rig(lambda joint: {"pelvis": "torso", "left_knee": "shin_fk.L"}.get(joint, joint))
    names = (*rig.names, "ORG-shin.L", "ORG-spine")
    rig = type(rig)(
        names,
        (*rig.parents, -1, -1),
        (*rig.carriers, -1, -1),
        np.concatenate([rig.heads, rig.heads[:2]]),
        np.concatenate([rig.tails, rig.tails[:2]]),
        np.concatenate([rig.axes, rig.axes[:2]]),
        (*rig.inherits, True, True),
        (*rig.free, False, False),
    )
    found = watched_bones(rig, {"pelvis": "torso", "left_knee": "shin_fk.L", "head": "head"})
    assert found == {"pelvis": "ORG-spine", "left_knee": "ORG-shin.L", "head": "head"}


def test_a_pose_goes_where_the_character_is():
    now = smooth_motion(seconds=2).resampled(20.0)
    now = Motion(now.poses[30:31], now.trans[30:31], 20.0)
    pose = smooth_motion(seconds=1, seed=4)
    pose = Motion(pose.poses[:1], pose.trans[:1] * [0, 1, 0], 20.0)
    there = place(pose, now, keep_place=True, keep_heading=True)
    pelvis, was = (m.trans[0] + REST_OFFSETS[0] for m in (there, now))
    assert np.abs(pelvis[[0, 2]] - was[[0, 2]]).max() < 1e-9
    assert pelvis[1] == pytest.approx(pose.trans[0, 1] + REST_OFFSETS[0, 1])
    assert heading(there) == pytest.approx(heading(now))
    assert np.abs(there.poses[:, 1:] - pose.poses[:, 1:]).max() == 0
    left = place(pose, now, keep_place=False, keep_heading=False)
    assert same(left, pose) < 1e-9


@pytest.mark.parametrize("tilt", [-np.pi / 2, np.pi / 2])
def test_someone_who_lies_has_a_heading_too(tilt):
    poses = np.zeros((1, 22, 3))
    poses[0, 0] = [tilt, 0, 0]
    assert np.isfinite(heading(Motion(poses, np.zeros((1, 3)), 20.0)))
    assert abs(heading(Motion(poses, np.zeros((1, 3)), 20.0))) < 1e-6
