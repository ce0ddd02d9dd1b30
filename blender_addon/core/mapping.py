# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone of a rig plays which SMPL joint: found by known names, else by the hierarchy.

No bpy here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .body_search import search_body
from .bone_names import BODY_JOINTS, FAMILIES, Family, is_mechanism, known_names
from .rig import Rig

FORMAT, VERSION = "hmvlm-bone-mapping", 1
REQUIRED: tuple[str, ...] = (
    "pelvis",
    *(f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle")),
)
"""What retargeting cannot do without: the legs give the scale and the way the rig faces."""

_ENOUGH = 0.85  # of a family's bones have to be there to call it by its name
_ALL_OF = frozenset((*REQUIRED, "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"))


class MappingError(ValueError):
    """A mapping that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class BoneMatch:
    """A joint's bone ("" for none), how sure that is (0 to 1), and why it was taken."""

    bone: str
    confidence: float
    reason: str


NO_MATCH = BoneMatch("", 0.0, "no bone found")


@dataclass(frozen=True)
class BoneMapping:
    """A match for each of SMPL's 22 body joints, and the kind of rig they were found as."""

    family: str
    matches: dict[str, BoneMatch]

    @property
    def bones(self) -> dict[str, str]:
        """Joint -> bone, of the joints that have one."""
        return {joint: match.bone for joint, match in self.matches.items() if match.bone}

    def with_bone(self, joint: str, bone: str) -> "BoneMapping":
        """The mapping with one joint's bone chosen by hand; "" takes it away."""
        match = BoneMatch(bone, 1.0 if bone else 0.0, "chosen by hand")
        return replace(self, matches={**self.matches, joint: match})


def find_mapping(rig: Rig) -> BoneMapping:
    """The mapping as far as it can be found: a known kind of rig by its names, else by search."""
    family, bones = _known_family(rig)
    searched = search_body(rig) if family is None else {}
    if family is not None:
        matches = {j: BoneMatch(b, 1.0, f"{family.name} name") for j, b in bones.items()}
    else:
        matches = {
            joint: BoneMatch(rig.names[found.bone], found.confidence, found.reason)
            for joint, found in searched.items()
        }
    name = family.name if family is not None else ("unknown" if matches else "")
    return BoneMapping(name, {joint: matches.get(joint, NO_MATCH) for joint in BODY_JOINTS})


def check_mapping(bones: Mapping[str, str], rig: Rig) -> None:
    """Raise MappingError unless `bones` (joint -> bone) can be animated on `rig`."""
    missing = [joint for joint in REQUIRED if not bones.get(joint)]
    if missing:
        raise MappingError(f"No bone is chosen for {_listed(missing)}: choose it in the Rig panel.")
    gone = [bone for bone in bones.values() if bone not in rig.index]
    if gone:
        raise MappingError(
            f"The armature has no bone {_listed(gone)}: detect the mapping again or choose others."
        )
    twice = sorted({bone for bone in bones.values() if list(bones.values()).count(bone) > 1})
    if twice:
        raise MappingError(
            f"The bone {_listed(twice)} is chosen for several joints: leave one of them empty."
        )


def family_named(name: str) -> Family | None:
    """The known kind of rig of that name."""
    return next((family for family in FAMILIES if family.name == name), None)


def _known_family(rig: Rig) -> tuple[Family | None, dict[str, str]]:
    names = known_names(n for n in rig.names if not is_mechanism(n))
    best: tuple[float, Family | None, dict[str, str]] = (0.0, None, {})
    for family in FAMILIES:
        wanted = list(family.candidates())
        found = {
            joint: next(names[n] for n in options if n in names)
            for joint, options in wanted
            if any(n in names for n in options)
        }
        share = len(found) / len(wanted)
        if share >= _ENOUGH and found.keys() >= _ALL_OF and share > best[0]:
            best = (share, family, found)
    return best[1], best[2]


def mapping_to_json(mapping: BoneMapping) -> str:
    """The mapping as a preset that people can read and share."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "rig": mapping.family,
        "joints": {joint: mapping.matches[joint].bone for joint in BODY_JOINTS},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def mapping_from_json(text: str, rig: Rig) -> tuple[BoneMapping, tuple[str, ...]]:
    """A preset applied to a rig, and the bones that it names but the rig lacks.

    Raises MappingError for text that is no preset, and when the rig has none of its bones.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MappingError(f"This is not a JSON file ({error}): choose a saved mapping.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MappingError("This JSON file is not a bone mapping: choose one saved by this add-on.")
    if document.get("version") != VERSION:
        raise MappingError(
            f"The mapping has version {document.get('version')}, this add-on reads {VERSION}: "
            "update the add-on, or save the mapping again."
        )
    joints = document.get("joints")
    if not isinstance(joints, dict) or not all(isinstance(b, str) for b in joints.values()):
        raise MappingError("The mapping's 'joints' must give a bone's name for each joint.")
    unknown = sorted(set(joints) - set(BODY_JOINTS))
    if unknown:
        raise MappingError(f"The mapping names joints that there are not: {_listed(unknown)}.")
    there = known_names(rig.names)
    matches, missing = {}, []
    for joint in BODY_JOINTS:
        bone = joints.get(joint, "")
        found = bone if bone in rig.index else there.get(bone.lower(), "")
        if bone and not found:
            missing.append(bone)
        matches[joint] = BoneMatch(found, 1.0, "from the preset") if found else NO_MATCH
    if not any(match.bone for match in matches.values()):
        raise MappingError("The armature has none of the mapping's bones: choose another mapping.")
    family = document.get("rig")
    return BoneMapping(family if isinstance(family, str) else "", matches), tuple(missing)


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
