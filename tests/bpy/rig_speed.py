# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to put a motion on a rig; `python -m tests.bpy.rig_speed` prints it.

Two figures with their aims: a clip of 10 s onto a generated Rigify human, all in all, and the
keys of 200 frames x 24 bones alone. Wall time, the best and the middle of several runs: run it on
a machine that does nothing else.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

import bpy
import numpy as np

from blender_addon.bridge.action import Keys, bone_path, write_action
from blender_addon.bridge.armature import add_smpl_armature
from blender_addon.bridge.rig import read_rig
from blender_addon.bridge.rig_keys import RigSettings, keyframe_rig
from blender_addon.core.mapping import find_mapping
from blender_addon.shared.skeleton import JOINT_NAMES
from tests.unit.made_up_motion import stepping_motion

CLIP_SECONDS, FRAMES = 10.0, 200
RETARGET_AIM_S, KEYS_AIM_S = 1.0, 0.02


def measure(work: Callable[[], object], runs: int) -> list[float]:
    """Seconds of each run, from the quickest on; a first one is not counted."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return sorted(times)


def report(what: str, times: list[float], aim: float) -> None:
    best, middle = times[0] * 1000, statistics.median(times) * 1000
    print(f"{what:<58} best {best:7.1f} ms  middle {middle:7.1f} ms  aim {aim * 1000:6.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    runs = parser.parse_args().runs
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    smpl = add_smpl_armature(bpy.context)
    values = np.random.default_rng(0).normal(size=(FRAMES, 4))
    keys = [Keys(bone_path(name, "rotation_quaternion"), name, values) for name in JOINT_NAMES[:24]]
    times = measure(lambda: write_action(smpl, keys, start_frame=1, action_name="a"), runs)
    report(f"keys of {FRAMES} frames x {len(keys)} bones", times, KEYS_AIM_S)

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
                fps=scene.render.fps / scene.render.fps_base,
            )

        frames = motion.resampled(scene.render.fps).num_frames
        what = (
            f"{frames} frames onto {len(human.data.bones)} bones of Rigify, {'IK' if ik else 'FK'}"
        )
        report(what, measure(put_on, runs), RETARGET_AIM_S)
    sys.stdout.flush()
    os._exit(0)  # with Rigify, Blender as a module may hang or crash when it ends


if __name__ == "__main__":
    main()
