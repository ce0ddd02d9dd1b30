# SPDX-License-Identifier: GPL-3.0-or-later
"""The armature and its keyframes, against our own forward kinematics."""

import bpy
import numpy as np
import pytest

from blender_addon.bridge.action import keyframe_motion, scene_fps
from blender_addon.bridge.armature import BODY_BONES, add_smpl_armature, is_smpl_armature
from blender_addon.bridge.axes import to_blender
from blender_addon.bridge.errors import BridgeError
from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import JOINT_NAMES, PARENTS, rest_joint_positions


def curves_of(action):
    if bpy.app.version < (4, 4, 0):
        return list(action.fcurves)
    return [
        c for layer in action.layers for s in layer.strips for b in s.channelbags for c in b.fcurves
    ]


def heads(armature) -> np.ndarray:
    return np.array([armature.pose.bones[name].head for name in BODY_BONES])


def test_the_armature_is_smpl_standing_on_the_ground_facing_the_front_view():
    armature = add_smpl_armature(bpy.context, "Body", (1.0, 2.0, 0.0))
    bones = armature.data.bones
    assert is_smpl_armature(armature)
    assert bpy.context.active_object == armature
    assert [b.name for b in bones] == sorted(JOINT_NAMES, key=[b.name for b in bones].index)
    for j, name in enumerate(JOINT_NAMES):
        parent = bones[name].parent
        assert (parent.name if parent else None) == (JOINT_NAMES[PARENTS[j]] if j else None)
        assert bones[name].length > 0.02
    rest = np.array([bones[name].head_local for name in JOINT_NAMES])
    want = to_blender(rest_joint_positions())
    assert np.abs((rest - rest[0]) - (want - want[0])).max() < 1e-5
    assert 0 < rest[:, 2].min() < 0.05
    assert 1.4 < rest[:, 2].max() < 1.7
    assert bones["left_foot"].head_local.y < bones["left_ankle"].head_local.y  # toes to the front
    assert bones["left_wrist"].head_local.x > 0
    assert tuple(armature.location) == (1.0, 2.0, 0.0)


def test_bones_of_left_and_right_mirror_each_other():
    bones = add_smpl_armature(bpy.context).data.bones
    flip = np.diag([-1.0, 1.0, 1.0])
    for name in JOINT_NAMES:
        if name.startswith("left_"):
            left = np.array(bones[name].matrix_local.to_3x3())
            right = np.array(bones["right_" + name[5:]].matrix_local.to_3x3())
            # a mirrored frame is left-handed: its X axis is turned round
            assert np.abs(flip @ left @ np.diag([-1.0, 1.0, 1.0]) - right).max() < 1e-4, name


@pytest.mark.parametrize("fps", [20.0, 24.0, 24 / 1.001, 60.0])
def test_posed_joints_are_where_forward_kinematics_puts_them(motion, fps):
    armature = add_smpl_armature(bpy.context)
    keyframe_motion(armature, motion, start_frame=5, action_name="a walk", fps=fps)
    want = to_blender(motion.resampled(fps).joint_positions())
    worst = 0.0
    for frame in range(len(want)):
        bpy.context.scene.frame_set(5 + frame)
        worst = max(worst, np.abs(heads(armature) - want[frame]).max())
    assert worst < 1e-4
    assert tuple(armature.location) == (0.0, 0.0, 0.0)  # the pelvis moves, the object stays


def test_edited_rest_axes_are_respected(motion):
    armature = add_smpl_armature(bpy.context)
    bpy.ops.object.mode_set(mode="EDIT")
    for i, bone in enumerate(armature.data.edit_bones):
        bone.roll += 0.3 * i
    armature.data.edit_bones["left_elbow"].tail.z += 0.1
    bpy.ops.object.mode_set(mode="OBJECT")
    keyframe_motion(armature, motion, start_frame=1, action_name="rolled", fps=20.0)
    bpy.context.scene.frame_set(31)
    assert np.abs(heads(armature) - to_blender(motion.joint_positions()[30])).max() < 1e-4


def test_quaternions_do_not_flip(motion):
    armature = add_smpl_armature(bpy.context)
    action = keyframe_motion(armature, motion, start_frame=1, action_name="a", fps=20.0)
    by_bone = {}
    for curve in curves_of(action):
        if curve.data_path.endswith("rotation_quaternion"):
            values = [k.co.y for k in curve.keyframe_points]
            by_bone.setdefault(curve.data_path, {})[curve.array_index] = values
    assert len(by_bone) == 22
    for channels in by_bone.values():
        q = np.stack([channels[i] for i in range(4)], axis=-1)
        assert np.abs(np.linalg.norm(q, axis=-1) - 1).max() < 1e-5
        assert (np.sum(q[1:] * q[:-1], axis=-1) > 0).all()


def test_keys_lie_on_whole_frames_at_the_rate_of_the_scene(motion):
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 30, 1.001
    armature = add_smpl_armature(bpy.context)
    action = keyframe_motion(
        armature, motion, start_frame=-3, action_name="a", fps=scene_fps(scene)
    )
    seconds = (motion.num_frames - 1) / motion.fps
    last = -3 + round(seconds * 30 / 1.001)
    assert tuple(action.frame_range) == (-3.0, float(last))
    for curve in curves_of(action):
        frames = [k.co.x for k in curve.keyframe_points]
        assert frames == [float(f) for f in range(-3, last + 1)]


def test_a_single_pose_makes_one_key():
    armature = add_smpl_armature(bpy.context)
    pose = Motion(np.full((1, 22, 3), 0.1), np.zeros((1, 3)), 20.0)
    action = keyframe_motion(armature, pose, start_frame=12, action_name="pose", fps=24.0)
    assert {len(c.keyframe_points) for c in curves_of(action)} == {1}
    bpy.context.scene.frame_set(12)
    assert np.abs(heads(armature) - to_blender(pose.joint_positions()[0])).max() < 1e-4


def test_a_second_motion_plays_and_the_first_is_kept(motion):
    armature = add_smpl_armature(bpy.context)
    first = keyframe_motion(armature, motion, start_frame=1, action_name="walk", fps=20.0)
    second = keyframe_motion(
        armature, motion.mirrored(), start_frame=1, action_name="walk", fps=20.0
    )
    bpy.context.scene.frame_set(40)
    want = to_blender(motion.mirrored().joint_positions()[39])
    assert np.abs(heads(armature) - want).max() < 1e-4
    assert armature.animation_data.action == second
    assert first.use_fake_user
    if bpy.app.version >= (4, 4, 0):
        assert armature.animation_data.action_slot == second.slots[0]


def test_two_armatures_do_not_share_an_action(motion):
    one, two = add_smpl_armature(bpy.context, "A"), add_smpl_armature(bpy.context, "B")
    keyframe_motion(one, motion, start_frame=1, action_name="same", fps=20.0)
    keyframe_motion(two, motion.mirrored(), start_frame=1, action_name="same", fps=20.0)
    bpy.context.scene.frame_set(60)
    assert np.abs(heads(one) - to_blender(motion.joint_positions()[59])).max() < 1e-4
    assert np.abs(heads(two) - to_blender(motion.mirrored().joint_positions()[59])).max() < 1e-4


def test_long_and_odd_action_names(motion):
    armature = add_smpl_armature(bpy.context)
    name = "ein müder Mann läuft " * 20
    action = keyframe_motion(armature, motion, start_frame=1, action_name=name, fps=20.0)
    assert action.name.startswith("ein müder Mann")
    blank = keyframe_motion(armature, motion, start_frame=1, action_name="  ", fps=20.0)
    assert blank.name


def test_a_wrong_target_is_refused_and_nothing_is_left(motion):
    data = bpy.data.armatures.new("Other")
    other = bpy.data.objects.new("Other", data)
    bpy.context.collection.objects.link(other)
    with pytest.raises(BridgeError, match="Add SMPL Armature"):
        keyframe_motion(other, motion, start_frame=1, action_name="a", fps=20.0)
    assert len(bpy.data.actions) == 0
    assert other.animation_data is None


def test_twenty_four_joints_are_keyed_and_twenty_two_suffice(motion):
    armature = add_smpl_armature(bpy.context)
    poses = np.concatenate([motion.poses, np.full((60, 2, 3), 0.2)], axis=1)
    full = Motion(poses, motion.trans, 20.0)
    keyframe_motion(armature, full, start_frame=1, action_name="a", fps=20.0)
    bpy.ops.object.mode_set(mode="EDIT")
    for name in ("left_hand", "right_hand"):
        armature.data.edit_bones.remove(armature.data.edit_bones[name])
    bpy.ops.object.mode_set(mode="OBJECT")
    keyframe_motion(armature, full, start_frame=1, action_name="b", fps=20.0)
    bpy.context.scene.frame_set(50)
    assert np.abs(heads(armature) - to_blender(motion.joint_positions()[49])).max() < 1e-4


def test_the_file_saves_and_loads_with_its_motion(motion, tmp_path):
    armature = add_smpl_armature(bpy.context, "Body")
    keyframe_motion(armature, motion, start_frame=1, action_name="walk", fps=20.0)
    path = str(tmp_path / "a.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    bpy.context.scene.frame_set(60)
    armature = bpy.data.objects["Body"]
    assert np.abs(heads(armature) - to_blender(motion.joint_positions()[59])).max() < 1e-4
