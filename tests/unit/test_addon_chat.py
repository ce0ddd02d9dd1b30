# SPDX-License-Identifier: Apache-2.0
"""The add-on's conversation, what of it is an order, and the files and pixels it takes."""

import numpy as np
import pytest

from blender_addon.core.asks import (
    ChatAsk,
    DescribeAsk,
    DescribeMotionAsk,
    PeopleAsk,
    PoseAsk,
    TrackAsk,
    made_motion,
)
from blender_addon.core.chat_orders import ORDERS, UnknownOrderError, help_text, order_in
from blender_addon.core.conversation import Conversation
from blender_addon.core.jobs import Job
from blender_addon.core.media import CLIPS, PICTURES, path_in, preview_pixels, rgb_pixels
from blender_addon.core.requests import Answered, Arrived, Target
from blender_addon.shared.motion import Motion, MotionError

HELLO = {"role": "assistant", "content": "Hello!", "motion": None}
TARGET = Target("SMPL", "Scene", 7)
FRAMES = {"poses": np.zeros((10, 22, 3), np.float32), "trans": np.zeros((10, 3), np.float32)}


def test_a_turn_is_asked_and_answered():
    talk = Conversation()
    assert talk.ask(" hi ") == ({"role": "user", "content": "hi"},)
    talk.answer(HELLO)
    sent = talk.ask("walk")
    assert [m["content"] for m in sent] == ["hi", "Hello!", "walk"]
    assert sent[1] == HELLO
    assert talk.take_back() == "walk"
    assert len(talk.messages) == 2
    talk.clear()
    assert talk.messages == []


def test_one_turn_at_a_time_and_none_without_words():
    talk = Conversation()
    with pytest.raises(ValueError, match="Write something"):
        talk.ask("  ")
    talk.ask("hi")
    with pytest.raises(ValueError, match="being answered"):
        talk.ask("hi again")


def test_what_an_operator_said_is_shown_but_not_sent():
    talk = Conversation()
    talk.ask("describe this action")
    talk.answer({"role": "assistant", "content": "someone walks"}, operator="describe_action")
    assert [m["content"] for m in talk.messages] == ["describe this action", "someone walks"]
    assert talk.ask("hi") == ({"role": "user", "content": "hi"},)


def test_a_conversation_is_saved_and_read_back():
    talk = Conversation()
    talk.ask("grüß dich")
    talk.answer(HELLO | {"motion": {"prompt": "waves", "seconds": 2.0}})
    assert Conversation.from_json(talk.to_json()).messages == talk.messages
    assert Conversation.from_json("").messages == []
    assert Conversation().to_json() == ""


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"format": "hmvlm-conversation", "version": 2}',
        '{"format": "hmvlm-conversation", "version": 1, "messages": [{"role": "system"}]}',
        '{"format": "hmvlm-conversation", "version": 1, "messages": "hi"}',
    ],
)
def test_damaged_conversations_are_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        Conversation.from_json(text)


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("/action", "describe_action"),
        ("Describe this animation.", "describe_action"),
        ("can you describe the current action?", "describe_action"),
        ("What does this animation show?", "describe_action"),
        ("describe the video", "describe_clip"),
        ("Track the clip please", "track_clip"),
        ("capture the motion in this video", "track_clip"),
        ("key the pose from the photo", "pose_from_photo"),
        ("/pose", "pose_from_photo"),
    ],
)
def test_orders(text, operator):
    order = order_in(text)
    assert order is not None
    assert order.operator == operator
    assert operator in ORDERS.values()


@pytest.mark.parametrize(
    "text",
    [
        "a person walks",
        "describe a person who walks",
        "what is an action potential?",
        "someone takes a photo",
        "strike a pose",
        "run along the track",
        "what does animation mean?",
    ],
)
def test_everything_else_is_for_the_model(text):
    assert order_in(text) is None


def test_commands_take_a_rest_and_unknown_ones_are_named():
    order = order_in("/describe  which hand?")
    assert order is not None
    assert (order.operator, order.rest) == ("describe_clip", "which hand?")
    assert order_in("/help").operator == "help"  # type: ignore[union-attr]
    with pytest.raises(UnknownOrderError, match="/dance"):
        order_in("/dance")
    assert all(f"/{command}" in help_text() for command in ORDERS)


def test_what_is_asked_and_how_it_is_read():
    pose = PoseAsk(path="/a.jpg", box=(1.0, 2.0, 3.0, 4.0), target=TARGET)
    assert pose.params() == {"image": "/a.jpg", "box": [1.0, 2.0, 3.0, 4.0]}
    pixels = np.zeros((40, 40, 3), np.uint8)
    assert PoseAsk(pixels=pixels).params() == {}
    assert PoseAsk(pixels=pixels).arrays()["image"] is pixels

    motion = Motion(np.zeros((4, 22, 3)), np.zeros((4, 3)), 20.0)
    described = DescribeMotionAsk(motion, "walk")
    assert described.params() == {"fps": 20.0, "ask": ""}
    assert described.arrays()["poses"].shape == (4, 22, 3)
    job = Job("a", "describe_motion", text="a per", values={"text": "a person"})
    assert described.arrived(job) == Answered(described, job.values, job.arrays, "a person")

    tracked = TrackAsk("/a.mp4", "a", target=TARGET)
    assert tracked.params() == {"video": "/a.mp4", "in_place": False}
    part = TrackAsk("/a.mp4", "a", start=1.5, seconds=3.0).params()
    assert (part["start"], part["seconds"]) == (1.5, 3.0)
    assert DescribeAsk("/a.mp4").params() == {"video": "/a.mp4", "ask": ""}
    part = DescribeAsk("/a.mp4", "Who?", start=2.0).params()
    assert part == {"video": "/a.mp4", "ask": "Who?", "start": 2.0}
    assert DescribeAsk.files == TrackAsk.files == ("video",)
    answer = tracked.arrived(Job("a", "track", values={"fps": 20}, arrays=FRAMES))
    arrived = made_motion(answer, TARGET, "a")
    assert isinstance(arrived, Arrived)
    assert (arrived.request.prompt, arrived.request.target) == ("a", TARGET)


def test_answers_that_are_not_what_was_asked_for():
    job = Job("a", "pose", values={"fps": 20}, arrays=FRAMES)
    with pytest.raises(MotionError, match="joints"):
        PoseAsk(path="/a.jpg").arrived(job)
    with pytest.raises(MotionError, match="incomplete"):
        PeopleAsk(path="/a.jpg").arrived(Job("a", "people"))
    with pytest.raises(MotionError, match="no message"):
        ChatAsk(()).arrived(Job("a", "chat", values={"message": "hi"}))


def test_a_motion_in_an_answer():
    ask = ChatAsk(({"role": "user", "content": "walk"},), target=TARGET)
    values = {"message": HELLO, "text": "Hello!", "fps": 20.0, "prompt": "walks", "seed": 5}
    answer = ask.arrived(Job("a", "chat", values=values, arrays=FRAMES))
    made = made_motion(answer, TARGET)
    assert made is not None
    assert (made.request.prompt, made.request.seed, made.motion.num_frames) == ("walks", 5, 10)
    assert made_motion(ask.arrived(Job("b", "chat", values=values)), TARGET) is None


def test_files_on_the_clipboard(tmp_path):
    photo = tmp_path / "a photo.JPG"
    photo.write_bytes(b"x")
    assert path_in(str(photo), PICTURES) == photo
    assert path_in(f'"{photo}"\n', PICTURES) == photo
    assert path_in(f"copy\n{photo.as_uri()}", PICTURES) == photo
    assert path_in(str(photo), CLIPS) is None
    assert path_in("a person walks.jpg", PICTURES) is None
    assert path_in("", PICTURES) is None


def test_pixels_are_turned_and_cut_down():
    values = np.zeros((2, 3, 4), np.float32)
    values[0, :] = (1, 0, 0, 1)  # Blender's first row is the bottom one
    values[1, :] = (0, 0, 1, 0)  # and this one cannot be seen
    pixels = rgb_pixels(values.ravel(), 3, 2)
    assert pixels.shape == (2, 3, 3)
    assert pixels[1, 0].tolist() == [255, 0, 0]
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert rgb_pixels(np.zeros(5000 * 10 * 4, np.float32), 5000, 10).shape[1] <= 2048


def test_a_preview_shows_the_box():
    values = np.zeros((100, 200, 4), np.float32)
    values[..., 3] = 1
    values[60:80, 20:40, 0] = 1  # rows 20 to 40 from the top
    preview = preview_pixels(values.ravel(), 200, 100, (20, 20, 40, 40), 32).reshape(32, 32, 4)
    assert preview[..., 0].mean() > 0.75
    beside = preview_pixels(values.ravel(), 200, 100, (-90, 20, -70, 40), 32)
    assert beside.max() == 0
