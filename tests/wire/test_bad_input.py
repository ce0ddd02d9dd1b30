# SPDX-License-Identifier: Apache-2.0
"""The real engine's checks in a real server: no model is loaded, since nothing gets that far."""

from collections.abc import Iterator

import numpy as np
import pytest
from backend_harness import Backend, finish

from backend.engine import DEFAULT_ENGINE
from blender_addon.core.client import Client
from blender_addon.shared import protocol

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    backend = Backend(tmp_path_factory.mktemp("backend"), DEFAULT_ENGINE).start()
    yield backend
    backend.stop()


def refused(client: Client, task: str, params: dict, arrays=None) -> str:
    """The message of the refusal; the server must still answer after it."""
    job = finish(client, client.submit(task, params, arrays))
    assert job.error is not None
    assert job.error.code == protocol.Code.INVALID_INPUT, job.error
    assert not job.error.retryable
    client.report = None
    client.request_status()
    while client.report is None:
        client.wait(50)
        client.pump()
    assert client.report.queued == []
    assert client.report.running == ""
    return job.error.message


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"prompt": ""},
        {"prompt": " \n\t"},
        {"prompt": "a" * 10_000},
        {"prompt": ["a person walks"]},
        {"prompt": "a person walks", "seconds": 0},
        {"prompt": "a person walks", "seconds": -2},
        {"prompt": "a person walks", "seconds": 500},
        {"prompt": "a person walks", "seconds": float("nan")},
        {"prompt": "a person walks", "seconds": "six"},
        {"prompt": "a person walks", "seed": "x"},
        {"prompt": "a person walks", "temperature": -1},
        {"prompt": "a person walks", "temperature": float("inf")},
        {"prompt": "a person walks", "top_p": 0},
        {"prompt": "a person walks", "top_p": 2},
        {"prompt": "a person walks", "guidance": -1},
    ],
)
def test_text_to_motion(client, params):
    assert len(refused(client, "text_to_motion", params)) > 15


@pytest.mark.parametrize(
    ("arrays", "fps"),
    [
        ({"start_poses": np.zeros((3, 22, 3))}, 20),
        ({"start_poses": np.zeros((3, 5, 3)), "start_trans": np.zeros((3, 3))}, 20),
        ({"start_poses": np.zeros((3, 22, 3)), "start_trans": np.zeros((2, 3))}, 20),
        ({"start_poses": np.zeros((0, 22, 3)), "start_trans": np.zeros((0, 3))}, 20),
        ({"start_poses": np.full((3, 22, 3), np.nan), "start_trans": np.zeros((3, 3))}, 20),
        ({"start_poses": np.zeros((3, 22, 3)), "start_trans": np.zeros((3, 3))}, None),
        ({"start_poses": np.zeros((3, 22, 3)), "start_trans": np.zeros((3, 3))}, -1),
    ],
)
def test_a_start_that_is_no_motion(client, arrays, fps):
    params = {"prompt": "a person walks", "seconds": 2, "start_fps": fps}
    assert "start motion" in refused(client, "text_to_motion", params, arrays)


@pytest.mark.parametrize(
    "prompts", [[], ["a", " "], ["x" * 20_001], ["a"] * 257, "a person walks", [1]]
)
def test_gate(client, prompts):
    assert len(refused(client, "gate", {"prompts": prompts})) > 15


USER = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "Hi."}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"messages": []},
        {"messages": "hello"},
        {"messages": ["hello"]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": " \n"}]},
        {"messages": [{"role": "robot", "content": "hello"}]},
        {"messages": [USER, ANSWER]},
        {"messages": [USER, {"role": "system", "content": "Be brief."}, USER]},
        {"messages": [{"role": "user", "content": "x" * 20_001}]},
        {"messages": [USER] * 2001},
        {"messages": [USER], "max_new_tokens": 0},
        {"messages": [USER], "max_new_tokens": "many"},
        {"messages": [USER], "temperature": -1},
        {"messages": [USER], "seconds": 500},
        {"messages": [USER, {**ANSWER, "motion": {"prompt": "", "seconds": 1}}, USER]},
        {"messages": [USER, {**ANSWER, "motion": {"prompt": "walk", "seconds": -1}}, USER]},
        {"messages": [{**USER, "motion": {"prompt": "walk", "seconds": 1}}]},
    ],
)
def test_chat(client, params):
    assert len(refused(client, "chat", params)) > 15
