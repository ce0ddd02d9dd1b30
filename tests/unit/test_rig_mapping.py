# SPDX-License-Identifier: Apache-2.0
"""Bone mapping: known rigs by their names, unknown ones by ends, hierarchy and place; presets."""

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_rigs import ARMS_DOWN, BIPED, family_names, make_rig

from blender_addon.core.bone_names import BODY_JOINTS, FAMILIES, parse
from blender_addon.core.mapping import (
    MappingError,
    family_named,
    find_mapping,
    mapping_from_json,
    mapping_to_json,
)

MIXAMO = family_names(family_named("Mixamo"))


def with_bones(rig, names, parent=0):
    """The rig with more bones, all at the parent's place."""
    more = len(names)
    return replace(
        rig,
        names=(*rig.names, *names),
        parents=(*rig.parents, *[parent] * more),
        carriers=(*rig.carriers, *[parent] * more),
        heads=np.concatenate([rig.heads, rig.heads[[parent] * more]]),
        tails=np.concatenate([rig.tails, rig.tails[[parent] * more]]),
        axes=np.concatenate([rig.axes, rig.axes[[parent] * more]]),
        inherits=(*rig.inherits, *[True] * more),
        free=(*rig.free, *[True] * more),
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_known_rig_is_known_by_its_names(family):
    names = family_names(family)
    mapping = find_mapping(make_rig(names, turns=ARMS_DOWN))
    assert mapping.family == family.name
    assert mapping.bones == names
    assert {mapping.matches[joint].confidence for joint in names} == {1.0}


@pytest.mark.parametrize(
    "prefix", ["mixamorig:", "mixamorig1:", "mixamorig_", "Character1_", "Hero:mixamorig:"]
)
def test_prefixes_of_exporters_do_not_matter(prefix):
    names = {joint: prefix + bone for joint, bone in MIXAMO.items()}
    mapping = find_mapping(make_rig(names))
    assert mapping.family == "Mixamo"
    assert mapping.bones == names


def test_of_rigify_the_controls_are_taken():
    rigify = family_named("Rigify")
    names = family_names(rigify)
    rig = make_rig(names)
    inside = [
        f"{p}{n}" for p in ("ORG-", "DEF-", "MCH-") for n in ("spine", "thigh.L", "shoulder.L")
    ]
    mapping = find_mapping(with_bones(rig, [*inside, "thigh_ik.L", "foot_ik.L", "hips", "chest"]))
    assert mapping.bones == names
    assert ("thigh_parent.R", "IK_FK", 1.0) in set(rigify.switch_values(ik=False))


@pytest.mark.parametrize(
    ("name", "side", "words"),
    [
        ("LeftForeArm", "left", ("fore", "arm")),
        ("hand_l", "left", ("hand",)),
        ("upper_arm.R", "right", ("upper", "arm")),
        ("L_Hip", "left", ("hip",)),
        ("lShldrBend", "left", ("shldr", "bend")),
        ("mixamorig:RightHand", "right", ("hand",)),
        ("leftfoot", "left", ("foot",)),
        ("Bip001 R Thigh", "right", ("thigh",)),
        ("Spine1", "", ("spine", "1")),
        ("lowerarm01.L", "left", ("lowerarm", "01")),
    ],
)
def test_names_are_taken_apart(name, side, words):
    parsed = parse(name)
    assert (parsed.side, parsed.words) == (side, words)


@pytest.mark.parametrize("seed", range(3))
def test_an_unknown_rig_with_readable_ends(seed):
    """Names that are in no table (3ds Max's biped): ends by name, the rest by the hierarchy."""
    rig = make_rig(BIPED, turns=ARMS_DOWN, seed=seed, extra=4)
    rig = with_bones(rig, ["IK Hand L", "Foot Target R"])
    mapping = find_mapping(rig)
    assert mapping.bones == BIPED
    assert mapping.family == "unknown"
    assert {mapping.matches[joint].confidence for joint in BIPED} == {0.8}
    assert "hierarchy" in mapping.matches["left_hip"].reason


@pytest.mark.parametrize("turns", [{}, ARMS_DOWN], ids=["T", "A"])
def test_a_rig_whose_names_say_nothing(turns):
    rig = make_rig(lambda joint: f"Bone.{BODY_JOINTS.index(joint):03d}", turns=turns)
    mapping = find_mapping(rig)
    wrong = {j: b for j, b in mapping.bones.items() if b != f"Bone.{BODY_JOINTS.index(j):03d}"}
    assert wrong == {}
    assert len(mapping.bones) == 22
    assert max(match.confidence for match in mapping.matches.values()) == 0.5


def test_no_body_no_mapping():
    rig = make_rig({"pelvis": "Base", "spine1": "Arm", "spine2": "Claw"})
    mapping = find_mapping(rig)
    assert mapping.bones == {}
    assert {match.confidence for match in mapping.matches.values()} == {0.0}


def test_presets_come_back_and_fit_a_rig_with_a_prefix():
    rig = make_rig(MIXAMO)
    mapping = find_mapping(rig).with_bone("head", "")
    text = mapping_to_json(mapping)
    again, missing = mapping_from_json(text, rig)
    assert again.bones == mapping.bones
    assert missing == ()
    other = make_rig({joint: f"mixamorig:{bone}" for joint, bone in MIXAMO.items()})
    again, missing = mapping_from_json(text, other)
    assert again.bones["left_elbow"] == "mixamorig:LeftForeArm"
    assert missing == ()


def test_a_preset_names_the_bones_that_are_not_there():
    rig = make_rig({j: b for j, b in MIXAMO.items() if j != "neck"})
    mapping, missing = mapping_from_json(mapping_to_json(find_mapping(make_rig(MIXAMO))), rig)
    assert missing == ("Neck",)
    assert mapping.matches["neck"].bone == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "not a JSON file"),
        ("[]", "not a bone mapping"),
        ({"format": "other"}, "not a bone mapping"),
        ({"version": 9}, "version 9"),
        ({"joints": 5}, "'joints' must"),
        ({"joints": {"pelvis": 3}}, "'joints' must"),
        ({"joints": {"tail": "Tail"}}, "'tail'"),
        ({"joints": {"pelvis": "Somewhere"}}, "none of the mapping's bones"),
    ],
)
def test_bad_presets_say_what_is_wrong(change, message):
    rig = make_rig(MIXAMO)
    text = change
    if isinstance(change, dict):
        text = json.dumps(json.loads(mapping_to_json(find_mapping(rig))) | change)
    with pytest.raises(MappingError, match=message):
        mapping_from_json(text, rig)


def test_a_bone_chosen_by_hand():
    mapping = find_mapping(make_rig(MIXAMO)).with_bone("spine1", "Hips2")
    assert mapping.matches["spine1"].reason == "chosen by hand"
    assert mapping.bones["spine1"] == "Hips2"
