# SPDX-License-Identifier: Apache-2.0
"""What is measured from a motion, on motions whose numbers are known."""

import json

import numpy as np
import pytest
from acted_motion import bowing, crawling, going, jumping, raising, standing, waving

from blender_addon.shared.motion import Motion
from training.data.facts import MotionFacts, measure


def test_standing_still():
    facts = measure(standing())
    assert facts.travel == "still"
    assert facts.gait == "stand"
    assert facts.path_length < 0.01
    assert facts.posture == "upright"
    assert facts.steps == 0
    assert facts.events == ()
    assert facts.left_arm.raised_seconds == 0


@pytest.mark.parametrize(
    ("towards", "travel"),
    [(0, "forward"), (180, "backward"), (90, "left"), (-90, "right")],
)
def test_travel_is_told_by_the_heading(towards, travel):
    facts = measure(going(4.0, 1.2, towards_degrees=towards))
    assert facts.travel == travel
    assert facts.path_length == pytest.approx(4.8, abs=0.2)
    assert facts.speed == pytest.approx(1.2, abs=0.05)
    assert facts.gait == "walk"


def test_travel_does_not_depend_on_where_the_world_faces():
    motion = going(4.0, 1.2)
    yaw = 2.0
    turned = Motion(motion.poses.copy(), motion.trans.copy(), motion.fps)
    turned.poses[:, 0, 1] += yaw
    z = motion.trans[:, 2].copy()
    turned.trans[:, 0], turned.trans[:, 2] = np.sin(yaw) * z, np.cos(yaw) * z
    a, b = measure(motion), measure(turned)
    assert b.travel == "forward"
    assert b.along == pytest.approx(a.along, abs=0.05)
    assert b.net_forward == pytest.approx(a.net_forward, abs=0.1)


@pytest.mark.parametrize("degrees", [90.0, -90.0])
def test_a_turn_has_a_side(degrees):
    facts = measure(going(4.0, 1.2, turn_degrees=degrees))
    assert facts.yaw == pytest.approx(degrees, abs=3)
    bigger, smaller = facts.yaw_left, facts.yaw_right
    if degrees < 0:
        bigger, smaller = smaller, bigger
    assert bigger > 85
    assert smaller < 5
    # positive about Y is from +Z towards +X, the character's left
    assert np.sign(facts.net_left) == np.sign(degrees)


def test_a_run_is_a_run():
    assert measure(going(3.0, 3.0)).gait == "run"


def test_steps_are_counted():
    facts = measure(going(5.0, 1.2))
    # the legs swing 0.9 times a second, each swing is a step of either foot
    assert 6 <= facts.steps <= 12


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_raised_hand(side):
    facts = measure(raising(side))
    other = "right" if side == "left" else "left"
    assert facts.arm(side).raised_seconds == pytest.approx(1.75, abs=0.3)
    assert facts.arm(side).top_over_head > 0.05
    assert facts.arm(side).raises == 1
    assert facts.arm(side).waves == 0
    assert facts.arm(other).raised_seconds == 0
    assert [e.kind for e in facts.events] == [f"raise-{side}"]


def test_waves_are_counted():
    facts = measure(waving("right", seconds=4.0))
    assert 3 <= facts.right_arm.waves <= 6
    assert facts.left_arm.waves == 0


def test_a_bow():
    facts = measure(bowing(60))
    assert facts.bows == 1
    assert facts.bend_forward
    assert facts.bend_max == pytest.approx(60, abs=7)
    assert [e.kind for e in facts.events] == ["bend"]


def test_a_jump():
    facts = measure(jumping(0.35))
    assert facts.jumps == 1
    assert facts.lift == pytest.approx(0.35, abs=0.02)


def test_no_jump_in_a_walk():
    assert measure(going()).jumps == 0


def test_crawling_is_low():
    facts = measure(crawling())
    assert facts.head_mean < 0.9
    assert facts.posture == "all-fours"
    assert facts.travel == "forward"


def test_mirroring_swaps_the_sides():
    motion = raising("left", base=going(4.0, 1.2, turn_degrees=60.0))
    facts, mirrored = measure(motion), measure(motion.mirrored())
    assert mirrored.yaw == pytest.approx(-facts.yaw, abs=1e-6)
    assert mirrored.right_arm.raised_seconds == facts.left_arm.raised_seconds
    assert mirrored.left_arm.raised_seconds == facts.right_arm.raised_seconds
    assert mirrored.path_length == pytest.approx(facts.path_length)


def test_facts_travel_through_json():
    facts = measure(waving("left"))
    again = MotionFacts.from_dict(json.loads(json.dumps(facts.to_dict())))
    assert again == facts


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_very_short_motions_are_measured(frames):
    motion = standing()
    short = Motion(motion.poses[:frames], motion.trans[:frames], motion.fps)
    assert measure(short).travel == "still"
