# SPDX-License-Identifier: GPL-3.0-or-later
"""What Generate is told beyond the prompt, and the clips that came of it; saved with the file."""

import bpy

from .bridge.clips import show_chosen
from .bridge.rig import is_rig
from .core.styles import STYLES
from .properties import MAX_SECONDS, MIN_SECONDS

MAX_VARIANTS = 8
# made, kept or thrown away; of what was thrown away the way it was made stays
NEW, KEPT, REJECTED = "NEW", "KEPT", "REJECTED"


def _is_curve(_settings: "HmvlmGenerate", thing: bpy.types.Object) -> bool:
    return thing.type == "CURVE"


def _is_rig(_clip: "HmvlmClip", thing: bpy.types.Object) -> bool:
    return is_rig(thing)


def _chosen(made: "HmvlmGenerate", _context: bpy.types.Context) -> None:
    """A click on a row shows that clip on its armature."""
    show_chosen(made.id_data, made)


class HmvlmStep(bpy.types.PropertyGroup):
    """One prompt of a sequence."""

    prompt: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Prompt",
        description="What the person does in this part",
    )
    choose_length: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Auto Length",
        description="Let the model choose how long this part is",
    )
    seconds: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Seconds",
        description="How long this part is",
        default=3.0,
        min=MIN_SECONDS,
        max=MAX_SECONDS - 1.0,
        step=50,
        precision=1,
    )


class HmvlmClip(bpy.types.PropertyGroup):
    """One clip that was made, and how; `name` is its prompt."""

    action: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Action", description="The keys of the clip", type=bpy.types.Action
    )
    armature: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Armature",
        description="The armature that it was made for",
        type=bpy.types.Object,
        poll=_is_rig,
    )
    before: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Before",
        description="The action that the armature had before, which Discard brings back",
        type=bpy.types.Action,
    )
    before_slot: bpy.props.StringProperty(name="Slot Before")  # type: ignore[valid-type]
    state: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="State",
        items=(
            (NEW, "New", "Not kept or discarded yet"),
            (KEPT, "Kept", "Kept"),
            (REJECTED, "Discarded", "Its keys were removed; it can be made again"),
        ),
    )
    group: bpy.props.StringProperty(name="Group")  # type: ignore[valid-type]
    number: bpy.props.IntProperty(name="Number", default=1)  # type: ignore[valid-type]
    seed: bpy.props.StringProperty(name="Seed")  # type: ignore[valid-type]
    seconds: bpy.props.FloatProperty(name="Seconds")  # type: ignore[valid-type]
    model: bpy.props.StringProperty(name="Model")  # type: ignore[valid-type]
    start_frame: bpy.props.IntProperty(name="Start Frame")  # type: ignore[valid-type]
    order: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Order", description="All that its motion depends on, to make it again"
    )


class HmvlmGenerate(bpy.types.PropertyGroup):
    """How clips are made, in `scene.hmvlm_generate`."""

    mode: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Prompts",
        description="One prompt, or several that follow each other",
        items=(
            ("ONE", "One Prompt", "One prompt makes one clip"),
            ("SEQUENCE", "Sequence", "A list of prompts, one after another, blended into one clip"),
        ),
    )
    steps: bpy.props.CollectionProperty(type=HmvlmStep)  # type: ignore[valid-type]
    step: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Prompt", description="The prompt that is edited below"
    )
    text: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Text",
        description="The text that holds the prompt, edited in a text editor",
        type=bpy.types.Text,
    )
    style: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Style",
        description="Words on how the person moves, added to the prompt",
        items=tuple(
            (style.id, style.label, f"Adds '{style.words}'" if style.words else "Adds nothing")
            for style in STYLES
        ),
    )
    variants: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Variants",
        description="How many motions to make at once, each with a seed of its own",
        default=1,
        min=1,
        max=MAX_VARIANTS,
    )
    preview: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Live Preview",
        description=(
            "Move the armature with the frames as they are made; it is as it was until the "
            "motion is keyed"
        ),
        default=True,
    )
    start_at: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="First Frame",
        description="Where the motion begins in time",
        items=(
            ("FRAME", "Frame", "At the frame below"),
            ("PLAYHEAD", "Playhead", "At the current frame"),
            ("SCENE", "Scene Start", "At the first frame of the timeline"),
            ("AFTER", "After Action", "At the last frame of the armature's action"),
        ),
    )
    into_action: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Keys",
        description="Which keys the action has",
        items=(
            ("NEW", "New Action", "An action with this motion alone"),
            (
                "JOIN",
                "With Current Action",
                "A new action with the keys of the current one before and after this motion",
            ),
        ),
    )
    begin_from: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Begin",
        description="What the motion goes on from",
        items=(
            ("FREE", "Anywhere", "As the model likes, from the armature's origin"),
            ("POSE", "Current Pose", "In the pose and place in which the armature is now"),
            ("ACTION", "Current Action", "Go on from the second before its first frame"),
        ),
    )
    end_in: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="End",
        description="The pose that the motion ends in",
        items=(
            ("FREE", "Anywhere", "As the model likes"),
            ("FRAME", "Pose at Frame", "The pose of the armature at a frame"),
            ("ACTION", "Pose of Action", "The first pose of an action, such as a pose asset"),
        ),
    )
    end_frame: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Frame", description="The frame at which the armature is in the pose to end in"
    )
    end_action: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Action", description="The action whose first pose to end in", type=bpy.types.Action
    )
    in_place: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="In Place",
        description="Leave out the way over the ground, as games want it",
    )
    path: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Path",
        description="A curve that the motion is led along, at its own speed",
        type=bpy.types.Object,
        poll=_is_curve,
    )
    loop: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Loop",
        description="Cut the motion to its best cycle and close it, so that it can be repeated",
    )
    clips: bpy.props.CollectionProperty(type=HmvlmClip)  # type: ignore[valid-type]
    clip: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Clip", description="Click to see this clip on its armature", update=_chosen
    )
    preview_armature: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Previewed", type=bpy.types.Object
    )
    preview_pose: bpy.props.StringProperty(name="Pose Before")  # type: ignore[valid-type]


def generate_settings(context: bpy.types.Context) -> HmvlmGenerate:
    """The settings of the scene in `context`."""
    return context.scene.hmvlm_generate


def chosen_clip(context: bpy.types.Context) -> HmvlmClip | None:
    """The clip that is selected in the list."""
    made = generate_settings(context)
    return made.clips[made.clip] if 0 <= made.clip < len(made.clips) else None


def register() -> None:
    """Hang the settings on scenes."""
    bpy.types.Scene.hmvlm_generate = bpy.props.PointerProperty(type=HmvlmGenerate)


def unregister() -> None:
    """The inverse of `register`."""
    del bpy.types.Scene.hmvlm_generate


CLASSES = (HmvlmStep, HmvlmClip, HmvlmGenerate)
