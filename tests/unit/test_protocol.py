# SPDX-License-Identifier: Apache-2.0
"""What a later release must not change by accident."""

import msgspec
import pytest

from blender_addon.shared import protocol


def tags(union) -> set[str]:
    return {kind.__struct_config__.tag for kind in union.__args__}


def test_the_messages_of_version_1():
    assert protocol.MAGIC == b"HMVLM"
    assert protocol.MAJOR == 1
    assert tags(protocol.Request) == {
        "hello",
        "ping",
        "status",
        "submit",
        "cancel",
        "load_model",
        "upload",
        "drop_upload",
        "shutdown",
    }
    assert tags(protocol.Event) == {
        "welcome",
        "pong",
        "status_report",
        "uploaded",
        "goodbye",
        "accepted",
        "progress",
        "chunk",
        "result",
        "error",
        "cancelled",
    }
    assert {kind.__struct_config__.tag for kind in protocol.TERMINAL} == {
        "result",
        "error",
        "cancelled",
    }


@pytest.mark.parametrize("job_id", ["", "x" * 65])
def test_job_ids_are_bounded(job_id):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "cancel", "job_id": job_id}, protocol.Request)


def test_every_event_about_a_job_names_it():
    for kind in protocol.JobEvent.__args__:
        assert "job_id" in kind.__struct_fields__
