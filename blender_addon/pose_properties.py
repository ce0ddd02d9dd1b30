# SPDX-License-Identifier: GPL-3.0-or-later
"""The photo that poses are taken from, and how they are keyed; kept in the scene."""

import bpy


class HmvlmPerson(bpy.types.PropertyGroup):
    """Someone in the photo."""

    box: bpy.props.FloatVectorProperty(  # type: ignore[valid-type]
        name="Box",
        description="Left, top, right and bottom around the person, in pixels of the photo",
        size=4,
    )
    score: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Score",
        description="How sure it is that this is a person, from 0 to 1",
    )


class HmvlmPose(bpy.types.PropertyGroup):
    """The photo, the people in it, and where a pose goes."""

    image: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Photo",
        description="The photo that the pose is taken from",
        type=bpy.types.Image,
    )
    path: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="File",
        description="The photo's file. Empty for one that was pasted",
    )
    size: bpy.props.IntVectorProperty(  # type: ignore[valid-type]
        name="Size",
        description="Width and height of the photo in pixels",
        size=2,
    )
    people: bpy.props.CollectionProperty(type=HmvlmPerson)  # type: ignore[valid-type]
    active: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Person",
        description="Whose pose is taken, counted from the largest person on",
        min=0,
    )
    selected_only: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Only Selected Bones",
        description="Key only the mapped bones that are selected; the others stay as they are",
        default=False,
    )
    keep_place: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Keep Place",
        description="Leave the character where it stands; off, the pose stands at the rig's origin",
        default=True,
    )
    keep_heading: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Keep Heading",
        description=(
            "Leave the hips facing the way they do; off, someone who looks into the camera "
            "faces the rig's front"
        ),
        default=False,
    )
    asset_name: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Name",
        description="What the pose is called in the pose library",
        default="Pose",
    )


def register() -> None:
    """Hang them on scenes."""
    bpy.types.Scene.hmvlm_pose = bpy.props.PointerProperty(type=HmvlmPose)


def unregister() -> None:
    """The inverse of `register`."""
    del bpy.types.Scene.hmvlm_pose


CLASSES = (HmvlmPerson, HmvlmPose)
