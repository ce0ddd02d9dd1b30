# SPDX-License-Identifier: GPL-3.0-or-later
"""What bones are called: sides and words in a name, and the published names of known rigs.

No bpy here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..shared.skeleton import JOINT_NAMES, NUM_BODY_JOINTS

BODY_JOINTS: tuple[str, ...] = JOINT_NAMES[:NUM_BODY_JOINTS]
SIDES: tuple[str, str] = ("left", "right")

# helpers that a rig's own constraints move: never keyed, never a target
_MECHANISM = ("ORG-", "DEF-", "MCH-", "VIS_", "WGT-", "VIS-", "P-", "STR-", "TGT-", "HLP-")
_MARKS = {
    "left": "left",
    "l": "left",
    "lft": "left",
    "right": "right",
    "r": "right",
    "rgt": "right",
}
# words that make a bone another one than its name otherwise says
_HELPERS = """
ik twist twk tweak roll pole target socket weapon prop ctrl pivot parent end nub helper corrective
bulge offset stretch heel bank orient attach
"""
_HELPER_WORDS = frozenset(_HELPERS.split())


@dataclass(frozen=True)
class BoneName:
    """A name taken apart: side "left", "right" or "", and its words in lower case."""

    side: str
    words: tuple[str, ...]

    @property
    def joined(self) -> str:
        return "".join(self.words)

    @property
    def helper(self) -> bool:
        """Whether the name says that this is not the bone of a body part itself."""
        return not _HELPER_WORDS.isdisjoint(self.words)


@dataclass(frozen=True)
class Family:
    """A kind of rig by its published names.

    bones: body part -> the bone's name; "{}" stands for the side as `sides` writes it and "|"
    separates alternatives. Limb parts are named without their side ("shoulder", "knee").
    switches: custom properties (bone, name, value in FK, value in IK) to set for the controls.
    ik: controls of "wrist", "ankle", "elbow_pole", "knee_pole", where the rig has them.
    """

    name: str
    sides: tuple[str, str]
    bones: dict[str, str]
    switches: tuple[tuple[str, str, float, float], ...] = ()
    ik: dict[str, str] = field(default_factory=dict)

    def candidates(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """(SMPL joint, names its bone can have, in lower case) for every part of the table."""
        for part, names in self.bones.items():
            if "{}" not in names:
                yield part, tuple(names.lower().split("|"))
                continue
            for side, mark in zip(SIDES, self.sides, strict=True):
                yield f"{side}_{part}", tuple(names.format(*[mark] * 4).lower().split("|"))

    def switch_values(self, *, ik: bool) -> Iterator[tuple[str, str, float]]:
        """The switches with the sides written out: (bone, property, value)."""
        for bone, name, in_fk, in_ik in self.switches:
            for mark in self.sides if "{}" in bone else ("",):
                yield bone.format(mark), name, in_ik if ik else in_fk


def parse(name: str) -> BoneName:
    """Take a bone's name apart: LeftHand, hand_l, hand.L, L_Hand, lHand, mixamorig:LeftHand."""
    bare = plain(name)
    words = [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", bare)]
    # a mark at the end or at the start counts; one in the middle only when nothing else does
    order = [len(words) - 1, 0, *range(1, len(words) - 1)] if words else []
    for i in order:
        if words[i] in _MARKS:
            side = _MARKS[words[i]]
            return BoneName(side, tuple(words[:i] + words[i + 1 :]))
    for side in SIDES:  # leftarm, armleft
        for i, word in enumerate(words):
            rest = word.removeprefix(side).removesuffix(side)
            if rest != word:
                return BoneName(side, tuple(words[:i] + ([rest] if rest else []) + words[i + 1 :]))
    return BoneName("", tuple(words))


def plain(name: str) -> str:
    """The name without the namespace or character prefix that exporters put before it."""
    bare = name.split(":")[-1]
    return re.sub(
        r"^(mixamorig\d*|[mf]_avg|character\d*|bip\d+|bip|valvebiped)[_ .]", "", bare, flags=re.I
    )


def is_mechanism(name: str) -> bool:
    """Whether the name marks a helper inside a control rig, such as Rigify's MCH-, ORG-, DEF-."""
    return name.startswith(_MECHANISM) or name.lower().startswith(("tweak_", "mch_"))


def known_names(names: Iterable[str]) -> dict[str, str]:
    """Bone names by what the families know them as; of two alike the first counts."""
    found: dict[str, str] = {}
    for name in names:
        for key in (name.lower(), plain(name).lower()):
            found.setdefault(key, name)
    return found


def _limbs(arm: tuple[str, str, str, str], leg: tuple[str, str, str, str]) -> dict[str, str]:
    parts = ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")
    return dict(zip(parts, (*arm, *leg), strict=True))


def _spine(pelvis: str, one: str, two: str, three: str, neck: str, head: str) -> dict[str, str]:
    parts = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
    named = zip(parts, (pelvis, one, two, three, neck, head), strict=True)
    return {part: name for part, name in named if name}


FAMILIES: tuple[Family, ...] = (
    Family(
        "Rigify",
        ("L", "R"),
        # spine_fk.001 and spine_fk turn the hips: the torso control carries those
        _spine("torso", "spine_fk.002", "", "spine_fk.003", "neck", "head")
        | _limbs(
            ("shoulder.{}", "upper_arm_fk.{}", "forearm_fk.{}", "hand_fk.{}"),
            ("thigh_fk.{}", "shin_fk.{}", "foot_fk.{}", "toe_fk.{}|toe.{}"),
        ),
        (
            ("upper_arm_parent.{}", "IK_FK", 1.0, 0.0),
            ("upper_arm_parent.{}", "FK_limb_follow", 0.0, 0.0),
            ("upper_arm_parent.{}", "pole_vector", 0.0, 1.0),
            ("thigh_parent.{}", "IK_FK", 1.0, 0.0),
            ("thigh_parent.{}", "FK_limb_follow", 0.0, 0.0),
            ("thigh_parent.{}", "pole_vector", 0.0, 1.0),
            ("torso", "neck_follow", 1.0, 1.0),
            ("torso", "head_follow", 1.0, 1.0),
        ),
        {
            "wrist": "hand_ik.{}",
            "ankle": "foot_ik.{}",
            "elbow_pole": "upper_arm_ik_target.{}",
            "knee_pole": "thigh_ik_target.{}",
        },
    ),
    Family(
        "Auto-Rig Pro",
        ("l", "r"),
        _spine(
            "c_root_master.x|c_root.x",
            "c_spine_01.x",
            "c_spine_02.x",
            "c_spine_03.x",
            "c_neck.x",
            "c_head.x",
        )
        | _limbs(
            ("c_shoulder.{}", "c_arm_fk.{}", "c_forearm_fk.{}", "c_hand_fk.{}"),
            ("c_thigh_fk.{}", "c_leg_fk.{}", "c_foot_fk.{}", "c_toes_fk.{}"),
        ),
        (("c_hand_ik.{}", "ik_fk_switch", 1.0, 0.0), ("c_foot_ik.{}", "ik_fk_switch", 1.0, 0.0)),
        {
            "wrist": "c_hand_ik.{}",
            "ankle": "c_foot_ik.{}",
            "elbow_pole": "c_arms_pole.{}",
            "knee_pole": "c_leg_pole.{}",
        },
    ),
    Family(
        "Rigify metarig",
        ("L", "R"),
        _spine("spine", "spine.001", "spine.002", "spine.003", "spine.004|neck", "spine.006|head")
        | _limbs(
            ("shoulder.{}", "upper_arm.{}", "forearm.{}", "hand.{}"),
            ("thigh.{}", "shin.{}", "foot.{}", "toe.{}"),
        ),
    ),
    Family(
        "Mixamo",
        ("Left", "Right"),
        _spine("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head")
        | _limbs(
            ("{}Shoulder", "{}Arm", "{}ForeArm", "{}Hand"),
            ("{}UpLeg", "{}Leg", "{}Foot", "{}ToeBase"),
        ),
    ),
    Family(
        "CMU",
        ("Left", "Right"),
        _spine("Hips", "LowerBack", "Spine", "Spine1", "Neck", "Head")
        | _limbs(
            ("{}Shoulder", "{}Arm", "{}ForeArm", "{}Hand"),
            ("{}UpLeg", "{}Leg", "{}Foot", "{}ToeBase"),
        ),
    ),
    Family(
        "Biovision",
        ("Left", "Right"),
        _spine("Hips", "", "", "Chest4|Chest3|Chest2|Chest", "Neck", "Head")
        | _limbs(
            ("{}Collar", "{}Shoulder", "{}Elbow", "{}Wrist"),
            ("{}Hip", "{}Knee", "{}Ankle", "{}Toe"),
        ),
    ),
    Family(
        "Unreal mannequin 5",
        ("l", "r"),
        _spine("pelvis", "spine_02", "spine_03", "spine_05", "neck_02", "head")
        | _limbs(
            ("clavicle_{}", "upperarm_{}", "lowerarm_{}", "hand_{}"),
            ("thigh_{}", "calf_{}", "foot_{}", "ball_{}"),
        ),
        ik={"wrist": "ik_hand_{}", "ankle": "ik_foot_{}"},
    ),
    Family(
        "Unreal mannequin",
        ("l", "r"),
        _spine("pelvis", "spine_01", "spine_02", "spine_03", "neck_01", "head")
        | _limbs(
            ("clavicle_{}", "upperarm_{}", "lowerarm_{}", "hand_{}"),
            ("thigh_{}", "calf_{}", "foot_{}", "ball_{}"),
        ),
        ik={"wrist": "ik_hand_{}", "ankle": "ik_foot_{}"},
    ),
    Family(
        "VRM (VRoid)",
        ("L", "R"),
        _spine(
            "J_Bip_C_Hips",
            "J_Bip_C_Spine",
            "J_Bip_C_Chest",
            "J_Bip_C_UpperChest",
            "J_Bip_C_Neck",
            "J_Bip_C_Head",
        )
        | _limbs(
            ("J_Bip_{}_Shoulder", "J_Bip_{}_UpperArm", "J_Bip_{}_LowerArm", "J_Bip_{}_Hand"),
            ("J_Bip_{}_UpperLeg", "J_Bip_{}_LowerLeg", "J_Bip_{}_Foot", "J_Bip_{}_ToeBase"),
        ),
    ),
    Family(
        "VRM",
        ("left", "right"),
        _spine("hips", "spine", "chest", "upperChest", "neck", "head")
        | _limbs(
            ("{}Shoulder", "{}UpperArm", "{}LowerArm", "{}Hand"),
            ("{}UpperLeg", "{}LowerLeg", "{}Foot", "{}Toes"),
        ),
    ),
    Family(
        "MakeHuman",
        ("L", "R"),
        _spine("root", "spine04", "spine03", "spine01", "neck03|neck02|neck01", "head")
        | _limbs(
            ("clavicle.{}", "upperarm01.{}", "lowerarm01.{}", "wrist.{}"),
            ("upperleg01.{}", "lowerleg01.{}", "foot.{}", "toe2-1.{}"),
        ),
    ),
    Family(
        "Daz Genesis 3 and 8",
        ("l", "r"),
        _spine("hip", "abdomenLower", "abdomenUpper", "chestUpper|chestLower", "neckUpper", "head")
        | _limbs(
            ("{}Collar", "{}ShldrBend", "{}ForearmBend", "{}Hand"),
            ("{}ThighBend", "{}Shin", "{}Foot", "{}Toe"),
        ),
    ),
    Family(
        "Daz Genesis 9",
        ("l", "r"),
        _spine("hip", "spine1", "spine2", "spine4", "neck2", "head")
        | _limbs(
            ("{}_shoulder", "{}_upperarm", "{}_forearm", "{}_hand"),
            ("{}_thigh", "{}_shin", "{}_foot", "{}_toes"),
        ),
    ),
    Family(
        "Daz Genesis",
        ("l", "r"),
        _spine("hip", "abdomen", "abdomen2", "chest", "neck", "head")
        | _limbs(
            ("{}Collar", "{}Shldr", "{}ForeArm", "{}Hand"),
            ("{}Thigh", "{}Shin", "{}Foot", "{}Toe"),
        ),
    ),
    Family(
        "SMPL",
        ("L", "R"),
        _spine("Pelvis", "Spine1", "Spine2", "Spine3", "Neck", "Head")
        | _limbs(
            ("{}_Collar", "{}_Shoulder", "{}_Elbow", "{}_Wrist"),
            ("{}_Hip", "{}_Knee", "{}_Ankle", "{}_Foot"),
        ),
    ),
    Family(
        "SMPL-X",
        SIDES,
        _spine("pelvis", "spine1", "spine2", "spine3", "neck", "head")
        | _limbs(
            ("{}_collar", "{}_shoulder", "{}_elbow", "{}_wrist"),
            ("{}_hip", "{}_knee", "{}_ankle", "{}_foot"),
        ),
    ),
)
