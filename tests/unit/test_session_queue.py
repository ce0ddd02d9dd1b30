# SPDX-License-Identifier: Apache-2.0
"""Several motions asked for at once: one job after another, and what ends them."""

import numpy as np
import pytest
from test_addon_core import World

from blender_addon.core.client import ClientError
from blender_addon.core.order import Order, Step
from blender_addon.core.requests import Target
from blender_addon.shared import protocol
from blender_addon.shared.motion import Motion

TARGET = Target("SMPL", "Scene", 1)
WALK, WAVE = Step("walks", 2.0), Step("waves", None)


@pytest.fixture
def world() -> World:
    world = World()
    world.ready()
    return world


def ask(world, *orders: Order) -> None:
    first, *more = (request for order in orders for request in order.requests(TARGET))
    world.session.generate(first, *more)
    world.session.pump()


def finish(world, frames: int = 40) -> list:
    job = world.session.job
    arrays = {"poses": np.zeros((frames, 22, 3)), "trans": np.zeros((frames, 3))}
    job.apply(protocol.Result(job.job_id, {"fps": 20.0}), arrays)
    return world.session.pump()


def fail(world, code: str = "invalid_input") -> list:
    job = world.session.job
    job.apply(protocol.Error(code, f"It is {code}.", False, job.job_id))
    return world.session.pump()


def variants(count: int) -> list[Order]:
    return [Order((WALK,), seed, group="g", number=seed + 1) for seed in range(count)]


def test_variants_arrive_one_after_another(world):
    ask(world, *variants(3))
    for number in range(3):
        assert world.session.number == (number + 1, 3)
        assert world.session.fraction == number / 3
        (arrived,) = finish(world)
        assert arrived.request.order.number == number + 1
    assert world.session.request is None
    assert [params["seed"] for params in world.client.submitted] == [0, 1, 2]


def test_a_sequence_arrives_as_one_clip_and_each_part_goes_on_from_the_last(world):
    ask(world, Order((WALK, WAVE, WALK), 0))
    assert "start_fps" not in world.client.submitted[0]
    assert finish(world) == []
    assert world.client.submitted[1]["start_fps"] == 20.0
    assert len(world.session.parts) == 1
    assert finish(world, 60) == []
    (clip,) = finish(world, 60)
    assert clip.motion.num_frames == 40 + 40 + 40
    assert world.session.parts == []


def test_a_prompt_that_fails_takes_its_own_clip_along_and_no_other(world):
    ask(world, Order((WALK, WAVE), 0), Order((WALK,), 1))
    assert fail(world) == []
    assert world.session.request.seed == 1
    assert world.session.problem == "It is invalid_input."
    (arrived,) = finish(world)
    assert arrived.request.seed == 1


def test_the_rest_is_dropped_on_cancel_and_with_the_backend(world):
    ask(world, *variants(3))
    world.session.cancel()
    job = world.session.job
    job.apply(protocol.Cancelled(job.job_id))
    assert world.session.pump() == []
    assert world.session.request is None
    ask(world, *variants(3))
    assert fail(world, protocol.Code.BACKEND_LOST) == []
    assert world.session.request is None
    ask(world, *variants(1))
    assert world.session.number == (1, 1)


def test_a_lost_target_is_lost_for_all_that_waits(world):
    ask(world, *variants(2))
    world.session.forget_target()
    (first,) = finish(world)
    (second,) = finish(world)
    assert first.request.target is None
    assert second.request.target is None
    world.session.keep(first, "Gone.")
    world.session.keep(second, "Gone.")
    assert world.session.kept.earlier is first


def test_every_prompt_needs_words(world):
    orders = (Order((WALK, Step(" ", 2.0)), 0),)
    with pytest.raises(ClientError, match="Write what"):
        ask(world, *orders)
    assert world.session.request is None


def test_a_start_motion_travels_as_arrays():
    start = Motion(np.zeros((30, 22, 3)), np.zeros((30, 3)), 30.0)
    (request,) = Order((WALK,), 0, start=start).requests(TARGET)
    assert sorted(request.arrays()) == ["start_poses", "start_trans"]
    assert request.params()["seconds"] == 3.0
