# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks for, kept in the scene and saved with the file."""

import bpy

from .bridge.rig import is_rig

MIN_SECONDS, MAX_SECONDS = 1.0, 30.0
MAX_SEED = 2**31 - 1


def _can_be_target(_settings: "HmvlmSettings", thing: bpy.types.Object) -> bool:
    return is_rig(thing)


def _bone_chosen(joint: "HmvlmJoint", _context: bpy.types.Context) -> None:
    joint.confidence = 1.0 if joint.bone else 0.0
    joint.reason = "chosen by hand" if joint.bone else "no bone chosen"


class HmvlmJoint(bpy.types.PropertyGroup):
    """One SMPL joint's bone; `name` is the joint."""

    bone: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Bone",
        description="The bone that follows this joint. Empty: none does",
        update=_bone_chosen,
    )
    confidence: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Confidence",
        description="How sure the match is, from 0 to 1",
        min=0.0,
        max=1.0,
    )
    reason: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Reason",
        description="Why this bone was taken",
    )


class HmvlmRig(bpy.types.PropertyGroup):
    """The bone mapping of one armature."""

    armature: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Armature",
        description="The armature that the mapping is for",
        type=bpy.types.Object,
    )
    family: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Kind of Rig",
        description="The known kind of rig that the bones' names belong to",
    )
    joints: bpy.props.CollectionProperty(type=HmvlmJoint)  # type: ignore[valid-type]
    active: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Joint",
        description="The joint whose match is explained",
    )


class HmvlmSettings(bpy.types.PropertyGroup):
    """The request that Generate sends."""

    prompt: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Prompt",
        description="What the person does, such as: a person walks forward and waves",
        default="a person walks forward and waves with the right hand",
    )
    choose_length: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Auto Length",
        description="Let the model choose: it ends the motion where it finds it complete",
        default=False,
    )
    seconds: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Seconds",
        description="How long the motion is",
        default=4.0,
        min=MIN_SECONDS,
        max=MAX_SECONDS,
        step=50,
        precision=1,
    )
    random_seed: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Random Seed",
        description="Draw a new seed for every motion; it is shown, so that it can be used again",
        default=True,
    )
    seed: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Seed",
        description="The same prompt with the same seed gives the same motion",
        default=0,
        min=0,
        max=MAX_SEED,
    )
    target: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Armature",
        description="The armature to animate, of any rig. Empty: the active one",
        type=bpy.types.Object,
        poll=_can_be_target,
    )
    start_frame: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Start Frame",
        description="The frame of the motion's first key",
        default=1,
    )
    fit_range: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Fit Scene Range",
        description="Make the scene start and end with the motion",
        default=True,
    )
    foot_lock: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Foot Lock",
        description="Keep planted feet in their place, whatever the rig's proportions",
        default=True,
    )
    ik_targets: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="IK Controls",
        description="Key the IK controls of hands and feet of a known rig too, and switch it to IK",
        default=False,
    )
    selected_only: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Only Selected Bones",
        description="Key only the mapped bones that are selected; the others stay as they are",
        default=False,
    )
    as_layer: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="As NLA Layer",
        description="Put the motion on an NLA track of its own, over the motions that are there",
        default=False,
    )
    rigs: bpy.props.CollectionProperty(type=HmvlmRig)  # type: ignore[valid-type]


def settings(context: bpy.types.Context) -> HmvlmSettings:
    """The settings of the scene in `context`."""
    return context.scene.hmvlm


def target_armature(context: bpy.types.Context) -> bpy.types.Object | None:
    """The chosen armature, else the active one, else None."""
    chosen = settings(context).target
    if chosen is not None and context.scene.objects.get(chosen.name) is chosen:
        return chosen
    active = context.active_object
    return active if is_rig(active) else None


def register() -> None:
    """Hang the settings on scenes."""
    bpy.types.Scene.hmvlm = bpy.props.PointerProperty(type=HmvlmSettings)


def unregister() -> None:
    """The inverse of `register`."""
    del bpy.types.Scene.hmvlm


CLASSES = (HmvlmJoint, HmvlmRig, HmvlmSettings)
