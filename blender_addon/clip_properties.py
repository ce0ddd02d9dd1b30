# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip that is described or tracked, kept in the scene."""

import bpy


class HmvlmClip(bpy.types.PropertyGroup):
    """A video file, and what is asked about it."""

    path: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Clip",
        description="The video that is described or tracked: mp4, mov, webm or gif",
        subtype="FILE_PATH",
    )
    question: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Question",
        description="What to ask, such as: Which hand do they wave with? Empty: describe it",
    )
    start: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="From",
        description="The second of the clip from which on it is described or tracked",
        min=0.0,
        max=24 * 3600.0,
        soft_max=60.0,
        step=10,
        precision=2,
    )
    seconds: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Seconds",
        description="How much of the clip is described or tracked. 0: to its end. Tracking takes "
        "at most 60 seconds at a time",
        min=0.0,
        max=24 * 3600.0,
        soft_max=60.0,
        step=10,
        precision=2,
    )
    in_place: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="In Place",
        description="Track the body's moves without the way that the person goes",
        default=False,
    )


def register() -> None:
    """Hang it on scenes."""
    bpy.types.Scene.hmvlm_clip = bpy.props.PointerProperty(type=HmvlmClip)


def unregister() -> None:
    """The inverse of `register`."""
    del bpy.types.Scene.hmvlm_clip


CLASSES = (HmvlmClip,)
