# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of one action taken over into another, around a stretch of time that is its own."""

from collections.abc import Iterable

import bpy
import numpy as np

_FLOATS = {"co": 2, "handle_left": 2, "handle_right": 2}
_NUMBERS = ("interpolation", "easing", "handle_left_type", "handle_right_type")


def join_keys(
    action: bpy.types.Action, other: bpy.types.Action, slot: str, first: float, last: float
) -> None:
    """Add to `action` the keys of `other` that lie before `first` or after `last`.

    Of channels that only `other` has, all keys. slot: the identifier of the slot of `other` that
    counts. The action's frame range grows with them.
    """
    ours = {(c.data_path, c.array_index): c for c in curves(action)}
    frames = [action.frame_start, action.frame_end]
    for theirs in list(curves(other, slot)):
        values = _read(theirs)
        at = values["co"][:, 0]
        curve = ours.get((theirs.data_path, theirs.array_index))
        if curve is None:
            curve = _new_curve(action, theirs)
        else:
            outside = (at < first - 1e-3) | (at > last + 1e-3)
            values = {name: value[outside] for name, value in values.items()}
            mine = _read(curve)
            before = values["co"][:, 0] < first
            values = {
                name: np.concatenate([value[before], mine[name], value[~before]])
                for name, value in values.items()
            }
        if len(values["co"]):
            frames += [values["co"][0, 0], values["co"][-1, 0]]
        _write(curve, values)
    action.frame_start, action.frame_end = min(frames), max(frames)


def curves(action: bpy.types.Action, slot: str = "") -> Iterable[bpy.types.FCurve]:
    """The curves of a slot of the action, of every slot when "" is asked for."""
    if bpy.app.version < (4, 4, 0):
        yield from action.fcurves
        return
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if not slot or bag.slot is None or bag.slot.identifier == slot:
                    yield from bag.fcurves


def _new_curve(action: bpy.types.Action, like: bpy.types.FCurve) -> bpy.types.FCurve:
    if bpy.app.version < (4, 4, 0):
        group = like.group.name if like.group is not None else ""
        return action.fcurves.new(like.data_path, index=like.array_index, action_group=group)
    bag = action.layers[0].strips[0].channelbag(action.slots[0], ensure=True)
    curve = bag.fcurves.new(like.data_path, index=like.array_index)
    if like.group is not None:
        curve.group = bag.groups.get(like.group.name) or bag.groups.new(like.group.name)
    return curve


def _read(curve: bpy.types.FCurve) -> dict[str, np.ndarray]:
    points, found = curve.keyframe_points, {}
    for name, width in _FLOATS.items():
        values = np.zeros(len(points) * width, dtype=np.float32)
        points.foreach_get(name, values)
        found[name] = values.reshape(-1, width)
    for name in _NUMBERS:
        numbers = np.zeros(len(points), dtype=np.int32)
        points.foreach_get(name, numbers)
        found[name] = numbers
    return found


def _write(curve: bpy.types.FCurve, values: dict[str, np.ndarray]) -> None:
    points, count = curve.keyframe_points, len(values["co"])
    if count > len(points):
        points.add(count - len(points))
    for name, value in values.items():
        points.foreach_set(name, np.ascontiguousarray(value).ravel())
    curve.update()
