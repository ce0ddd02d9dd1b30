# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.core.jobs import FINAL, Job, JobState
from blender_addon.shared import protocol
from blender_addon.shared.motion import MotionError

FRAMES = {"poses": np.zeros((10, 22, 3), np.float32), "trans": np.zeros((10, 3), np.float32)}


def test_a_whole_life():
    job = Job("a", "text_to_motion")
    assert job.state is JobState.SENT
    assert job.apply(protocol.Accepted("a", 2))
    assert (job.state, job.position) == (JobState.QUEUED, 2)
    assert job.apply(protocol.Progress("a", 0.25, "generating"))
    assert (job.state, job.fraction, job.message) == (JobState.RUNNING, 0.25, "generating")
    assert job.apply(protocol.Chunk("a", 0, 0, values={"fps": 20}), FRAMES)
    assert job.apply(protocol.Chunk("a", 1, 10, values={"fps": 20.0}), FRAMES)
    assert [c.start_frame for c in job.chunks] == [0, 10]
    assert job.apply(protocol.Result("a", {"fps": 20.0, "seed": 3}), FRAMES)
    assert (job.state, job.fraction) == (JobState.DONE, 1.0)
    assert job.motion().num_frames == 10


def test_text_chunks_add_up():
    job = Job("a", "chat")
    job.apply(protocol.Chunk("a", 0, text="Hel"))
    job.apply(protocol.Chunk("a", 1, text="lo"))
    assert job.text == "Hello"


def test_progress_never_goes_back():
    job = Job("a", "t")
    job.apply(protocol.Progress("a", 0.6))
    job.apply(protocol.Progress("a", 0.2))
    assert job.fraction == 0.6
    job.apply(protocol.Progress("a", 7.0))
    assert job.fraction == 1.0


def test_a_late_accepted_does_not_undo_running():
    job = Job("a", "t")
    job.apply(protocol.Progress("a", 0.1))
    job.apply(protocol.Accepted("a", 3))
    assert job.state is JobState.RUNNING


def test_other_jobs_events_are_not_ours():
    job = Job("a", "t")
    assert not job.apply(protocol.Result("b"))
    assert not job.apply(protocol.Pong())
    assert job.state is JobState.SENT


def test_a_result_without_motion():
    job = Job("a", "t")
    job.apply(protocol.Result("a"))
    with pytest.raises(MotionError):
        job.motion()
    with pytest.raises(MotionError, match="frame rate"):
        Job("b", "t").apply(protocol.Chunk("b", 0), FRAMES)


events = st.one_of(
    st.builds(protocol.Accepted, st.just("a"), st.integers(0, 3)),
    st.builds(protocol.Progress, st.just("a"), st.floats(0, 1)),
    st.just(protocol.Chunk("a", 0, text="x")),
    st.just(protocol.Result("a")),
    st.just(protocol.Error("internal", "broken", False, "a")),
    st.just(protocol.Cancelled("a")),
)


@given(st.lists(events, max_size=12))
def test_the_first_terminal_event_is_the_last_word(sequence):
    job, settled = Job("a", "t"), None
    for event in sequence:
        applied = job.apply(event)
        if settled is not None:
            assert not applied
            assert job.state is settled
        elif isinstance(event, protocol.TERMINAL):
            settled = job.state
            assert settled in FINAL
    assert job.finished == (settled is not None)
