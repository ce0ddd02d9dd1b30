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
