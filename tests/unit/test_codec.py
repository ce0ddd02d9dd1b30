# SPDX-License-Identifier: Apache-2.0
"""Messages survive the way there and back; bytes from nowhere never raise anything unforeseen."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from blender_addon.shared import protocol
from blender_addon.shared.codec import (
    DTYPES,
    MAX_BUFFERS,
    MAX_DIMENSIONS,
    Codec,
    ProtocolError,
    VersionMismatchError,
    encode,
    encode_refusal,
    magic_frame,
    motion_arrays,
    motion_from_arrays,
    pack_arrays,
    read_major,
    unpack_arrays,
)
from blender_addon.shared.motion import Motion, MotionError

REQUESTS = Codec(protocol.Request)
EVENTS = Codec(protocol.Event)

texts = st.text(max_size=40)
ids = st.text(min_size=1, max_size=64)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
params = st.dictionaries(texts, values, max_size=5)
arrays = st.dictionaries(
    texts,
    st.sampled_from(DTYPES).flatmap(
        lambda name: hnp.arrays(
            np.dtype(name), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
        )
    ),
    max_size=4,
)


@given(ids, ids, params, arrays, st.integers(0, 2**31), st.integers(0, 2**31))
def test_submit_round_trip(job_id, task, params, arrays, seq, reply_to):
    refs, buffers = pack_arrays(arrays)
    sent = protocol.Submit(job_id, task, params, refs)
    envelope = REQUESTS.decode(encode(sent, buffers, seq=seq, reply_to=reply_to))
    assert envelope.message == sent
    assert (envelope.header.seq, envelope.header.reply_to) == (seq, reply_to)
    back = unpack_arrays(envelope.message.arrays, envelope.buffers)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


@given(
    st.one_of(
        st.builds(protocol.Accepted, ids, st.integers(0, 99)),
        st.builds(protocol.Progress, ids, st.floats(0, 1), texts),
        st.builds(protocol.Chunk, ids, st.integers(0, 99), st.integers(0, 9999), texts, params),
        st.builds(protocol.Result, ids, params),
        st.builds(protocol.Error, texts, texts, st.booleans(), texts),
        st.builds(protocol.Cancelled, ids),
        st.builds(protocol.Welcome, texts, st.integers(0, 9), st.integers(1, 9999)),
    )
)
def test_event_round_trip(event):
    assert EVENTS.decode(encode(event)).message == event


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_are_a_message_or_a_protocol_error(frames):
    with pytest.raises(ProtocolError):
        REQUESTS.decode(frames)


@given(st.binary(max_size=120), st.binary(max_size=120), st.lists(st.binary(max_size=9)))
def test_any_bytes_after_a_good_first_frame(header, body, buffers):
    frames = [magic_frame(protocol.MAJOR), header, body, *buffers]
    try:
        envelope = REQUESTS.decode(frames)
    except ProtocolError:
        return
    assert isinstance(envelope.message, msgspec.Struct)


@given(
    st.text(max_size=10),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=MAX_DIMENSIONS + 2),
    st.integers(-3, 3),
    st.lists(st.binary(max_size=64), max_size=3),
)
def test_any_array_reference_is_an_array_or_a_protocol_error(dtype, shape, frame, buffers):
    for name in (dtype, "float32", "uint8"):
        ref = protocol.ArrayRef(name, shape, frame)
        try:
            array = unpack_arrays({"a": ref}, buffers)["a"]
        except ProtocolError:
            continue
        assert array.nbytes == len(buffers[frame])


def test_byte_order_and_layout_do_not_matter():
    array = np.asfortranarray(np.arange(12, dtype=">f8").reshape(3, 4))[:, ::2]
    refs, buffers = pack_arrays({"a": array})
    assert refs["a"].dtype == "float64"
    np.testing.assert_array_equal(unpack_arrays(refs, buffers)["a"], array)


@pytest.mark.parametrize(
    "array", [np.array(["text"]), np.array([object()]), np.array([1j]), np.zeros((1,) * 9)]
)
def test_arrays_that_are_not_sent(array):
    with pytest.raises(ProtocolError):
        pack_arrays({"a": array})


def test_too_many_buffers():
    with pytest.raises(ProtocolError, match="at most"):
        encode(protocol.Ping(), [b""] * (MAX_BUFFERS + 1))


def test_a_value_that_is_not_plain_data_is_not_sent():
    with pytest.raises(ProtocolError):
        encode(protocol.Submit("a", "b", {"x": object()}))  # type: ignore[dict-item]


def test_unknown_fields_are_ignored_and_missing_ones_have_defaults():
    body = msgspec.msgpack.encode({"type": "error", "code": "x", "message": "y", "colour": 1})
    header = msgspec.msgpack.encode({"later": [1, 2]})
    message = EVENTS.decode([magic_frame(protocol.MAJOR), header, body]).message
    assert message == protocol.Error("x", "y")


def test_a_broken_body_still_names_its_message():
    frames = encode(protocol.Ping(), seq=12)
    with pytest.raises(ProtocolError) as caught:
        REQUESTS.decode([frames[0], frames[1], b"\xc1"])
    assert caught.value.seq == 12


def test_another_major_is_a_version_mismatch():
    frames = encode(protocol.Ping())
    with pytest.raises(VersionMismatchError) as caught:
        REQUESTS.decode([magic_frame(7), *frames[1:]])
    assert caught.value.theirs == 7


def test_the_form_of_a_refusal_is_frozen():
    # if this fails, clients of other versions can no longer read why they were refused
    frames = encode_refusal(9)
    assert frames[:2] == [b"HMVLM\x00\x01", b"refused"]
    assert set(msgspec.json.decode(frames[2])) == {"message", "server_major", "client_major"}
    with pytest.raises(VersionMismatchError, match=r"protocol 1.*speaks 9.*update the backend"):
        EVENTS.decode(frames)
    with pytest.raises(VersionMismatchError, match="update the add-on"):
        EVENTS.decode(encode_refusal(0))


def test_first_frame():
    assert read_major(magic_frame(258)) == 258
    for bad in (b"", b"HMVLM", b"HMVLM\x00", b"HMVLM\x00\x01\x00", b"OTHER\x00\x01"):
        with pytest.raises(ProtocolError):
            read_major(bad)


def test_motion_on_the_wire():
    poses = np.random.default_rng(0).normal(size=(5, 24, 3))
    motion = Motion(poses, np.zeros((5, 3)), 20.0)
    back = motion_from_arrays(motion_arrays(motion, "start_"), 20.0, "start_")
    np.testing.assert_allclose(back.poses, poses[:, :22], atol=1e-6)
    with pytest.raises(MotionError, match="poses and trans"):
        motion_from_arrays({}, 20.0)
