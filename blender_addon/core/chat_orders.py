# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that ask for one of the add-on's own operators, and not for an answer. No bpy here.

A slash command always is one. A sentence is one only when it names both what to do and what it is
done to, as in "describe this animation" or "track the clip": anything else goes to the model,
which also makes the motions.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """operator: one of ORDERS' names. rest: what follows the command, such as a question."""

    operator: str
    rest: str = ""


@dataclass(frozen=True)
class _Kind:
    command: str
    operator: str
    help: str
    sentence: str


_THE = r"(?:the|this|that|my|its|current|active|selected|loaded)"
_ANIMATION = r"(?:action|animation|keyframes)"
_CLIP = r"(?:clip|video|movie|footage|strip)"
_PHOTO = r"(?:photo|picture|image|photograph)"
_PLEASE = r"(?:please |can you |could you |now |ok |okay )*"
_KINDS = (
    _Kind(
        "action",
        "describe_action",
        "say what the animation on the armature shows",
        rf"(?:describe|caption|read)(?: \w+)?? {_THE}(?: \w+)?? {_ANIMATION}"
        rf"|what (?:does|is in) {_THE}(?: \w+)?? {_ANIMATION}(?: show| do)?",
    ),
    _Kind(
        "describe",
        "describe_clip",
        "say what the clip shows, or answer the question that follows",
        rf"(?:describe|caption|watch) {_THE}(?: \w+)?? {_CLIP}"
        rf"|what (?:does|is in|happens in) {_THE}(?: \w+)?? {_CLIP}(?: show)?",
    ),
    _Kind(
        "track",
        "track_clip",
        "key the motion of the person in the clip",
        rf"(?:track|capture|mocap) {_THE}(?: \w+)?? {_CLIP}(?: .*)?"
        rf"|(?:track|capture) .*\b(?:from|in) {_THE} {_CLIP}",
    ),
    _Kind(
        "pose",
        "pose_from_photo",
        "key the pose of the person in the photo",
        rf"(?:use|take|key|copy|match|set)(?: \w+)* pose (?:from|in|of|out of) {_THE} {_PHOTO}"
        rf"|pose (?:\w+ )*(?:from|like|as in) {_THE} {_PHOTO}",
    ),
)
ORDERS = {kind.command: kind.operator for kind in _KINDS}


class UnknownOrderError(ValueError):
    """A slash command that there is none of; the message lists them."""


def order_in(text: str) -> Order | None:
    """The order in a message, None for one to answer. Raises UnknownOrderError."""
    text = " ".join(text.split())
    if text.startswith("/"):
        command, _, rest = text[1:].partition(" ")
        if command == "help":
            return Order("help")
        if command not in ORDERS:
            raise UnknownOrderError(f"There is no command /{command}. {help_text()}")
        return Order(ORDERS[command], rest.strip())
    plain = re.sub(r"[.!?]+$", "", text.lower())
    for kind in _KINDS:
        if re.fullmatch(rf"{_PLEASE}(?:{kind.sentence})(?: please)?", plain):
            return Order(kind.operator)
    return None


def help_text() -> str:
    """What can be typed."""
    lines = [f"/{kind.command}: {kind.help}" for kind in _KINDS]
    return "\n".join(["Type a message, or one of", *lines])
