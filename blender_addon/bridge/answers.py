# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what arrives goes: motions and poses onto armatures, words into panels and actions."""

import traceback
from pathlib import Path

from ..core.asks import (
    ChatAsk,
    DescribeMotionAsk,
    PeopleAsk,
    PoseAsk,
    TrackAsk,
    made_motion,
)
from ..core.client import ClientError
from ..core.requests import Answered, Arrived, Target
from ..core.session import Session
from ..shared.codec import motion_from_arrays
from ..shared.motion import Motion
from . import chat_log
from .delivery import deliver, push_undo
from .errors import BridgeError
from .photo import pose_ask, show_photo
from .pose_keys import key_pose
from .targets import find_action, find_armature, find_both, find_scene

DESCRIPTION = "hmvlm_description"
"""The custom property of an action that holds what it shows, in words."""
_POSE_KEPT = "The pose is kept: select an armature and press Key at Playhead."


def hand_over(session: Session, arrival: Arrived | Answered) -> None:
    """Put what arrived where it was asked for; what goes wrong is said in the session's problem."""
    if isinstance(arrival, Arrived):
        deliver(session, arrival)
        return
    try:
        match arrival.request:
            case PeopleAsk():
                _people(session, arrival)
            case PoseAsk():
                _pose(session, arrival)
            case TrackAsk():
                _track(session, arrival)
            case ChatAsk():
                _chat(session, arrival)
            case _:
                _words(session, arrival)
    except BridgeError as error:
        session.problem = str(error)
    except Exception as error:  # whatever Blender raises: the timer goes on
        traceback.print_exc()
        session.problem = f"Blender refused the answer ({error})."


def after_pump(session: Session) -> None:
    """A turn of the conversation that ended without an answer is taken back."""
    if session.request is None and chat_log.conversation().pending:
        chat_log.take_back()


def say(text: str, operator: str) -> None:
    """An answer in the conversation that is not the model's."""
    chat_log.conversation().answer({"role": "assistant", "content": text}, operator)
    chat_log.show()


def last_pose(session: Session | None) -> tuple[PoseAsk, Motion] | None:
    """The last pose out of a photo, and what was asked for; None before the first."""
    answer = session.latest.get(PoseAsk.task) if session is not None else None
    if answer is None or not isinstance(answer.request, PoseAsk):
        return None
    return answer.request, motion_from_arrays(answer.arrays, float(answer.values["fps"]))


def key_last_pose(session: Session, target: Target, ask: PoseAsk) -> str:
    """Key the last pose as `ask` says; a line about it. Raises BridgeError."""
    known = last_pose(session)
    if known is None:
        raise BridgeError("No pose was made yet: open a photo and press Pose from Photo.")
    scene, armature = find_both(target)
    count = key_pose(scene, armature, known[1], target.start_frame, ask)
    push_undo(f"HMVLM: pose at frame {target.start_frame}")
    bones = "1 bone" if count == 1 else f"{count} bones"
    return f"Keyed {bones} at frame {target.start_frame}"


def _people(session: Session, found: Answered) -> None:
    ask = found.request
    assert isinstance(ask, PeopleAsk)
    if ask.target is None:
        raise BridgeError("Another file was opened meanwhile: open the photo again.")
    scene = find_scene(ask.target)
    if scene is None:
        raise BridgeError(f"The scene '{ask.target.scene}' is gone: open the photo again.")
    show_photo(scene, found)
    count = len(scene.hmvlm_pose.people)
    push_undo(f"HMVLM: {Path(ask.path).name or 'photo'}")
    session.note = "One person found" if count == 1 else f"{count} people found: choose one"
    if ask.pose_after and count == 1 and find_armature(ask.target) is not None:
        try:
            session.ask(pose_ask(scene, ask.target))
        except ClientError as error:
            raise BridgeError(str(error)) from error


def _pose(session: Session, answer: Answered) -> None:
    ask = answer.request
    assert isinstance(ask, PoseAsk)
    try:
        if ask.target is None:
            raise BridgeError("Another file was opened while the pose was being made.")
        session.note = key_last_pose(session, ask.target, ask)
    except BridgeError as error:
        raise BridgeError(f"{error} {_POSE_KEPT}") from error
    if chat_log.conversation().pending:
        say(f"{session.note}.", "pose_from_photo")


def _track(session: Session, answer: Answered) -> None:
    ask = answer.request
    assert isinstance(ask, TrackAsk)
    made = made_motion(answer, ask.target, ask.name)
    if made is not None:
        deliver(session, made)
    notes = answer.values.get("notes")
    if not session.problem and isinstance(notes, list):  # what of the clip could not be used
        session.note = ". ".join([session.note, *map(str, notes)])
    if chat_log.conversation().pending:
        say(session.problem or f"{session.note}.", "track_clip")


def _words(session: Session, answer: Answered) -> None:
    """A description: into the action's, if it is of an action that is still there."""
    ask = answer.request
    session.note = "Described"
    action = None
    if isinstance(ask, DescribeMotionAsk) and ask.target is not None:
        action = find_action(ask.action_uid, ask.action)
    if action is not None and action.library is None:
        action[DESCRIPTION] = answer.text
        if action.asset_data is not None:
            action.asset_data.description = answer.text
        push_undo(f"HMVLM: description of {action.name}")
    if chat_log.conversation().pending:
        of_action = isinstance(ask, DescribeMotionAsk)
        say(answer.text, "describe_action" if of_action else "describe_clip")


def _chat(session: Session, answer: Answered) -> None:
    ask, talk = answer.request, chat_log.conversation()
    assert isinstance(ask, ChatAsk)
    if talk.pending:  # else another file was opened, whose conversation this is not
        talk.answer(answer.values["message"])
        chat_log.show()
    session.note = "Answered"
    made = made_motion(answer, ask.target)
    if made is not None:
        deliver(session, made)
