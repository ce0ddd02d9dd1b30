# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
# (bpy brings no types)
"""Runs in Blender: `python -m training.figure.scene JOB.npz FOLDER`, see `rendering`.

Y stays up, as in the job: nothing here depends on Blender's own up.
"""

import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from training.figure.rendering import DONE, picture_name

_GROUND = 40.0  # metres, half a side


def main(job_path: Path, folder: Path) -> None:
    """Render each picture of the job that is not in the folder yet."""
    with np.load(job_path) as job:
        _set_up(bpy.context, int(job["size"]))
        people = [_person(job, k) for k in range(int(job["people"]))]
        for i, person in enumerate(job["person"]):
            path = folder / picture_name(i)
            if not path.is_file():
                _place(job, i, people[person])
                for k, other in enumerate(people):
                    other.hide_render = k != person
                part = folder / f".part-{path.name}"
                bpy.context.scene.render.filepath = str(part)
                bpy.ops.render.render(write_still=True)
                part.replace(path)
            print(f"{DONE}{i + 1}", flush=True)


def _set_up(context: bpy.types.Context, size: int) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = context.scene
    render = scene.render
    render.engine = "BLENDER_WORKBENCH"
    render.resolution_x = render.resolution_y = size
    render.resolution_percentage = 100
    render.use_file_extension = False
    image = render.image_settings
    if hasattr(image, "media_type"):  # from Blender 5.0 on, before the format
        image.media_type = "IMAGE"
    image.file_format, image.color_mode = "PNG", "RGB"
    scene.view_settings.view_transform = "Standard"
    scene.display.render_aa = "FXAA"  # samples cost three times as much
    shading = scene.display.shading
    shading.light, shading.color_type = "STUDIO", "MATERIAL"
    shading.show_specular_highlight = False  # skin and cloth, not plastic
    scene.world = bpy.data.worlds.new("World")
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.camera.data.sensor_width = 2.0  # so that the lens is the focal length in half pictures
    scene.camera.data.clip_start = 0.05
    scene.collection.objects.link(scene.camera)
    ground = bpy.data.meshes.new("Ground")
    corners = [(x * _GROUND, 0.0, z * _GROUND) for x, z in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    ground.from_pydata(corners, [], [(0, 1, 2, 3)])
    ground.materials.append(bpy.data.materials.new("Ground"))
    scene.collection.objects.link(bpy.data.objects.new("Ground", ground))


def _person(job: np.lib.npyio.NpzFile, number: int) -> bpy.types.Object:
    faces = job[f"faces_{number}"]
    mesh = bpy.data.meshes.new(f"Person {number}")
    mesh.from_pydata(np.zeros((int(faces.max()) + 1, 3)).tolist(), [], faces.tolist())
    for colour in job[f"colours_{number}"]:
        material = bpy.data.materials.new("Colour")
        material.diffuse_color = (*colour.tolist(), 1.0)
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", job[f"materials_{number}"])
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    person = bpy.data.objects.new(mesh.name, mesh)
    bpy.context.scene.collection.objects.link(person)
    return person


def _place(job: np.lib.npyio.NpzFile, number: int, person: bpy.types.Object) -> None:
    scene = bpy.context.scene
    person.data.vertices.foreach_set("co", job[f"vertices_{number}"].ravel())
    person.data.update()
    scene.camera.matrix_world = Matrix(job["placed"][number].tolist())
    scene.camera.data.lens = float(job["focal"][number])
    ground, sky = job["backdrop"][number].tolist()
    bpy.data.materials["Ground"].diffuse_color = (*ground, 1.0)
    scene.world.color = sky


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
