# SPDX-License-Identifier: GPL-3.0-or-later
"""The photo beside the rig, with the people's boxes and the pose's skeleton drawn over it."""

from dataclasses import dataclass
from typing import Any

import blf
import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..core.asks import PoseAsk
from ..core.overlay import box_lines, skeleton_lines
from . import runtime
from .errors import BridgeError

_COLOURS = {
    "left": (0.25, 0.6, 1.0, 1.0),
    "right": (1.0, 0.4, 0.35, 1.0),
    "middle": (1.0, 1.0, 1.0, 1.0),
    "box": (0.7, 0.7, 0.7, 1.0),
    "chosen": (1.0, 0.8, 0.2, 1.0),
}
_WIDTH, _FONT = 2.5, 14
_SHARE = 0.4  # of the 3D view's width goes to the photo


@dataclass
class _Holder:
    handler: object | None = None


_holder = _Holder()


def show_beside(context: bpy.types.Context) -> None:
    """Show the photo in an image editor: one that is open, or the left part of the 3D view.

    Raises BridgeError without a photo or a 3D view.
    """
    image = context.scene.hmvlm_pose.image
    if image is None:
        raise BridgeError("Open or paste a photo first.")
    areas = list(context.screen.areas)
    editor = next((a for a in areas if a.type == "IMAGE_EDITOR"), None)
    if editor is None:
        view = context.area if context.area in areas and context.area.type == "VIEW_3D" else None
        view = view or next((a for a in areas if a.type == "VIEW_3D"), None)
        if view is None:
            raise BridgeError("Open a 3D view first: the photo goes beside it.")
        with context.temp_override(area=view, region=_main_region(view)):
            bpy.ops.screen.area_split(direction="VERTICAL", factor=_SHARE)
        new = [a for a in context.screen.areas if a not in areas]
        editor = min([view, *new], key=lambda a: a.x)  # the left one of the two
        editor.type = "IMAGE_EDITOR"
    space: Any = editor.spaces.active
    space.image = image
    with context.temp_override(area=editor, region=_main_region(editor)):
        bpy.ops.image.view_all(fit_view=True)
    editor.tag_redraw()


def _main_region(area: bpy.types.Area) -> bpy.types.Region:
    return next(region for region in area.regions if region.type == "WINDOW")


def draw() -> None:
    """Called by Blender whenever it draws an image editor."""
    context = bpy.context
    asked: Any = context.scene.hmvlm_pose
    space: Any = context.space_data
    if asked.image is None or space.image != asked.image:
        return
    region = context.region
    boxes = [tuple(person.box) for person in asked.people]
    if len(boxes) > 1:
        for i, lines in enumerate(box_lines(boxes, asked.size)):
            colour = _COLOURS["chosen" if i == asked.active else "box"]
            _draw_lines(region, lines, colour)
            _draw_number(region, lines[0], i + 1, colour)
    session = runtime.peek()
    pose = session.latest.get(PoseAsk.task) if session is not None else None
    ask = pose.request if pose is not None else None
    if pose is None or not isinstance(ask, PoseAsk) or ask.picture != asked.image.name:
        return
    for side, lines in skeleton_lines(pose.arrays["joints_image"], ask.size).items():
        _draw_lines(region, lines, _COLOURS[side])


def _on_screen(region: bpy.types.Region, points: np.ndarray) -> list[tuple[float, float]]:
    view = region.view2d
    return [view.view_to_region(float(x), float(y), clip=False) for x, y in points]


def _draw_lines(
    region: bpy.types.Region, points: np.ndarray, colour: tuple[float, float, float, float]
) -> None:
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", _WIDTH * bpy.context.preferences.system.ui_scale)
    shader.uniform_float("color", colour)
    places = [(x, y, 0.0) for x, y in _on_screen(region, points)]
    gpu.state.blend_set("ALPHA")
    batch_for_shader(shader, "LINES", {"pos": places}).draw(shader)
    gpu.state.blend_set("NONE")


def _draw_number(
    region: bpy.types.Region,
    corner: np.ndarray,
    number: int,
    colour: tuple[float, float, float, float],
) -> None:
    scale = bpy.context.preferences.system.ui_scale
    ((x, y),) = _on_screen(region, corner[None])
    blf.size(0, _FONT * scale)
    blf.color(0, *colour)
    blf.position(0, x + 5 * scale, y - (_FONT + 4) * scale, 0)
    blf.draw(0, str(number))


def register() -> None:
    """Draw over image editors."""
    _holder.handler = bpy.types.SpaceImageEditor.draw_handler_add(draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    """The inverse of `register`."""
    if _holder.handler is not None:
        bpy.types.SpaceImageEditor.draw_handler_remove(_holder.handler, "WINDOW")
    _holder.handler = None
