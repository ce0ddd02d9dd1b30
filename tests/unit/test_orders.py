# SPDX-License-Identifier: Apache-2.0
"""What is asked of the backend for a clip, how its parts come together, what is remembered."""

import numpy as np
import pytest
from made_up_motion import smooth_motion, stepping_motion

from blender_addon.core.batch import BatchError, Row, read_batch
from blender_addon.core.client import ClientError
from blender_addon.core.history import HistoryError, order_from_text, order_to_text
from blender_addon.core.jobs import Job, MotionChunk
from blender_addon.core.order import Finish, Order, Step
from blender_addon.core.requests import Target
from blender_addon.core.styles import STYLES, in_style
from blender_addon.shared.motion import Motion

TARGET = Target("SMPL", "Scene", 1)
THREE = (Step("walks", 2.0), Step("waves", None), Step("sits", 3.0))


def part_of(motion: Motion, first: int, last: int) -> Motion:
    return Motion(motion.poses[first:last], motion.trans[first:last], motion.fps)


def test_each_prompt_is_a_request_and_later_ones_hold_a_second_of_the_past():
    order = Order(THREE, 5, end=smooth_motion())
    first, second, third = order.requests(TARGET)
    assert first.params() == {"prompt": "walks", "seconds": 2.0, "seed": 5}
    assert first.arrays() == {}
    assert (second.seconds, third.seconds) == (None, 4.0)
    assert third.params()["end_fps"] == 20.0
    assert third.arrays()["end_poses"].shape == (20, 22, 3)
    assert second.end is None
    going = order.going_on(second, stepping_motion())
    assert going.arrays()["start_trans"].shape == (20, 3)
    assert going.params()["start_fps"] == 20.0
    assert order.name == "walks, then waves, then sits"


def test_an_end_pose_gets_whole_time_steps():
    (request,) = Order((Step("sits", 3.3),), 0, end=smooth_motion()).requests(TARGET)
    assert request.seconds == 3.4
    (plain,) = Order((Step("sits", 3.3),), 0).requests(TARGET)
    assert plain.seconds == 3.3


def test_what_the_backend_would_refuse_is_said_before():
    with pytest.raises(ClientError, match="29 seconds"):
        Order((Step("walks", 29.5),), 0, start=smooth_motion()).requests(TARGET)
    with pytest.raises(ClientError, match="shorter"):
        Order((Step("walks " * 300, 2.0),), 0).requests(TARGET)


def test_parts_come_together_as_one_clip():
    whole = stepping_motion(6.0)
    parts = [part_of(whole, 0, 40), part_of(whole, 20, 80), part_of(whole, 60, 120)]
    clip = Order(THREE, 0).whole(parts)
    assert np.abs(clip.trans - whole.trans).max() < 1e-6


def test_the_finish_is_applied_once_all_is_there():
    def made(finish):
        return Order(THREE[:1], 0, finish).whole([stepping_motion(6.0)])

    assert np.ptp(made(Finish(in_place=True)).trans[:, 2]) < 0.1
    led = made(Finish(path=((0.0, 0.0), (8.0, 0.0))))
    assert led.trans[-1, 0] > 2.0
    cycle = made(Finish(in_place=True, loop=True))
    assert np.abs(cycle.trans[0] - cycle.trans[-1]).max() < 1e-6


def test_a_clip_from_a_pose_begins_in_it_and_may_end_in_one():
    start, end = smooth_motion(2.0, seed=3), smooth_motion(1.0, seed=8)
    clip = Order(THREE[:1], 0, start=start, end=end).whole([stepping_motion(3.0)])
    assert clip.num_frames == 41  # the pose itself, then two seconds
    assert np.abs(clip.trans[0] - start.trans[-1]).max() < 1e-6
    assert np.abs(clip.poses[-1, 5] - end.poses[-1, 5]).max() < 1e-6


def test_frames_so_far_follow_the_parts_before():
    whole, order, job = stepping_motion(6.0), Order(THREE[:2], 0), Job("a", "text_to_motion")
    assert job.motion_so_far() is None
    job.chunks = [MotionChunk(0, part_of(whole, 40, 60)), MotionChunk(20, part_of(whole, 60, 70))]
    job.chunks.append(MotionChunk(40, part_of(whole, 80, 90)))  # after a gap: not shown
    frames = job.motion_so_far()
    assert frames is not None
    assert frames.num_frames == 30
    seen = order.so_far([part_of(whole, 0, 60), frames])
    assert np.abs(seen.trans - whole.trans[:70]).max() < 1e-6


def test_an_order_survives_as_text():
    finish = Finish(((0.0, 1.0), (2.5, 3.0)), True, False, True)
    order = Order(THREE, 12, finish, smooth_motion(1.0), None, group="g", number=3)
    again = order_from_text(order_to_text(order))
    assert (again.steps, again.seed, again.finish) == (order.steps, order.seed, finish)
    assert again.start is not None
    assert order.start is not None
    assert np.abs(again.start.poses - order.start.poses).max() < 1e-6
    assert again.end is None


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"version":1,"steps":[],"seed":0}',
     '{"version":1,"steps":[{"prompt":"a","seconds":1}],"seed":0,'
     '"start":{"frames":2,"fps":20,"poses":"AAAA","trans":"AAAA"}}'],
)  # fmt: skip
def test_text_that_is_no_order_says_what_to_do(text):
    with pytest.raises(HistoryError, match="write"):
        order_from_text(text)


def test_an_order_of_a_later_version_asks_for_an_update():
    text = order_to_text(Order(THREE, 0)).replace('"version":1', '"version":9')
    with pytest.raises(HistoryError, match="update"):
        order_from_text(text)


def test_styles_add_their_words():
    assert in_style("a man  walks. ", "SAD") == "a man walks, sadly"
    assert in_style("a man  walks.", "NONE") == "a man walks."
    assert len({style.id for style in STYLES}) == len(STYLES)


@pytest.mark.parametrize(
    "text",
    ["prompt,seconds,seed\na man walks,4,1\n\n\"sits, then stands\",,\n",
     "\ufeffseed;prompt;seconds\r\n1;a man walks;4,0\r\n;sits, then stands;\r\n",
     "a man walks,4,1\n\"sits, then stands\"\n"],
)  # fmt: skip
def test_tables_of_prompts(text):
    assert read_batch(text) == [Row("a man walks", 4.0, 1), Row("sits, then stands", None, None)]


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no prompts"), ("prompt,seconds\n,4", "Line 2 has no prompt"),
     ("walks,fast", "says 'fast'"), ("walks,99", "1 to 30"), ("walks,2,-1", "seed"),
     ("sits, then stands, then waves, then runs", "quotes"), ('"walks', "quotes"),
     ("\n".join(["walks"] * 201), "at most 200")],
)  # fmt: skip
def test_tables_that_do_not_do_name_the_line(text, says):
    with pytest.raises(BatchError, match=says):
        read_batch(text)
