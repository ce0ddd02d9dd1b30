# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to put a motion on a rig; `python -m tests.bpy.rig_speed` prints it.

Two figures with their aims: a clip of 10 s onto a generated Rigify human, all in all, and the
keys of 200 frames x 24 bones alone. The best of several runs, in wall time and in processor time;
on a machine that does other things too, only the latter says something.
"""

import argparse
import os
import time
from collections.abc import Callable

import bpy
import numpy as np

from blender_addon.bridge.action import Keys, bone_path, scene_fps, write_action
from blender_addon.bridge.armature import add_smpl_armature
from blender_addon.bridge.rig import read_rig
from blender_addon.bridge.rig_keys import RigSettings, keyframe_rig
from blender_addon.core.mapping import find_mapping
from blender_addon.shared.skeleton import JOINT_NAMES
from tests.unit.made_up_motion import stepping_motion

CLIP_SECONDS, FRAMES = 10.0, 200
RETARGET_AIM_S, KEYS_AIM_S = 1.0, 0.02


def report(what: str, work: Callable[[], object], runs: int, aim: float) -> None:
    """Print the best of `runs` runs; a first one is not counted. aim: seconds."""
    work()
    wall, processor = [], []
    for _ in range(runs):
        begun = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begun[0])
        processor.append(time.process_time() - begun[1])
    took = f"wall {min(wall) * 1000:7.1f} ms, processor {min(processor) * 1000:7.1f} ms"
    print(f"{what:<46} {took}, aim {aim * 1000:.0f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    runs = parser.parse_args().runs
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    smpl = add_smpl_armature(bpy.context)
    values = np.random.default_rng(0).normal(size=(FRAMES, 4))
    keys = [Keys(bone_path(name, "rotation_quaternion"), name, values) for name in JOINT_NAMES[:24]]
    report(
        f"keys of {FRAMES} frames x {len(keys)} bones",
        lambda: write_action(smpl, keys, start_frame=1, action_name="a"),
        runs,
        KEYS_AIM_S,
    )

    import addon_utils  # only once bpy is there

    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    bpy.ops.pose.rigify_generate()
    armatures = [o for o in bpy.data.objects if o.type == "ARMATURE"]
    human = max(armatures, key=lambda o: len(o.data.bones))
    mapping, motion = find_mapping(read_rig(human)), stepping_motion(seconds=CLIP_SECONDS)
    for ik in (False, True):
        chosen = RigSettings(mapping.bones, mapping.family, ik_targets=ik)

        def put_on(chosen: RigSettings = chosen) -> None:
            keyframe_rig(
                scene,
                human,
                motion,
                chosen,
                start_frame=1,
                action_name="a",
                fps=scene_fps(scene),
            )

        frames = motion.resampled(scene.render.fps).num_frames
        kind = "IK" if ik else "FK"
        what = f"{frames} frames onto {len(human.data.bones)} bones of Rigify, {kind}"
        report(what, put_on, runs, RETARGET_AIM_S)
    os._exit(0)  # with Rigify, Blender as a module may hang or crash when it ends


if __name__ == "__main__":
    main()
