# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
# (bpy brings no types)
"""Runs in Blender: `python -m backend.demo.scene FOLDER TITLE`.

Reads FOLDER/motion.npz and keys it with the add-on's own code; writes motion.blend, preview.mp4
and filmstrip.png.
"""

import json
import sys
from pathlib import Path

import bpy
import numpy as np

from backend.demo import picture, stage
from backend.demo.blender import REPORT
from backend.demo.body import add_body
from blender_addon.bridge.action import keyframe_motion, scene_fps
from blender_addon.bridge.armature import BODY_BONES, add_smpl_armature
from blender_addon.bridge.axes import to_blender
from blender_addon.shared.motion import Motion

STILLS = 8


def main(folder: Path, title: str) -> None:
    """Build, save, render."""
    motion = Motion.load_npz(folder / "motion.npz")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = stage.FPS, 1.0
    armature = add_smpl_armature(bpy.context, "SMPL")
    add_body(armature)
    action = keyframe_motion(
        armature, motion, start_frame=1, action_name=title, fps=scene_fps(scene)
    )
    scene.frame_start, scene.frame_end = 1, int(action.frame_end)
    armature.hide_set(True)
    armature.show_in_front = False
    joints = to_blender(motion.resampled(scene_fps(scene)).joint_positions())
    stage.add_ground(joints)
    camera = stage.add_camera(joints)
    stage.set_up_render(scene)
    scene.frame_set(1)
    bpy.context.preferences.filepaths.save_version = 0  # no motion.blend1 beside it
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "motion.blend"), compress=True)
    keys = int(action.frame_end) * (4 * len(BODY_BONES) + 3)
    report("saved", blender=bpy.app.version_string, keys=keys, bones=len(BODY_BONES))

    count = scene.frame_end
    show = {"frames": 0}

    def on_frame(*_: object) -> None:
        show["frames"] += 1
        report("progress", fraction=show["frames"] / count, message="rendering")

    bpy.app.handlers.render_write.append(on_frame)
    stage.render_video(scene, folder / "preview.mp4")
    bpy.app.handlers.render_write.remove(on_frame)
    frames = np.linspace(1, count, min(STILLS, count)).round().astype(int)
    stills = stage.render_stills(scene, camera, joints, frames.tolist(), folder)
    times = [(frame - 1) / scene_fps(scene) for frame in frames]
    picture.tile(stills, times, title, folder / "filmstrip.png")
    report("rendered", frames=count, stills=len(stills))


def report(event: str, **values: object) -> None:
    """Tell the process that started this one."""
    print(REPORT + json.dumps({"event": event, **values}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
