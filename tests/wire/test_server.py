# SPDX-License-Identifier: Apache-2.0
"""The protocol against a real server: requests, events, and what must not harm it."""

import os
import random
import time

import msgspec
import numpy as np
import pytest
import zmq
from backend_harness import Backend, collect, finish

from blender_addon.core.client import Client, ClientState
from blender_addon.core.jobs import JobState
from blender_addon.shared import protocol
from blender_addon.shared.codec import Codec, VersionMismatchError, encode, magic_frame
from blender_addon.shared.connection import read_connection_file, write_connection_file

pytestmark = pytest.mark.wire

LONG = {"prompt": "a person walks", "seconds": 30}  # 60 steps of 20 ms
SHORT = {"prompt": "a person walks", "seconds": 1}


def terminals(events, job_id):
    return [e for e in events if e.job_id == job_id and isinstance(e.message, protocol.TERMINAL)]


class RawClient:
    """A socket with the right keys that may send anything."""

    def __init__(self, backend: Backend) -> None:
        info = read_connection_file(backend.connection_file)
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.curve_serverkey = info.server_public_key.encode()
        self.socket.curve_publickey = info.client_public_key.encode()
        self.socket.curve_secretkey = info.client_secret_key.encode()
        self.socket.connect(info.endpoint)

    def ask(self, *frames: bytes) -> list[bytes]:
        self.socket.send_multipart(frames)
        assert self.socket.poll(10_000), "no answer"
        return self.socket.recv_multipart()


@pytest.fixture
def raw(backend):
    raw = RawClient(backend)
    yield raw
    raw.context.destroy(linger=0)


def test_welcome_names_the_tasks(client):
    assert client.welcome is not None
    assert {"text_to_motion", "chat", "gate"} <= set(client.welcome.tasks)
    assert client.welcome.pid > 0


def test_status(client):
    client.request_status()
    collect(client, lambda _: client.report)
    assert client.report is not None
    assert client.report.worker in ("starting", "idle")
    assert client.report.queued == []


def test_motion_is_streamed_and_complete(client):
    job_id = client.submit("text_to_motion", {"prompt": "a person walks", "seconds": 2, "seed": 7})
    job = client.jobs[job_id]
    events = collect(client, lambda _: job.finished)
    kinds = [type(e.message) for e in events if e.job_id == job_id]
    assert kinds[0] is protocol.Accepted
    assert kinds[-1] is protocol.Result
    assert kinds.count(protocol.Chunk) == 4
    assert [c.start_frame for c in job.chunks] == [0, 10, 20, 30]
    motion = job.motion()
    assert motion.num_frames == 40
    assert motion.fps == 20
    assert motion.trans[-1, 2] == pytest.approx(39 / 20)
    np.testing.assert_array_equal(
        np.concatenate([c.motion.trans for c in job.chunks]), motion.trans
    )
    assert job.values["seed"] == 7


def test_chat_streams_its_text(client):
    messages = [{"role": "user", "content": "how are you"}]
    job_id = client.submit("chat", {"messages": messages})
    job = client.jobs[job_id]
    events = collect(client, lambda _: job.finished)
    pieces = [e.message.text for e in events if isinstance(e.message, protocol.Chunk)]
    assert pieces == ["how ", "are ", "you ", "(1) "]
    assert job.text == job.values["text"] == "how are you (1) "
    assert len(terminals(events, job_id)) == 1


def test_a_motion_in_a_chat_is_streamed_with_its_text(client):
    messages = [{"role": "user", "content": "walk"}]
    job = finish(client, client.submit("chat", {"messages": messages, "seconds": 1}))
    assert [c.start_frame for c in job.chunks] == [0, 10]
    assert job.motion().num_frames == 20
    assert job.text == "walk (1) "


def test_a_chat_is_cancelled_between_words(client):
    messages = [{"role": "user", "content": "word " * 3000}]
    job_id = client.submit("chat", {"messages": messages})
    job = client.jobs[job_id]
    collect(client, lambda _: job.text)
    client.cancel(job_id)
    events = collect(client, lambda _: job.finished)
    assert job.state is JobState.CANCELLED
    assert len(terminals(events, job_id)) == 1
    assert len(job.text) < 5 * 3000


def test_arrays_go_both_ways(client):
    arrays = {"a": np.arange(6, dtype=">i4").reshape(2, 3), "b": np.zeros((0, 3), np.float16)}
    job = finish(client, client.submit("echo", {"text": "grüß", "list": [1, None]}, arrays))
    assert job.values == {"text": "grüß", "list": [1, None]}
    np.testing.assert_array_equal(job.arrays["a"], arrays["a"])
    assert job.arrays["b"].shape == (0, 3)


def test_progress_only_rises_also_when_the_model_is_loaded_first(tmp_path):
    backend = Backend(tmp_path).start()
    try:
        client = backend.client()
        job_id = client.submit("text_to_motion", SHORT)
        events = collect(client, lambda _: client.jobs[job_id].finished)
    finally:
        backend.stop()
    steps = [e.message for e in events if isinstance(e.message, protocol.Progress)]
    assert steps[0].message == "loading model"
    assert steps[-1].message == "generating"
    assert [s.fraction for s in steps] == sorted(s.fraction for s in steps)
    assert steps[-2].fraction < 1.0


def test_load_model_is_a_job(client):
    job = finish(client, client.load_model())
    assert job.state is JobState.DONE
    client.request_status()
    collect(client, lambda _: client.report)
    assert client.report is not None
    assert (client.report.model, client.report.device) == ("loaded", "fake")


def test_ping_and_status_are_answered_while_a_job_runs(client):
    job_id = client.submit("text_to_motion", LONG)
    collect(client, lambda _: client.jobs[job_id].state is JobState.RUNNING)
    client.report = None
    started = time.monotonic()
    client.request_status()
    collect(client, lambda _: client.report)
    assert time.monotonic() - started < 0.5  # the job itself lasts longer
    assert client.report is not None
    assert client.report.running == job_id
    assert not client.jobs[job_id].finished
    client.cancel(job_id)
    finish(client, job_id)


def test_cancel_stops_the_job_that_is_named_and_no_other(client):
    first = client.submit("text_to_motion", LONG)
    second = client.submit("text_to_motion", SHORT)
    third = client.submit("text_to_motion", SHORT)
    collect(client, lambda _: client.jobs[first].state is JobState.RUNNING)
    client.cancel(second)
    client.cancel(first)
    events = collect(client, lambda _: all(client.jobs[i].finished for i in (first, second, third)))
    assert client.jobs[first].state is JobState.CANCELLED
    assert client.jobs[second].state is JobState.CANCELLED
    assert client.jobs[third].state is JobState.DONE
    for job_id in (first, second, third):
        assert len(terminals(events, job_id)) == 1


def test_cancel_of_an_unknown_job(client):
    client.cancel("nobody")
    events = collect(client, lambda events: events)
    assert events[0].message.code == protocol.Code.UNKNOWN_JOB


def test_the_same_id_is_the_same_job(client):
    job_id = client.submit("text_to_motion", SHORT, job_id="twice")
    client.submit("text_to_motion", SHORT, job_id="twice")
    events = collect(client, lambda _: client.jobs[job_id].finished)
    client.request_status()
    events += collect(client, lambda events: events)
    assert len(terminals(events, job_id)) == 1


def test_a_client_that_comes_back_gets_the_result(backend, client):
    client.submit("text_to_motion", LONG, job_id="left-alone")
    collect(client, lambda _: client.jobs["left-alone"].state is JobState.RUNNING)
    client.close()
    other = backend.client()
    other.submit("text_to_motion", LONG, job_id="left-alone")
    job = finish(other, "left-alone")
    assert job.state is JobState.DONE
    third = backend.client()
    third.submit("text_to_motion", {}, job_id="left-alone")  # ended: only the id counts
    assert finish(third, "left-alone").motion().num_frames == 600


@pytest.mark.parametrize(
    "params",
    [{}, {"prompt": " "}, {"prompt": "x", "seconds": 0.5}, {"prompt": "x", "seconds": 500}],
)
def test_bad_input_is_turned_down_before_it_queues(client, params):
    started = time.monotonic()
    job = finish(client, client.submit("text_to_motion", params))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == protocol.Code.INVALID_INPUT
    assert not job.error.retryable
    assert time.monotonic() - started < 1.0


def test_unknown_task(client):
    job = finish(client, client.submit("juggle", {}))
    assert job.error is not None
    assert job.error.code == protocol.Code.UNKNOWN_TASK
    assert "text_to_motion" in job.error.message


def test_a_submit_the_server_cannot_read_still_ends(client):
    job = finish(client, client.submit("echo", {}, job_id="x" * 65))
    assert job.error is not None
    assert job.error.code == protocol.Code.MALFORMED


def test_another_major_is_refused_with_both_versions(raw):
    frames = raw.ask(magic_frame(99), b"whatever", b"that", b"version", b"sends")
    # by hand, as the client of that other version would read it
    assert frames[0] == b"HMVLM" + bytes([0, protocol.MAJOR])
    assert frames[1] == b"refused"
    refusal = msgspec.json.decode(frames[2])
    assert (refusal["server_major"], refusal["client_major"]) == (protocol.MAJOR, 99)
    assert "99" in refusal["message"]
    with pytest.raises(VersionMismatchError, match="99"):
        Codec(protocol.Event).decode(frames)


def test_a_client_of_another_major_says_so(backend, monkeypatch):
    from blender_addon.shared import codec

    client = Client(backend.connection_file)
    client.connect()
    monkeypatch.setattr(
        codec.protocol, "MAJOR", 2
    )  # what this side writes and expects from here on
    client._send(protocol.Ping())
    collect(client, lambda _: client.state is ClientState.LOST)
    assert "protocol" in client.problem
    assert "1" in client.problem


def test_garbage_is_answered_and_survived(raw, backend):
    rng = random.Random(0)
    good = encode(protocol.Ping(), seq=5)
    bad_ref = {"a": protocol.ArrayRef("float32", [1000], 0)}
    cases = [
        [b""],
        [b"GET / HTTP/1.1"],
        [good[0]],
        [good[0], good[1]],
        [good[0], b"", b""],
        [*good, b"an unannounced buffer"],
        [good[0], good[1], msgspec.msgpack.encode({"type": "pickle"})],
        [good[0], good[1], msgspec.msgpack.encode({"type": "submit", "job_id": 3})],
        [good[0], good[1], b"\x91" * 5000],
        [good[0], good[1], b"\xdd\xff\xff\xff\xff"],
        [good[0], b"x" * 5000, good[2]],
        encode(protocol.Submit("bad", "echo", {}, bad_ref), [b"1234"]),
        encode(protocol.Submit("bad", "echo", {}, bad_ref)),
        *([bytes(rng.randbytes(rng.randrange(60))) for _ in range(3)] for _ in range(50)),
        *([good[0], good[1], rng.randbytes(rng.randrange(60))] for _ in range(50)),
    ]
    codec = Codec(protocol.Event)
    for frames in cases:
        answer = codec.decode(raw.ask(*frames)).message
        assert isinstance(answer, protocol.Error), frames
        assert answer.code == protocol.Code.MALFORMED
    assert isinstance(codec.decode(raw.ask(*good)).message, protocol.Pong)


def test_unknown_fields_are_ignored(raw):
    good = encode(protocol.Ping(), seq=5)
    body = msgspec.msgpack.encode({"type": "ping", "colour": "red"})
    header = msgspec.msgpack.encode({"seq": 5, "buffers": 0, "trace": [1]})
    answer = Codec(protocol.Event).decode(raw.ask(good[0], header, body))
    assert isinstance(answer.message, protocol.Pong)
    assert answer.header.reply_to == 5


def test_only_the_holder_of_the_file_gets_in(backend, tmp_path):
    info = read_connection_file(backend.connection_file)
    public, secret = zmq.curve_keypair()
    stolen = msgspec.structs.replace(
        info, client_public_key=public.decode(), client_secret_key=secret.decode()
    )
    write_connection_file(tmp_path / "c.json", stolen)
    client = Client(tmp_path / "c.json")
    client.connect()
    collect(client, lambda _: client.state is not ClientState.CONNECTING)
    assert client.state is ClientState.LOST
    assert "keys" in client.problem


def test_the_file_is_private(backend):
    if os.name == "posix":
        assert backend.connection_file.stat().st_mode & 0o777 == 0o600


def test_pump_does_not_wait(client):
    started = time.monotonic()
    for _ in range(20):
        client.pump(5)
    assert time.monotonic() - started < 0.1


def test_the_queue_is_bounded(client):
    first = client.submit("text_to_motion", LONG)
    others = [client.submit("echo", {"n": n}) for n in range(70)]
    collect(client, lambda _: sum(client.jobs[i].finished for i in others) >= 6)
    busy = [client.jobs[i] for i in others if client.jobs[i].finished]
    assert all(j.error and j.error.code == protocol.Code.BUSY and j.error.retryable for j in busy)
    client.cancel(first)
    collect(client, lambda _: all(client.jobs[i].finished for i in others))
