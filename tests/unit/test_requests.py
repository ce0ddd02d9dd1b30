# SPDX-License-Identifier: Apache-2.0
"""Requests that cannot be served are refused with what to do instead."""

import math

import numpy as np
import pytest

from backend.errors import InvalidInput
from backend.tasks.requests import (
    MAX_PROMPT_CHARS,
    ChatMessage,
    ChatParams,
    MadeMotion,
    TextToMotionParams,
    validate,
    validate_chat,
)
from blender_addon.shared.motion import Motion


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": " \n\t"}, "empty"),
        ({"prompt": "x" * 10_000}, "10,000 characters, 1,000 are allowed"),
        ({"prompt": 5}, "must be text"),
        ({"seconds": 0}, "from 1 to 30 seconds; you gave 0"),
        ({"seconds": 500}, "from 1 to 30 seconds; you gave 500"),
        ({"seconds": -3.0}, "from 1 to 30 seconds"),
        ({"seconds": math.nan}, "from 1 to 30 seconds"),
        ({"seconds": math.inf}, "from 1 to 30 seconds"),
        ({"seconds": "6"}, "from 1 to 30 seconds"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 2**80}, "seed"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"guidance": 100.0}, "guidance"),
        ({"start": Motion(np.zeros((1, 22, 3)), np.zeros((1, 3)), 20.0)}, "start motion"),
        ({"end": Motion(np.zeros((1, 22, 3)), np.zeros((1, 3)), 20.0)}, "end motion"),
    ],
)
def test_refused(change: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        validate(TextToMotionParams(**{"prompt": "a man walks", **change}))


def test_accepted() -> None:
    validate(TextToMotionParams("a man walks"))
    validate(TextToMotionParams("x" * MAX_PROMPT_CHARS, seconds=1))
    validate(
        TextToMotionParams("ein Mann geht, 人が歩く", seconds=30.0, temperature=0.0, top_p=1.0)
    )


HELLO = ChatMessage("user", "hello")
WALK = MadeMotion("a man walks", 2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": ()}, "end with a message of the user"),
        ({"messages": (HELLO, ChatMessage("assistant", "Hi."))}, "end with a message of the user"),
        ({"messages": (ChatMessage("robot", "hello"), HELLO)}, "Message 1 has the role 'robot'"),
        ({"messages": (HELLO, ChatMessage("system", "Be brief."), HELLO)}, "only the first"),
        ({"messages": (ChatMessage("user", " \n"),)}, "Message 1 is empty"),
        ({"messages": (ChatMessage("user", "x" * 20_001),)}, "20,001 characters, 20,000"),
        ({"messages": (HELLO,) * 2001}, "2,001 messages, 2,000 are allowed"),
        ({"messages": (ChatMessage("user", "hi", WALK),)}, "only the assistant"),
        (
            {"messages": (ChatMessage("assistant", "x", MadeMotion(" ", 1.0)), HELLO)},
            "prompt is empty",
        ),
        (
            {"messages": (ChatMessage("assistant", "x", MadeMotion("walk", math.nan)), HELLO)},
            "earlier motion",
        ),
        ({"max_new_tokens": 0}, "from 1 to 2048 tokens"),
        ({"max_new_tokens": 5000}, "from 1 to 2048 tokens"),
        ({"seed": -1}, "seed"),
        ({"temperature": math.inf}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"seconds": 500}, "from 1 to 30 seconds"),
    ],
)
def test_chat_refused(change: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        validate_chat(ChatParams(**{"messages": (HELLO,), **change}))


def test_chat_accepted() -> None:
    system, made = ChatMessage("system", "Be brief."), ChatMessage("assistant", "Here is", WALK)
    # an answer may have been empty: the model can end at once
    validate_chat(ChatParams((system, HELLO, made, HELLO, ChatMessage("assistant", ""), HELLO)))
