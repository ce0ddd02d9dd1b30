# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
# (bpy brings no types)
"""Ground, camera and rendering of the demo's scene. Runs in Blender."""

from math import cos, radians, sin
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

FPS = 20
VIDEO_SIZE = (576, 324)
STILL_SIZE = (220, 300)
GROUND = ((0.52, 0.54, 0.56, 1.0), (0.66, 0.68, 0.70, 1.0))
SKY = (0.72, 0.76, 0.80)
_TILT = radians(15.0)  # how far the camera looks down
_ASIDE = 30.0  # degrees from the front to the character's left, where the camera likes to stand
_FLESH = 0.21  # metres around the joints that belong in the picture: the top of the head


def add_ground(joints: np.ndarray) -> bpy.types.Object:
    """A checker of 1 m squares under all of (T, J, 3) joints, with room around."""
    low = np.floor(joints[..., :2].min(axis=(0, 1))).astype(int) - 8
    high = np.ceil(joints[..., :2].max(axis=(0, 1))).astype(int) + 8
    nx, ny = (high - low).tolist()
    xs, ys = np.meshgrid(np.arange(nx + 1) + low[0], np.arange(ny + 1) + low[1])
    vertices = np.stack([xs.ravel(), ys.ravel(), np.zeros(xs.size)], axis=-1)
    row = nx + 1
    faces = [
        (j * row + i, j * row + i + 1, (j + 1) * row + i + 1, (j + 1) * row + i)
        for j in range(ny)
        for i in range(nx)
    ]
    mesh = bpy.data.meshes.new("Ground")
    mesh.from_pydata(vertices.tolist(), [], faces)
    for i, colour in enumerate(GROUND):
        material = bpy.data.materials.new(f"Ground {i}")
        material.diffuse_color = colour
        mesh.materials.append(material)
    for k, polygon in enumerate(mesh.polygons):
        polygon.material_index = (k // nx + k % nx) % 2
    ground = bpy.data.objects.new("Ground", mesh)
    bpy.context.scene.collection.objects.link(ground)
    return ground


def add_camera(joints: np.ndarray) -> bpy.types.Object:
    """A camera that sees the whole of (T, J, 3) joints, from where they come out largest."""
    data = bpy.data.cameras.new("Camera")
    data.lens = 40.0
    camera = bpy.data.objects.new("Camera", data)
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = VIDEO_SIZE
    costs = {}
    for angle in range(-80, 81, 10):
        _aim(camera, angle)
        frame_joints(camera, joints[::5])
        farthest = np.linalg.norm(joints[::5] - np.array(camera.location), axis=-1).max()
        costs[angle] = farthest * (1 + 0.003 * abs(angle - _ASIDE))
    _aim(camera, min(costs, key=lambda angle: costs[angle]))
    frame_joints(camera, joints)
    return camera


def _aim(camera: bpy.types.Object, angle: float) -> None:
    """Look back at a character who faces -Y, from `angle` degrees to its left."""
    turn = radians(angle)
    look = Vector((-sin(turn) * cos(_TILT), cos(turn) * cos(_TILT), -sin(_TILT)))
    camera.rotation_euler = look.to_track_quat("-Z", "Y").to_euler()


def frame_joints(camera: bpy.types.Object, joints: np.ndarray) -> None:
    """Move the camera, without turning it, until (..., 3) joints just fit into the picture."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * _FLESH
    points = (joints.reshape(-1, 1, 3) + corners).reshape(-1, 3)
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    camera.location = camera.camera_fit_coords(depsgraph, points.ravel().tolist())[0]


def set_up_render(scene: bpy.types.Scene) -> None:
    """Workbench: seconds on a processor where EEVEE takes minutes."""
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"
    if scene.world is None:
        scene.world = bpy.data.worlds.new("World")
    scene.world.color = SKY
    scene.display.render_aa = "FXAA"  # samples cost three times as much
    shading = scene.display.shading
    shading.light, shading.color_type = "STUDIO", "MATERIAL"
    shading.show_shadows, shading.shadow_intensity = True, 0.4
    shading.show_cavity = True
    shading.cavity_type = "WORLD"
    scene.display.light_direction = (0.35, 0.9, 0.25)  # Y is up here, and it points to the light


def render_video(scene: bpy.types.Scene, path: Path) -> None:
    """The whole range as H.264 in MP4."""
    scene.render.resolution_x, scene.render.resolution_y = VIDEO_SIZE
    image = scene.render.image_settings
    if hasattr(image, "media_type"):  # from Blender 5.0 on, before the format
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"
    scene.render.ffmpeg.format = "MPEG4"
    scene.render.ffmpeg.codec = "H264"
    scene.render.ffmpeg.constant_rate_factor = "HIGH"
    scene.render.filepath = str(path)
    scene.render.use_file_extension = False
    bpy.ops.render.render(animation=True)


def render_stills(
    scene: bpy.types.Scene,
    camera: bpy.types.Object,
    joints: np.ndarray,
    frames: list[int],
    folder: Path,
) -> list[np.ndarray]:
    """(height, width, 3) uint8 pictures of single frames, the camera close to the figure."""
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode = "PNG", "RGB"
    scene.render.resolution_x, scene.render.resolution_y = STILL_SIZE
    path = folder / ".still.png"
    scene.render.filepath = str(path)
    pictures = []
    for frame in frames:
        scene.frame_set(frame)
        frame_joints(camera, joints[frame - 1])
        bpy.ops.render.render(write_still=True)
        pictures.append(_read(path))
    path.unlink()
    return pictures


def _read(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
