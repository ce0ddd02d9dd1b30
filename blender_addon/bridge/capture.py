# SPDX-License-Identifier: GPL-3.0-or-later
"""What an armature does, read as SMPL motion: as it stands now, or over its animation.

The evaluated pose is read, so that IK, constraints, drivers and NLA count.
"""

from collections.abc import Callable, Iterable

import bpy
import numpy as np

from ..core.capture import capture_rig, capture_smpl, watched_bones
from ..core.mapping import MappingError
from ..shared.motion import Motion
from .action import scene_fps
from .armature import BODY_BONES, is_smpl_armature, rest_pose
from .axes import to_smpl
from .errors import BridgeError
from .rig import read_rig
from .rig_keys import scene_depsgraph
from .rig_mapping import rig_settings

FPS = 20.0  # the model's
MAX_FRAMES = 160  # of a longer animation fewer a second are read, so that Blender stays responsive

Read = Callable[[np.ndarray, float], Motion]


def capture_now(scene: bpy.types.Scene, armature: bpy.types.Object) -> Motion:
    """One frame: the armature as it is posed. Raises BridgeError when its mapping does not do."""
    names, read = _reader(scene, armature)
    return read(np.stack([_poses(scene, armature, names)]), FPS)


def capture_animation(scene: bpy.types.Scene, armature: bpy.types.Object) -> Motion:
    """The animation of the armature's action, or of the scene's range without one.

    The playhead goes through the frames and back. Raises BridgeError for an armature without
    animation, or whose mapping does not do.
    """
    animation = armature.animation_data
    if animation is None or not (animation.action or animation.nla_tracks or animation.drivers):
        raise BridgeError(f"'{armature.name}' has no animation: key some, or choose an action.")
    if animation.action is not None:
        first, last = animation.action.frame_range
    else:
        first, last = float(scene.frame_start), float(scene.frame_end)
    seconds = max(last - first, 0.0) / scene_fps(scene)
    fps = FPS if seconds * FPS < MAX_FRAMES else (MAX_FRAMES - 1) / seconds
    frames = first + np.arange(int(seconds * fps + 1e-6) + 1) * scene_fps(scene) / fps
    return capture_frames(scene, armature, frames, fps)


def capture_frames(
    scene: bpy.types.Scene, armature: bpy.types.Object, frames: np.ndarray, fps: float
) -> Motion:
    """The armature at (T,) frames of the scene, as a motion of `fps`.

    The playhead goes there and back. Raises BridgeError when the mapping does not do.
    """
    names, read = _reader(scene, armature)
    return read(np.stack(list(_over_time(scene, armature, names, frames))), fps)


def _over_time(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    names: tuple[str, ...],
    frames: np.ndarray,
) -> Iterable[np.ndarray]:
    before = scene.frame_current, scene.frame_subframe
    try:
        for frame in frames:
            whole = int(np.floor(frame + 1e-6))
            scene.frame_set(whole, subframe=float(np.clip(frame - whole, 0.0, 0.999999)))
            yield _poses(scene, armature, names)
    finally:
        scene.frame_set(before[0], subframe=before[1])


def _poses(
    scene: bpy.types.Scene, armature: bpy.types.Object, names: tuple[str, ...]
) -> np.ndarray:
    """(N, 4, 4) the evaluated poses of these bones, in the armature's space."""
    depsgraph = scene_depsgraph(scene, armature)
    seen = armature if depsgraph is None else armature.evaluated_get(depsgraph)
    bones = seen.pose.bones
    return np.array([bones[name].matrix for name in names], dtype=np.float64)


def _reader(scene: bpy.types.Scene, armature: bpy.types.Object) -> tuple[tuple[str, ...], Read]:
    """The bones to read, and what makes a motion of their (T, N, 4, 4) poses."""
    if is_smpl_armature(armature):
        rests, _ = rest_pose(armature)

        def read_smpl(poses: np.ndarray, fps: float) -> Motion:
            columns = to_smpl(np.swapaxes(poses[..., :3, :3], -1, -2))
            pelvis = to_smpl(poses[:, 0, :3, 3])
            return capture_smpl(rests[: len(BODY_BONES)], np.swapaxes(columns, -1, -2), pelvis, fps)

        return BODY_BONES, read_smpl
    rig = read_rig(armature, scene_depsgraph(scene, armature))
    bones = watched_bones(rig, rig_settings(scene, armature).bones)
    names = tuple(dict.fromkeys(bones.values()))

    def read_rig_motion(poses: np.ndarray, fps: float) -> Motion:
        posed = {name: poses[:, i] for i, name in enumerate(names)}
        try:
            return capture_rig(rig, bones, posed, fps)
        except MappingError as error:
            raise BridgeError(f"'{armature.name}': {error}") from error

    return names, read_rig_motion
