# SPDX-License-Identifier: Apache-2.0
"""Retargeting to SMPL: made-up skeletons whose true answer is known, and the real packs."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from made_up_motion import smooth_motion
from shared_data import need_shared

from backend.motion.bvh import BvhClip, BvhError, read_bvh, write_bvh
from backend.motion.representation import heading_angles
from backend.motion.retarget import floor_height, retarget_to_smpl
from backend.motion.source_skeleton import find_body
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import (
    axis_angle_to_matrix,
    axis_rotation,
    matrix_to_axis_angle,
    normalize,
)
from blender_addon.shared.skeleton import JOINT_NAMES, REST_OFFSETS, joint_index
from training.data.bvhpack import read_pack

SIDES = ("left", "right")
LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
# any source's trunk is taken to rest as upright as SMPL's, though SMPL's own leans by 4 degrees
TRUNK_DEGREES, TRUNK_METRES = 5.0, 0.06
PACKS = [
    "bandai-namco-1",
    pytest.param("bandai-namco-2", marks=pytest.mark.slow),
    pytest.param("cmu-01-14", marks=pytest.mark.slow),
    "cmu-actions",
    "deepmimic",
]


@pytest.fixture(scope="module")
def motion() -> Motion:
    return smooth_motion(seconds=4)


@pytest.fixture
def clip(motion: Motion, tmp_path: Path) -> BvhClip:
    """The motion as a BVH of SMPL's own skeleton, in centimetres."""
    write_bvh(motion, tmp_path / "clip.bvh")
    return read_bvh(tmp_path / "clip.bvh")


def _with_rest(clip: BvhClip, turns: dict[str, np.ndarray]) -> BvhClip:
    """The same animation on a skeleton that rests in another pose.

    turns: for each named joint the world rotation its subtree's rest is turned by.
    """
    rest = np.tile(np.eye(3), (len(clip.names), 1, 1))
    for j, parent in enumerate(clip.parents):
        above = rest[parent] if parent >= 0 else np.eye(3)
        rest[j] = turns.get(clip.names[j], np.eye(3)) @ above
    above = [rest[p] if p >= 0 else np.eye(3) for p in clip.parents]
    offsets = np.einsum("jab,jb->ja", np.stack(above), clip.offsets)
    world = clip.world()[1] @ np.swapaxes(rest, -1, -2)
    local = world.copy()
    positions = np.tile(offsets, (len(world), 1, 1))
    positions[:, 0] = clip.positions[:, 0]
    for j, parent in enumerate(clip.parents):
        if parent >= 0:
            local[:, j] = np.swapaxes(world[:, parent], -1, -2) @ world[:, j]
    ends = {name: rest[clip.names.index(name)] @ tip for name, tip in clip.end_sites.items()}
    out = replace(clip, offsets=offsets, rotations=local, positions=positions, end_sites=ends)
    np.testing.assert_allclose(out.world()[0], clip.world()[0], atol=1e-6)
    return out


def _arms(degrees: float) -> dict[str, np.ndarray]:
    down = np.radians(degrees)
    return {
        "left_shoulder": axis_rotation(np.array(-down), "Z"),
        "right_shoulder": axis_rotation(np.array(down), "Z"),
    }


RESTS = {
    "T-pose": {},
    "A-pose": _arms(45),
    "arms down": _arms(85),
    "facing +X": {"pelvis": axis_rotation(np.array(np.pi / 2), "Y")},
    "facing -Z": {"pelvis": axis_rotation(np.array(np.pi), "Y")},
    "A-pose facing -X": {"pelvis": axis_rotation(np.array(-np.pi / 2), "Y")},
    "legs apart": {
        "left_hip": axis_rotation(np.array(0.3), "Z"),
        "right_hip": axis_rotation(np.array(-0.3), "Z"),
    },
}


@pytest.mark.parametrize("rest", RESTS)
def test_rest_pose_of_the_source_does_not_matter(clip: BvhClip, rest: str) -> None:
    expected = retarget_to_smpl(clip).joint_positions()
    out = retarget_to_smpl(_with_rest(clip, RESTS[rest]))
    assert np.abs(out.joint_positions() - expected).max() < 1e-3
    assert out.fps == pytest.approx(20)


@pytest.mark.parametrize("unit", [0.01, 0.3937, 2.54, 1000])
def test_unit_of_length_does_not_matter(motion: Motion, clip: BvhClip, unit: float) -> None:
    scaled = replace(clip, offsets=clip.offsets * unit, positions=clip.positions * unit)
    expected = retarget_to_smpl(clip)
    out = retarget_to_smpl(scaled)
    np.testing.assert_allclose(out.joint_positions(), expected.joint_positions(), atol=1e-6)


def _renamed(clip: BvhClip, style: str) -> BvhClip:
    mixamo = {
        "pelvis": "Hips",
        "spine1": "Spine",
        "spine2": "Spine1",
        "spine3": "Spine2",
        "neck": "Neck",
        "head": "Head",
        "hip": "UpLeg",
        "knee": "Leg",
        "ankle": "Foot",
        "foot": "ToeBase",
        "collar": "Shoulder",
        "shoulder": "Arm",
        "elbow": "ForeArm",
        "wrist": "Hand",
    }
    unreal = {
        "pelvis": "pelvis",
        "spine1": "spine_01",
        "spine2": "spine_02",
        "spine3": "spine_03",
        "neck": "neck_01",
        "head": "head",
        "hip": "thigh",
        "knee": "calf",
        "ankle": "foot",
        "foot": "ball",
        "collar": "clavicle",
        "shoulder": "upperarm",
        "elbow": "lowerarm",
        "wrist": "hand",
    }
    names = []
    for name in clip.names:
        side, _, part = name.partition("_") if "_" in name else ("", "", name)
        if style == "mixamo":
            names.append(f"mixamorig:{side.capitalize()}{mixamo[part]}")
        else:
            names.append(unreal[part] + (f"_{side[0]}" if side else ""))
    ends = {names[clip.names.index(n)]: tip for n, tip in clip.end_sites.items()}
    return replace(clip, names=tuple(names), end_sites=ends)


def test_our_own_bvh_comes_back(motion: Motion, clip: BvhClip) -> None:
    """What `write_bvh` exports under SMPL's joint names is read as the body it is."""
    body = find_body(clip)
    for side in SIDES:
        for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
            assert clip.names[getattr(body, part)[side]] == f"{side}_{part}"
    out = retarget_to_smpl(clip)
    ours, theirs = axis_angle_to_matrix(out.poses), axis_angle_to_matrix(motion.poses)
    apart = matrix_to_axis_angle(np.swapaxes(ours, -1, -2) @ theirs)
    assert np.degrees(np.linalg.norm(apart, axis=-1)).max() < TRUNK_DEGREES
    expected = motion.joint_positions()
    expected[..., 1] -= floor_height(expected)
    assert np.linalg.norm(out.joint_positions() - expected, axis=-1).max() < TRUNK_METRES


@pytest.mark.parametrize("style", ["mixamo", "unreal"])
def test_names_of_other_tools(clip: BvhClip, style: str) -> None:
    expected = retarget_to_smpl(clip)
    out = retarget_to_smpl(_renamed(clip, style))
    np.testing.assert_allclose(out.joint_positions(), expected.joint_positions(), atol=1e-6)


def test_left_stays_left(clip: BvhClip) -> None:
    out = retarget_to_smpl(clip).joint_positions()[0]
    assert out[joint_index("left_hip"), 0] > out[joint_index("right_hip"), 0]


def test_a_skeleton_without_feet_or_hands_is_refused(clip: BvhClip) -> None:
    for gone, word in (
        (("left_ankle", "left_foot"), "left foot"),
        (("right_wrist",), "right hand"),
    ):
        names = tuple("thing" if n in gone else n for n in clip.names)
        with pytest.raises(BvhError, match=word):
            retarget_to_smpl(replace(clip, names=names))


def test_legs_without_length_are_refused(clip: BvhClip) -> None:
    with pytest.raises(BvhError, match="legs"):
        retarget_to_smpl(replace(clip, offsets=clip.offsets * 0, positions=clip.positions * 0))


@cache
def _some_clips(pack: str, wanted: str = "", count: int = 8) -> list[tuple[str, BvhClip, Motion]]:
    """(name, source clip, retargeted motion) of clips spread over a pack."""
    path = need_shared("motion", f"{pack}.bvhpack")
    clips = []
    for i, (name, clip) in enumerate(read_pack(path)):
        if i >= 200:  # the largest pack goes on for thousands, all on one skeleton
            break
        if re.search(wanted, name):
            clips.append((name, clip))
    return [(n, c, retarget_to_smpl(c)) for n, c in clips[:: max(1, len(clips) // count)]]


@pytest.mark.parametrize("pack", PACKS)
def test_real_limbs_keep_their_directions(pack: str) -> None:
    for name, clip, out in _some_clips(pack):
        body = find_body(clip)
        source = clip.world()[0]
        ours = out.joint_positions()
        for near, far in LIMBS:
            for side in SIDES:
                theirs = source[:, getattr(body, far)[side]] - source[:, getattr(body, near)[side]]
                bone = (
                    ours[:, joint_index(f"{side}_{far}")] - ours[:, joint_index(f"{side}_{near}")]
                )
                cosine = np.sum(normalize(theirs) * normalize(bone), axis=-1)
                angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
                assert np.median(angle) < 5, f"{name} {side} {near}: {np.median(angle):.1f} degrees"
                assert angle.max() < 15, f"{name} {side} {near}: {angle.max():.1f} degrees"


@pytest.mark.parametrize("pack", PACKS)
def test_real_hips_face_the_same_way(pack: str) -> None:
    for name, clip, out in _some_clips(pack):
        body = find_body(clip)
        source = clip.world()[0]
        across = source[:, body.hip["left"]] - source[:, body.hip["right"]]
        level = np.hypot(across[:, 0], across[:, 2]) > 0.7 * np.linalg.norm(across, axis=-1)
        theirs = np.arctan2(-across[:, 2], across[:, 0])
        ours = heading_angles(axis_angle_to_matrix(out.poses[:, 0]))
        apart = np.abs((ours - theirs + np.pi) % (2 * np.pi) - np.pi)[level]
        assert np.degrees(apart).max() < 15, f"{name}: {np.degrees(apart).max():.0f} degrees"


@pytest.mark.parametrize("pack", PACKS)
def test_real_bodies_stand_upright_on_the_ground(pack: str) -> None:
    for name, _, out in _some_clips(pack):
        joints = out.joint_positions()
        feet = joints[:, [10, 11], 1].min(axis=1)
        assert -0.05 < np.percentile(feet, 5) < 0.12, (
            f"{name}: feet at {np.percentile(feet, 5):.2f}"
        )
        if any(word in name for word in ("walk", "run", "wave", "bow", "raise")):
            pelvis = np.median(joints[:, 0, 1])
            assert 0.7 < pelvis < 1.1, f"{name}: pelvis at {pelvis:.2f} m"
            assert np.median(joints[:, 15, 1]) > 1.1, f"{name}: head at the pelvis"
            assert np.median(feet) < 0.2, f"{name}: floats at {np.median(feet):.2f} m"


@pytest.mark.parametrize("pack", ["bandai-namco-1", "cmu-actions"])
def test_real_walks_go_forward(pack: str) -> None:
    """The path of a walk or run leads where the body faces."""
    walks = _some_clips(pack, r"_(walk|run|walking|running)_", 20)
    shares = []
    for _, _, out in walks:
        path = np.diff(out.trans[:, [0, 2]], axis=0)
        yaw = heading_angles(axis_angle_to_matrix(out.poses[:, 0]))[:-1]
        ahead = np.sum(path * np.stack([np.sin(yaw), np.cos(yaw)], axis=-1), axis=-1)
        shares.append(ahead.sum() / np.linalg.norm(path, axis=-1).sum())
    # a few of CMU's "walking" clips really step backwards or turn round
    assert np.median(shares) > 0.9
    assert np.mean(np.array(shares) > 0.5) > 0.8


def test_every_joint_of_the_result_is_smpl(clip: BvhClip) -> None:
    out = retarget_to_smpl(clip)
    assert out.poses.shape[1] == 22
    lengths = np.linalg.norm(out.joint_positions()[:, 1:] - out.joint_positions()[:, :1], axis=-1)
    assert np.isfinite(lengths).all()
    assert len(JOINT_NAMES) == len(REST_OFFSETS)
