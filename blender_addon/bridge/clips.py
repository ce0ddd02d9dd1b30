# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips of a scene: what was made, which of it is shown, kept or thrown away.

Every action that we make is in this list, held by it and by a fake user; throwing it away removes
it from the file. So none is ever left over.
"""

from typing import Any

import bpy

from ..core.history import order_to_text
from ..core.order import Order, Step
from ..core.requests import Arrived
from .errors import BridgeError

Slot = str
"""The identifier of a slot of an action; "" before Blender 4.4, and without an action."""


def assigned(armature: bpy.types.Object) -> tuple[bpy.types.Action | None, Slot]:
    """The armature's action and the slot of it in use."""
    animation = armature.animation_data
    if animation is None or animation.action is None:
        return None, ""
    slot = getattr(animation, "action_slot", None)
    return animation.action, slot.identifier if slot is not None else ""


def assign(armature: bpy.types.Object, action: bpy.types.Action | None, slot: Slot = "") -> None:
    """Give the armature an action, with the slot of this name or the first that suits it."""
    animation = armature.animation_data or armature.animation_data_create()
    animation.action = action
    if action is not None and hasattr(animation, "action_slot"):
        fitting = list(animation.action_suitable_slots)
        named = [s for s in fitting if s.identifier == slot]
        if named or animation.action_slot is None:
            animation.action_slot = (named or fitting or [None])[0]
    armature.update_tag()


def record(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    action: bpy.types.Action,
    arrived: Arrived,
    before: tuple[bpy.types.Action | None, Slot],
    model: str,
) -> Any:
    """Enter a clip that was just keyed into the list (an HmvlmClip), and mark its action."""
    request = arrived.request
    order = request.order or Order((Step(request.prompt, request.seconds),), request.seed)
    made = scene.hmvlm_generate
    mate = next((c for c in made.clips if order.group and c.group == order.group), None)
    if mate is not None:  # what was there before the first of them
        before = (mate.before, mate.before_slot)
    clip = made.clips.add()
    clip.name, clip.action, clip.armature = order.name, action, armature
    clip.before, clip.before_slot = before
    clip.group, clip.number = order.group, order.number
    clip.seed, clip.seconds, clip.model = str(order.seed), arrived.motion.seconds, model
    clip.start_frame, clip.order = int(action.frame_start), order_to_text(order)
    action.use_fake_user = True
    action["hmvlm_prompt"], action["hmvlm_model"] = clip.name, model
    # numbers in properties have 32 bits, seeds may have more
    action["hmvlm_seed"] = order.seed if order.seed < 2**31 else str(order.seed)
    action["hmvlm_order"] = clip.order
    return clip


def take_back(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    action: bpy.types.Action,
    before: tuple[bpy.types.Action | None, Slot],
    layers_before: int,
) -> None:
    """Undo the keying of an action that could not be seen through.

    before, layers_before: the armature's action, slot and number of NLA tracks as they were.
    """
    listed = scene.hmvlm_generate.clips
    for i in reversed(range(len(listed))):
        if listed[i].action == action:
            listed.remove(i)
    for track in list(armature.animation_data.nla_tracks)[layers_before:]:
        armature.animation_data.nla_tracks.remove(track)
    assign(armature, *before)
    bpy.data.actions.remove(action)


def new_clips(scene: bpy.types.Scene) -> list[Any]:
    """The clips that are neither kept nor discarded yet."""
    return [c for c in scene.hmvlm_generate.clips if c.state == "NEW" and c.action is not None]


def choose(scene: bpy.types.Scene, clip: Any) -> None:
    """Select its row."""
    made = scene.hmvlm_generate
    index = next(i for i, other in enumerate(made.clips) if other == clip)
    if made.clip != index:
        made.clip = index


def show_chosen(scene: bpy.types.Scene, made: Any) -> None:
    """Show the clip whose row was selected, where that is possible."""
    if 0 <= made.clip < len(made.clips):
        clip = made.clips[made.clip]
        if clip.action is not None and usable(scene, clip.armature) and not is_shown(clip):
            show(scene, clip)


def usable(scene: bpy.types.Scene, armature: bpy.types.Object | None) -> bool:
    """Whether the armature is in the scene and open to changes of its animation."""
    if armature is None or armature.library is not None:
        return False
    tweaks = armature.animation_data is not None and armature.animation_data.use_tweak_mode
    return scene.objects.get(armature.name) == armature and not tweaks


def is_shown(clip: Any) -> bool:
    """Whether the armature moves as this clip."""
    if clip.action is None or clip.armature is None or clip.armature.animation_data is None:
        return False
    if clip.armature.animation_data.action == clip.action:
        return True
    return any(not track.mute for track in layers(clip))


def show(scene: bpy.types.Scene, clip: Any) -> None:
    """Have the armature move as this clip; of others of its group their layers fall silent."""
    if clip.action is None:
        raise BridgeError(f"The keys of '{clip.name}' are gone: make it again.")
    if not usable(scene, clip.armature):
        raise BridgeError("Its armature is gone or locked: choose another clip.")
    mine = layers(clip)
    if not mine:
        assign(clip.armature, clip.action)
        return
    for other in scene.hmvlm_generate.clips:
        if clip.group and other.group == clip.group:
            for track in layers(other):
                track.mute = other != clip
    for track in mine:
        track.mute = False
    clip.armature.update_tag()


def keep(clip: Any) -> None:
    """It is good: off the list of new ones, into the history."""
    clip.state, clip.before = "KEPT", None


def discard(scene: bpy.types.Scene, clip: Any) -> None:
    """Remove its keys from the file; the armature goes back to another new one of its group, or
    to what it had before."""
    action, armature = clip.action, clip.armature
    clip.state = "REJECTED"
    if action is None:
        return
    shown = is_shown(clip)
    for other in scene.hmvlm_generate.clips:
        if other.before == action:
            other.before, other.before_slot = clip.before, clip.before_slot
    if armature is not None and armature.animation_data is not None:
        for track in layers(clip):
            armature.animation_data.nla_tracks.remove(track)
        if armature.animation_data.action == action:
            assign(armature, clip.before, clip.before_slot)
    bpy.data.actions.remove(action)
    mates = [c for c in new_clips(scene) if clip.group and c.group == clip.group]
    if shown and mates and usable(scene, mates[-1].armature):
        show(scene, mates[-1])
    clip.before = None


def push_to_nla(scene: bpy.types.Scene, clip: Any) -> None:
    """Put it on an NLA track of its own, over those that are there, and keep it."""
    if clip.action is None:
        raise BridgeError(f"The keys of '{clip.name}' are gone: make it again.")
    if not usable(scene, clip.armature):
        raise BridgeError("Its armature is gone or locked: choose another clip.")
    if layers(clip):
        raise BridgeError("It is in the NLA already.")
    animation = clip.armature.animation_data or clip.armature.animation_data_create()
    slot = getattr(animation, "action_slot", None) if animation.action == clip.action else None
    if animation.action == clip.action:
        animation.action = None
    track = animation.nla_tracks.new()
    track.name = clip.action.name
    strip = track.strips.new(clip.action.name, int(clip.action.frame_start), clip.action)
    if hasattr(strip, "action_slot") and strip.action_slot is None:
        strip.action_slot = slot or next(iter(strip.action_suitable_slots), None)
    keep(clip)
    clip.armature.update_tag()


def layers(clip: Any) -> list[bpy.types.NlaTrack]:
    """The NLA tracks that hold this clip."""
    if clip.armature is None or clip.armature.animation_data is None or clip.action is None:
        return []
    tracks = clip.armature.animation_data.nla_tracks
    return [t for t in tracks if any(strip.action == clip.action for strip in t.strips)]
