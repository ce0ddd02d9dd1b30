# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigify's human as Rigify itself generates it, keyed by its FK and by its IK controls."""

import addon_utils
import bpy
import numpy as np
import pytest

from blender_addon.bridge.rig import read_rig
from blender_addon.bridge.rig_keys import RigSettings, keyframe_rig
from blender_addon.core.mapping import find_mapping
from blender_addon.shared.motion import forward_kinematics
from blender_addon.shared.rotations import axis_angle_to_matrix, normalize
from blender_addon.shared.skeleton import REST_OFFSETS, joint_index
from tests.unit.made_up_motion import stepping_motion
from tests.unit.made_up_rigs import BLENDER, direction_errors, planted_slides

SECONDS = 10


def generate_human():
    """The control rig of Rigify's human metarig."""
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    bpy.ops.pose.rigify_generate()
    return max(
        (o for o in bpy.data.objects if o.type == "ARMATURE"), key=lambda o: len(o.data.bones)
    )


@pytest.fixture(scope="module")
def rig_file(tmp_path_factory):
    """A file with the rig, for generating it takes longest."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    armature = generate_human()
    armature.name = "human"
    path = str(tmp_path_factory.mktemp("rigify") / "human.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    return path


@pytest.fixture
def human(rig_file):
    bpy.ops.wm.open_mainfile(filepath=rig_file)
    return bpy.data.objects["human"]


def posed_heads(armature, names, frames: int) -> np.ndarray:
    """(T, N, 3) where the heads of the named bones are, in metres, from frame 1 on."""
    bones, found = [armature.pose.bones[name] for name in names], []
    for frame in range(1, frames + 1):
        bpy.context.scene.frame_set(frame)
        found.append([bone.head[:] for bone in bones])
    return np.array(found)


def foot_errors(heads, rig, bones, motion) -> dict[str, float]:
    """Mean degrees between each foot of (T, N, 3) `heads` and where SMPL's foot turns it to.

    Rigify's ankle lies higher over its sole than SMPL's, so the line from ankle to toe is steeper
    on a foot that stands as level.
    """
    local = axis_angle_to_matrix(motion.poses)
    world, errors = forward_kinematics(local, motion.trans)[1], {}
    for side in ("left", "right"):
        ankle, toe = f"{side}_ankle", f"{side}_foot"
        ahead = BLENDER @ REST_OFFSETS[joint_index(toe)]
        rest = rig.heads[rig.index[bones[toe]]] - rig.heads[rig.index[bones[ankle]]]
        level = np.linalg.norm(rest[:2]) * normalize(ahead[:2])
        turned = BLENDER @ world[:, joint_index(ankle)] @ BLENDER.T
        want = normalize(turned @ np.append(level, rest[2]))
        have = normalize(heads[:, rig.index[bones[toe]]] - heads[:, rig.index[bones[ankle]]])
        cosine = np.clip(np.sum(want * have, axis=-1), -1.0, 1.0)
        errors[ankle] = float(np.degrees(np.arccos(cosine)).mean())
    return errors


@pytest.mark.parametrize("ik", [False, True])
def test_limbs_follow_the_source_and_planted_feet_stay(human, ik):
    rig = read_rig(human)
    mapping = find_mapping(rig)
    assert mapping.family == "Rigify"
    assert len(rig.names) > 600
    motion = stepping_motion(seconds=SECONDS)
    keyframe_rig(
        bpy.context.scene,
        human,
        motion,
        RigSettings(mapping.bones, mapping.family, ik_targets=ik),
        start_frame=1,
        action_name="a walk",
        fps=motion.fps,
    )
    assert human.pose.bones["thigh_parent.L"]["IK_FK"] == (0.0 if ik else 1.0)
    # the bones that deform the mesh follow the ORG- bones, in FK and in IK
    inner = {j: f"ORG-{b.replace('_fk', '')}" for j, b in mapping.bones.items()}
    inner = {j: b for j, b in inner.items() if b in rig.index}
    heads = posed_heads(human, rig.names, motion.num_frames)
    errors = direction_errors(heads, rig, inner, motion)
    assert len(errors) == 10
    errors |= foot_errors(heads, rig, inner, motion)
    assert np.mean(list(errors.values())) < 3.0
    slides = planted_slides(heads, rig, inner, motion)
    assert len(slides) > 4 * SECONDS / 2 - 4  # four points, planted once in two seconds
    assert max(slides) < 0.01
