# SPDX-License-Identifier: Apache-2.0
"""Clips made of clips: nothing jumps, and what the captions say is there."""

import random
import re

import numpy as np
import pytest
from acted_motion import bowing, going, raising, standing, waving

from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix
from blender_addon.shared.skeleton import BODY_PARTS
from training.data.caption_compound import Part, compound_captions
from training.data.compose import MAX_SECONDS, composites
from training.data.facts import measure
from training.data.motion_edits import (
    bent_path,
    best_seam,
    concatenate,
    deeper_bow,
    overlay_arms,
    repeated,
    retimed,
    reversed_in_time,
)
from training.metrics.semantic import judge_motion


def biggest_step(motion: Motion) -> float:
    """The furthest any joint goes from one frame to the next, metres."""
    return float(np.linalg.norm(np.diff(motion.joint_positions(), axis=0), axis=-1).max())


def test_arms_over_a_walk():
    walk, wave = going(5.0), waving("right", seconds=4.0)
    both = overlay_arms(walk, wave, ("right",), start_seconds=0.5)
    assert both.num_frames == walk.num_frames
    assert np.array_equal(both.trans, walk.trans)
    others = [j for name, part in BODY_PARTS.items() if name != "right_arm" for j in part]
    assert np.array_equal(both.poses[:, others], walk.poses[:, others])
    assert judge_motion(both, "forward+right-hand").holds
    assert measure(both).right_arm.waves >= 3
    # before the overlay begins the arm is the walk's
    assert np.array_equal(both.poses[:10], walk.poses[:10])


def test_an_overlay_fades_in_and_out():
    # an arm that is up in all frames would jump without the fade
    up = raising("left", seconds=3.0)
    held = Motion(up.poses[20:40], up.trans[20:40], up.fps)
    walk = going(4.0)
    both = overlay_arms(walk, held, ("left",), start_seconds=1.0)
    hard = walk.poses.copy()
    joints = list(BODY_PARTS["left_arm"])
    hard[20:40, joints] = held.poses[:, joints]
    assert biggest_step(both) < 0.35 * biggest_step(Motion(hard, walk.trans, walk.fps))


def test_an_overlay_longer_than_its_base_is_cut():
    both = overlay_arms(going(2.0), waving("left", seconds=6.0), ("left",))
    assert both.num_frames == 40


def test_overlay_refuses_different_rates():
    with pytest.raises(ValueError, match="frame rates"):
        overlay_arms(going(), waving("left").resampled(30.0), ("left",))


def test_one_after_the_other_goes_on_where_the_first_ends():
    first, second = going(3.0, turn_degrees=90), going(3.0)
    joined = concatenate(first, second)
    assert joined.num_frames == first.num_frames + second.num_frames
    assert np.array_equal(joined.poses[: first.num_frames], first.poses)
    facts = measure(joined)
    assert facts.yaw == pytest.approx(90, abs=4)
    assert facts.path_length == pytest.approx(7.2, abs=0.3)
    # the second clip now goes to the left, where the first one ended up facing
    step = joined.trans[-1] - joined.trans[-20]
    assert step[0] > 0.9 * np.linalg.norm(step)


def test_nothing_jumps_at_the_seam():
    first, second = going(3.0, speed=1.2), bowing(60, seconds=3.0)
    seam = first.num_frames
    joined = concatenate(first, second)
    usual = biggest_step(first)
    positions = joined.joint_positions()
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=-1).max(-1)
    assert steps[seam - 2 : seam + 10].max() < 1.6 * usual
    pelvis = positions[:, 0]
    speed = np.linalg.norm(np.diff(pelvis, axis=0), axis=-1) * joined.fps
    # the walk fades out over the blend instead of stopping dead
    assert speed[seam] == pytest.approx(1.2, abs=0.25)
    assert speed[seam + 9] < 0.1
    assert np.abs(np.diff(speed[seam - 3 : seam + 12])).max() < 0.45
    assert judge_motion(joined, "bow").holds


def test_the_seam_is_put_where_the_poses_fit():
    walk = going(4.0)
    stop, start = best_seam(walk, walk)
    assert walk.num_frames - 20 <= stop <= walk.num_frames
    assert 0 <= start <= 10
    pose = axis_angle_to_matrix(walk.poses)
    assert np.abs(pose[stop - 1] - pose[start]).max() < 0.2


def test_a_walk_played_backwards_is_a_walk_backwards():
    assert judge_motion(reversed_in_time(going()), "backward").holds


@pytest.mark.parametrize("degrees", [90.0, -100.0])
def test_a_bent_path_turns_and_stays_as_long(degrees):
    walk = going()
    bent = bent_path(walk, degrees)
    before, after = measure(walk), measure(bent)
    assert after.yaw == pytest.approx(degrees, abs=3)
    assert after.path_length == pytest.approx(before.path_length, rel=0.05)
    assert after.travel == "forward"


def test_a_deeper_bow():
    shallow = bowing(30)
    deep = deeper_bow(shallow, 45)
    assert measure(deep).bend_max > measure(shallow).bend_max + 20
    # upright frames stay as they are
    assert np.allclose(deep.poses[:5], shallow.poses[:5], atol=0.02)


def test_retimed():
    assert retimed(going(4.0), 2.0).seconds == pytest.approx(2.0, abs=0.1)
    assert measure(retimed(going(4.0), 2.0)).speed == pytest.approx(2.4, abs=0.1)


@pytest.fixture(scope="module")
def sources():
    clips = []
    for style in ("normal", "active", "exhausted"):
        speed = {"normal": 1.2, "active": 1.5, "exhausted": 0.8}[style]
        clips += [
            (going(5.0, speed), "walk", style),
            (going(4.0, 3.0), "run", style),
            (going(5.0, speed, turn_degrees=90), "walk-turn-left", style),
            (going(5.0, 0.7, towards_degrees=180), "walk-back", style),
            (waving("right", seconds=4.0), "wave-right-hand", style),
            (raising("left"), "raise-up-left-hand", style),
            (raising("left", "right"), "raise-up-both-hands", style),
            (bowing(55), "bow", style),
        ]
    return [(m, content, style, measure(m)) for m, content, style in clips]


@pytest.fixture(scope="module")
def made(sources):
    return composites(sources, random.Random(0), 80)


def test_as_many_composites_as_asked(made):
    assert len(made) == 80
    for motion, content, _, captions in made:
        assert content
        assert motion.seconds <= MAX_SECONDS
        assert motion.fps == 20
        assert len(captions) >= 6
        assert len(set(captions)) == len(captions)
        assert np.isfinite(motion.poses).all()


def test_composites_are_of_many_kinds(made):
    contents = {content for _, content, _, _ in made}
    assert len(contents) > 20
    assert any("+" in c for c in contents)
    assert any(">" in c for c in contents)
    assert "walk-back" in contents


def test_composites_show_what_they_are_called(made):
    for motion, content, _, _ in made:
        facts = measure(motion)
        if content.startswith("walk+") or content.startswith("run+"):
            assert facts.travel == "forward"
        for arm in ("left", "right"):
            if content.endswith(f"wave-{arm}") or content.endswith(f"raise-{arm}"):
                assert facts.arm(arm).top_over_shoulder > 0


def test_composite_captions_name_the_right_hand(made):
    for _, content, _, captions in made:
        if content.endswith("+wave-right"):
            assert not any("left" in c.lower().split() for c in captions if "left" not in content)
            assert all("right" in c.lower() for c in captions)


def test_composites_are_repeatable(sources):
    one = composites(sources, random.Random(3), 10)
    two = composites(sources, random.Random(3), 10)
    assert [c for _, c, _, _ in one] == [c for _, c, _, _ in two]
    assert [t for *_, t in one] == [t for *_, t in two]


def test_nothing_to_combine_gives_nothing():
    facts = measure(standing())
    assert composites([(standing(), "", "", facts)], random.Random(0), 5) == []


@pytest.mark.parametrize("seconds", [5.0, 9.0])
def test_a_repeated_clip_goes_on_without_a_jump(seconds):
    walk = going(3.0, speed=1.2)
    longer = repeated(walk, seconds)
    assert longer.seconds == pytest.approx(seconds, abs=0.06)
    assert np.array_equal(longer.poses[:40], walk.poses[:40])
    assert biggest_step(longer) < 1.5 * biggest_step(walk)
    assert measure(longer).along == pytest.approx(1.2 * seconds, rel=0.1)


def test_neither_of_two_actions_is_only_a_moment():
    walk, wave = going(9.0), waving("right", seconds=8.0)
    sources = [(walk, "walk", "", measure(walk)), (wave, "wave-right-hand", "", measure(wave))]
    made = [c for c in composites(sources, random.Random(3), 60) if ">" in c[1]]
    assert made
    for motion, *_ in made:
        joints = motion.joint_positions()
        waved = (joints[:, 21, 1] > joints[:, 17, 1]).sum() / motion.fps
        speed = np.linalg.norm(np.diff(motion.trans[:, [0, 2]], axis=0), axis=-1) * motion.fps
        assert waved > 1.5
        assert (speed > 0.5).sum() / motion.fps > 1.5


def test_and_means_at_once_where_both_can_be_done_at_once():
    walk, wave, bow = (
        Part("walk", "", measure(going(3.0))),
        Part("wave", "right", measure(waving("right"))),
        Part("bow", "", measure(bowing(60))),
    )
    order = re.compile(r"\b(then|after|before|first|begins?|next|stops?|followed)\b", re.IGNORECASE)

    def unordered(one: Part, two: Part) -> int:
        texts = compound_captions(one, two, "then", "", random.Random(1), 60)
        return sum(order.search(text) is None for text in texts)

    assert unordered(walk, wave) == unordered(wave, walk) == 0
    assert unordered(walk, bow) > 0
