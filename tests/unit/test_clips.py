# SPDX-License-Identifier: Apache-2.0
"""What is done to a generated clip before it is keyed: joined, led, closed, held in place."""

import numpy as np
import pytest
from made_up_motion import smooth_motion, stepping_motion

from blender_addon.core import blend, sequence, trajectory
from blender_addon.core.blend import body, frames_of, headings, pelvis_path, placed
from blender_addon.core.in_place import in_place
from blender_addon.core.loop import best_cycle, closed_in_place, looped
from blender_addon.core.root_path import follow_path
from blender_addon.shared.motion import Motion
from blender_addon.shared.rotations import axis_angle_to_matrix


def moved(motion: Motion, yaw: float, by=(3.0, 0.0, -2.0)) -> Motion:
    return blend.with_root(motion, np.array(yaw), pelvis_path(motion) @ turn(yaw).T + by)


def turn(yaw: float) -> np.ndarray:
    return np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])


def angles_between(a: Motion, b: Motion) -> np.ndarray:
    """(T, J) radians between the joints' rotations."""
    gap = np.swapaxes(axis_angle_to_matrix(a.poses), -1, -2) @ axis_angle_to_matrix(b.poses)
    return np.arccos(np.clip((np.trace(gap, axis1=-2, axis2=-1) - 1) / 2, -1, 1))


def speeds(motion: Motion) -> np.ndarray:
    """(T - 1,) the fastest joint's, metres a frame."""
    joints = motion.joint_positions()
    return np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(axis=-1)


def test_headings_follow_a_turn_whatever_the_lean():
    motion = body(smooth_motion())
    turned = moved(motion, 1.3)
    gap = headings(turned) - headings(motion) - 1.3
    assert np.abs((gap + np.pi) % (2 * np.pi) - np.pi).max() < 1e-9


def test_placed_meets_the_other_clip_and_keeps_its_shape():
    motion, other = body(smooth_motion(seed=1)), body(smooth_motion(seed=2))
    there = placed(motion, 7, other, 30)
    assert abs(headings(there)[7] - headings(other)[30]) < 1e-9
    assert np.abs((pelvis_path(there)[7] - pelvis_path(other)[30])[[0, 2]]).max() < 1e-9
    assert np.abs(there.trans[:, 1] - motion.trans[:, 1]).max() < 1e-9
    assert np.allclose(speeds(there), speeds(motion))


def test_easing_starts_on_the_pose_and_ends_as_itself():
    motion, pose = body(smooth_motion(seed=1)), body(smooth_motion(seed=2))
    eased = blend.eased_from(motion, pose, 0.3)
    assert angles_between(frames_of(eased, 0, 1), frames_of(pose, -1)).max() < 1e-6
    assert np.allclose(eased.trans[0], pose.trans[-1])
    assert angles_between(frames_of(eased, 6), frames_of(motion, 6)).max() < 1e-6
    back = blend.eased_to(motion, pose, 0.3)
    assert angles_between(frames_of(back, -1), frames_of(pose, -1)).max() < 1e-6
    assert angles_between(frames_of(back, 0, -6), frames_of(motion, 0, -6)).max() < 1e-6


def test_the_tail_is_what_the_model_takes():
    motion = smooth_motion(3.0, 30.0)
    last = sequence.tail(motion)
    assert (last.num_frames, last.fps) == (20, 20.0)
    assert np.abs(last.trans[-1] - motion.resampled(20.0).trans[-1]).max() < 1e-9
    short = sequence.tail(frames_of(motion, 0, 1))
    assert short.num_frames == 20
    assert np.ptp(short.trans, axis=0).max() == 0


def test_a_clip_that_the_model_continued_is_put_back_where_it_came_from():
    whole = body(smooth_motion(4.0))
    before = frames_of(whole, 0, 50)
    # the model's answer: the last second again, then what follows, from an origin of its own
    after = moved(frames_of(whole, 30), -1.1)
    both = sequence.appended(before, after)
    assert both.num_frames == whole.num_frames
    assert angles_between(both, whole).max() < 1e-5
    assert np.abs(both.trans - whole.trans).max() < 1e-6


@pytest.mark.parametrize("context", [0, 20])
def test_unlike_clips_join_without_a_jump(context):
    before, after = body(stepping_motion(2.0)), moved(body(smooth_motion(3.0, seed=4)), 2.0)
    both = sequence.appended(before, after, context)
    assert both.num_frames == 40 + 60 - max(context, 1)
    pose_gap = angles_between(frames_of(both, 39, 40), frames_of(before, -1)).max()
    assert pose_gap < 1e-6
    step = sequence.going_on(before, after, context)
    assert np.abs(pelvis_path(step)[0] - pelvis_path(before)[-1]).max() < 1e-9
    # poses a second apart are mended within 0.3 s: no faster than that asks for
    assert speeds(both)[38:46].max() < 0.35
    assert np.allclose(speeds(both)[48:], speeds(body(after))[max(context, 1) + 8 :])


def test_ending_in_a_pose_keeps_place_and_heading():
    motion, pose = body(smooth_motion(seed=1)), body(smooth_motion(seed=5))
    there = sequence.ending_in(motion, pose)
    last = frames_of(there, -1)
    assert angles_between(last, frames_of(pose, -1))[:, 1:].max() < 1e-6
    assert abs(headings(last)[0] - headings(motion)[-1]) < 1e-9
    assert np.abs((last.trans - motion.trans[-1])[0, [0, 2]]).max() < 1e-9


def test_a_steady_line_is_its_own_base_line():
    line = np.stack([np.arange(50) * 0.1, np.arange(50) * -0.2], axis=-1)
    assert np.abs(trajectory.base_line(line, 20.0) - line).max() < 1e-9
    assert trajectory.base_line(line[:1], 20.0).shape == (1, 2)
    assert abs(trajectory.travelled(line)[-1] - 49 * np.hypot(0.1, 0.2)) < 1e-9


def test_the_way_ahead_is_held_while_standing():
    points = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [2, 0], [2, 0], [2, 0], [2, 0]], float)
    ahead = trajectory.directions(points, 0.1, 0.5)
    assert np.allclose(ahead, np.pi / 2)
    assert np.allclose(trajectory.directions(points[:2] * 0, 0.1, 0.5), 0.5)


def test_in_place_stays_within_the_sway():
    motion = stepping_motion(4.0)
    here = in_place(motion)
    path = pelvis_path(here)
    assert np.ptp(path[:, (0, 2)], axis=0).max() < 0.05
    assert np.ptp(pelvis_path(motion)[:, 2]) > 2.0
    assert angles_between(body(here), body(motion)).max() < 1e-6
    assert np.allclose(path[:, 1], pelvis_path(motion)[:, 1])


@pytest.mark.parametrize("closed", [False, True])
def test_a_walk_follows_a_circle_at_its_own_speed(closed):
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = 1.5
    circle = np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle))], axis=-1)
    motion = stepping_motion(12.0)
    led = follow_path(motion, circle, closed)
    path = pelvis_path(led)[:, (0, 2)]
    off = np.hypot(path[:, 0], path[:, 1] - radius) - radius
    inside = slice(0, 200 if closed else 140)  # the open one ends before the walk does
    assert np.abs(off[inside]).max() < 0.12
    assert abs(trajectory.travelled(path)[-1] - 0.6 * 239 / 20) < 0.4
    ahead = np.unwrap(trajectory.directions(path, 1e-9, 0.0))
    facing = np.unwrap(headings(led))
    assert np.abs(np.angle(np.exp(1j * (ahead - facing))))[5:-5].max() < 0.2
    if closed:
        assert facing[0] - facing[-1] > 4.0


def test_past_the_end_of_a_line_the_walk_goes_straight_on():
    led = follow_path(stepping_motion(6.0), np.array([[1.0, 1.0], [2.0, 1.0]]))
    path = pelvis_path(led)
    assert np.abs(path[0, [0, 2]] - [1.0, 1.0]).max() < 0.05
    assert path[-1, 0] > 4.0
    assert np.abs(path[:, 2] - 1.0).max() < 0.05
    assert np.abs(headings(led) - np.pi / 2).max() < 0.05


def test_a_motion_on_the_spot_stands_at_the_begin_of_the_line():
    still = frames_of(body(stepping_motion(2.0)), 0, 1)
    held = Motion(np.repeat(still.poses, 30, 0), np.repeat(still.trans, 30, 0), 20.0)
    led = follow_path(held, np.array([[0.0, 2.0], [0.0, -2.0]]))
    assert np.abs(pelvis_path(led)[:, (0, 2)] - [0.0, 2.0]).max() < 0.01
    assert np.abs(np.abs(headings(led)) - np.pi).max() < 0.01


def test_a_line_without_length_is_refused():
    with pytest.raises(ValueError, match="longer curve"):
        follow_path(stepping_motion(2.0), np.array([[1.0, 1.0], [1.0, 1.0]]))


def test_a_walk_loops_over_whole_strides():
    motion = stepping_motion(7.0)  # one stride of both feet takes 2 s
    first, last = best_cycle(body(motion))
    assert (last - first) % 40 in (0, 1, 39)
    cycle = looped(motion)
    ends = angles_between(frames_of(cycle, 0, 1), frames_of(cycle, -1))
    assert ends.max() < 1e-6
    assert abs(cycle.trans[0, 1] - cycle.trans[-1, 1]) < 1e-9
    assert cycle.trans[-1, 2] - cycle.trans[0, 2] > 1.0  # and it goes on
    here = closed_in_place(in_place(cycle))
    assert np.abs(here.trans[0] - here.trans[-1]).max() < 1e-9
    # the seam is as smooth as the rest
    twice = speeds(Motion(np.tile(here.poses, (2, 1, 1)), np.tile(here.trans, (2, 1)), 20.0))
    seam = here.num_frames
    assert twice[seam - 2 : seam + 2].max() < 1.5 * speeds(here).max()


def test_a_clip_that_veers_a_little_loops_straight():
    motion = body(stepping_motion(6.0))
    bend = 0.3 * np.linspace(0, 1, motion.num_frames)
    veering = follow_path(
        motion, np.stack([np.sin(bend) * np.linspace(0, 4, 120), np.linspace(0, 4, 120)], -1)
    )
    cycle = looped(veering)
    assert abs(headings(cycle)[-1] - headings(cycle)[0]) < 1e-6


def test_a_clip_too_short_to_cut_is_closed_as_it_is():
    cycle = looped(smooth_motion(0.6))
    assert cycle.num_frames == 12
    assert angles_between(frames_of(cycle, 0, 1), frames_of(cycle, -1))[:, 1:].max() < 1e-6
