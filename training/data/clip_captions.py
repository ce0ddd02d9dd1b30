# SPDX-License-Identifier: Apache-2.0
"""Which of a clip's captions a description of it may be: those that say what is seen.

The captions of the prepared data are what people ask for: orders, scenes, bystanders. A description
is a sentence in the third person that names the action and its side; who does it cannot be seen in
landmarks, so that is "a person" in all of them, and an arm that only hangs is left out.
"""

import re

from . import caption_words as words
from .caption_content import RESTING, names_content, names_sides, shown, sides_shown
from .prepared import PreparedClip

_SUBJECTS = sorted({subject for subject, _ in words.SUBJECTS}, key=len, reverse=True)
_SUBJECT = re.compile(
    r"^(?:we see )?(" + "|".join(map(re.escape, _SUBJECTS)) + r")(?: who| that)? (\S+)(.*)$"
)
_OWN = re.compile(r"\b(?:his|her|its|himself|herself|itself)\b")
_LONGEST = 20
_MOST = 8


def descriptions(clip: PreparedClip) -> list[str]:
    """Up to eight descriptions of a clip; empty where none of its captions is one."""
    content, sides = shown(clip), sides_shown(clip)
    out: list[str] = []
    for caption in clip.captions:
        text = in_third_person(caption)
        if text and names_content(text, content) and names_sides(text, sides) and text not in out:
            out.append(text)
    return out[:_MOST]


def in_third_person(caption: str) -> str:
    """A caption as a sentence about "a person", capital and full stop; empty where it is none."""
    text = " ".join(RESTING.sub(" ", caption.lower()).split()).rstrip(".")
    match = _SUBJECT.match(text)
    if match is None or len(text.split()) > _LONGEST:
        return ""
    subject, verb, rest = match.groups()
    if subject == "they":  # "they walk and wave": each verb would have to change
        verb = "is" if verb == "are" else ""
    if not verb.endswith(("s", "ly")):
        return ""  # "he must walk", "a person walking"
    rest = _OWN.sub(lambda own: "themselves" if "self" in own[0] else "their", rest)
    return f"A person {verb}{rest}."
