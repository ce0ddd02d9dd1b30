# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks for, kept in the scene and saved with the file."""

import bpy

from .bridge.armature import is_smpl_armature

MIN_SECONDS, MAX_SECONDS = 1.0, 30.0
MAX_SEED = 2**31 - 1


def _can_be_target(_settings: "HmvlmSettings", thing: bpy.types.Object) -> bool:
    return is_smpl_armature(thing)


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
        description="The SMPL armature to animate. Empty: the active one",
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


def settings(context: bpy.types.Context) -> HmvlmSettings:
    """The settings of the scene in `context`."""
    return context.scene.hmvlm


def target_armature(context: bpy.types.Context) -> bpy.types.Object | None:
    """The chosen SMPL armature, else the active one, else None."""
    chosen = settings(context).target
    if chosen is not None and context.scene.objects.get(chosen.name) is chosen:
        return chosen
    active = context.active_object
    return active if is_smpl_armature(active) else None


def register() -> None:
    """Hang the settings on scenes."""
    bpy.types.Scene.hmvlm = bpy.props.PointerProperty(type=HmvlmSettings)


def unregister() -> None:
    """The inverse of `register`."""
    del bpy.types.Scene.hmvlm


CLASSES = (HmvlmSettings,)
