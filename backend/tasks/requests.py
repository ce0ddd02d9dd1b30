# SPDX-License-Identifier: Apache-2.0
"""What can be asked of the model and what is refused; importable without torch."""

import math
from dataclasses import dataclass

import numpy as np

from blender_addon.shared.motion import Motion

from ..errors import InvalidInput

MIN_SECONDS = 1.0
MAX_SECONDS = 30.0
MAX_PROMPT_CHARS = 1000
MAX_SEED = 2**63 - 1
MAX_TEMPERATURE = 5.0
MAX_GUIDANCE = 10.0
DEFAULT_GUIDANCE = 3.0
CHAT_ROLES = ("system", "user", "assistant")
MAX_MESSAGES = 2000
MAX_MESSAGE_CHARS = 20_000
MAX_NEW_TOKENS = 2048
MAX_POSE_SAMPLES = 32
DEFAULT_NEW_TOKENS = 256
DEFAULT_DESCRIPTION_TOKENS = 48
MAX_QUESTION_CHARS = 300
MAX_TRACK_SECONDS = 60.0
MIN_PART_SECONDS = 0.2
MAX_START_SECONDS = 24 * 3600.0
LENSES_MM = (8.0, 1000.0)


@dataclass(frozen=True)
class TextToMotionParams:
    """A sentence to a motion.

    seconds: length of the result, None lets the model choose. start: a motion to go on from (its
    last seconds are used, and begin the result). end: a motion whose last pose the result ends in.
    guidance: above 1, the words weigh more; 1 is the paper's plain sampling.
    """

    prompt: str
    seconds: float | None = None
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 0.9
    guidance: float = DEFAULT_GUIDANCE
    start: Motion | None = None
    end: Motion | None = None


@dataclass(frozen=True)
class PoseParams:
    """A picture of a person to a pose.

    image: a file, or its pixels (height, width, 3), uint8. box: left, top, right, bottom in pixels
    around the one who is meant; the largest person when None. refine: fit the model's pose to the
    landmarks. samples: poses that the model offers, of which the one that fits best is taken; the
    first lies between its likely ones, the others are drawn with temperature and top_p. On
    simulated people the first alone is nearer to the truth than the best fit of several.
    """

    image: str | np.ndarray
    box: tuple[float, ...] | None = None
    refine: bool = True
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 0.9
    samples: int = 1


@dataclass(frozen=True)
class DescribeParams:
    """A clip of a person to words.

    video: a file, a folder of pictures, or a pattern of their names. ask: a question about what the
    person does; a description when empty. box: left, top, right, bottom in pixels of the first
    frame around the one who is meant; the largest person when None. start, seconds: the part that
    is looked at; to the end when None.
    """

    video: str
    ask: str = ""
    box: tuple[float, ...] | None = None
    max_new_tokens: int = DEFAULT_DESCRIPTION_TOKENS
    start: float = 0.0
    seconds: float | None = None


@dataclass(frozen=True)
class DescribeMotionParams:
    """The same for a motion."""

    motion: Motion
    ask: str = ""
    max_new_tokens: int = DEFAULT_DESCRIPTION_TOKENS


@dataclass(frozen=True)
class TrackParams:
    """A video of a person to a motion.

    video: a file, a folder of numbered pictures or a pattern of their names. box: as in PoseParams,
    in the first frame. start, seconds: the part that is looked at; to the end when None. lens: mm,
    as on a 36 mm wide sensor, of the camera. in_place: without a path over the ground.
    """

    video: str
    box: tuple[float, ...] | None = None
    start: float = 0.0
    seconds: float | None = None
    lens: float = 35.0
    in_place: bool = False


@dataclass(frozen=True)
class MadeMotion:
    """The motion of an earlier answer: the prompt it was made from, and its length."""

    prompt: str
    seconds: float


@dataclass(frozen=True)
class ChatMessage:
    """role: one of CHAT_ROLES. motion: what an answer of the assistant made, None for text."""

    role: str
    content: str
    motion: MadeMotion | None = None


@dataclass(frozen=True)
class ChatParams:
    """A conversation that ends with the user's turn.

    temperature, top_p: how the text is drawn; 0 is greedy, as the base model is compared. seconds:
    length of a motion, should one be asked for; None lets the model choose. seed: of both.
    """

    messages: tuple[ChatMessage, ...]
    max_new_tokens: int = DEFAULT_NEW_TOKENS
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 0.9
    seconds: float | None = None


def validate(params: TextToMotionParams) -> None:
    """Raises InvalidInput, with what to do instead, for a request that cannot be served."""
    check_prompt(params.prompt)
    check_seconds(params.seconds)
    _check_seed(params.seed)
    _within("The temperature", params.temperature, 0.0, MAX_TEMPERATURE)
    _within("top_p", params.top_p, 0.01, 1.0)
    _within("The guidance", params.guidance, 0.0, MAX_GUIDANCE)
    for name, motion in (("start", params.start), ("end", params.end)):
        if motion is not None and motion.num_frames < 2:
            raise InvalidInput(
                f"The {name} motion has one frame: give one of at least 0.2 seconds."
            )


def validate_chat(params: ChatParams) -> None:
    """Raises InvalidInput, with what to do instead, for a conversation that cannot be answered."""
    messages = params.messages
    if not messages or messages[-1].role != "user":
        raise InvalidInput("The conversation must end with a message of the user.")
    if len(messages) > MAX_MESSAGES:
        raise InvalidInput(
            f"The conversation has {len(messages):,} messages, {MAX_MESSAGES:,} are allowed. "
            "Begin a new one."
        )
    for number, message in enumerate(messages, 1):
        _check_message(number, message)
    tokens = params.max_new_tokens
    if not isinstance(tokens, int) or not 1 <= tokens <= MAX_NEW_TOKENS:
        raise InvalidInput(f"An answer may have from 1 to {MAX_NEW_TOKENS} tokens.")
    check_seconds(params.seconds)
    _check_seed(params.seed)
    _within("The temperature", params.temperature, 0.0, MAX_TEMPERATURE)
    _within("top_p", params.top_p, 0.01, 1.0)


def _check_message(number: int, message: ChatMessage) -> None:
    if message.role not in CHAT_ROLES:
        raise InvalidInput(
            f"Message {number} has the role {message.role!r}: use {', '.join(CHAT_ROLES)}."
        )
    if message.role == "system" and number > 1:
        raise InvalidInput(f"Message {number} is a system message: only the first may be one.")
    if not message.content.strip() and message.role == "user":
        raise InvalidInput(f"Message {number} is empty. Ask something, or describe a motion.")
    if len(message.content) > MAX_MESSAGE_CHARS:
        raise InvalidInput(
            f"Message {number} has {len(message.content):,} characters, "
            f"{MAX_MESSAGE_CHARS:,} are allowed. Send a shorter one."
        )
    if message.motion is not None:
        if message.role != "assistant":
            raise InvalidInput(f"Message {number} has a motion: only the assistant makes motions.")
        check_prompt(message.motion.prompt)
        # a clip that was continued or cropped may be of any length
        _within(
            "The length of an earlier motion", message.motion.seconds, 0.0, math.inf, " seconds"
        )


def check_seconds(seconds: float | None) -> None:
    """Raises InvalidInput for a length of a motion that is out of range; None is fine."""
    if seconds is not None:
        _within("The length", seconds, MIN_SECONDS, MAX_SECONDS, " seconds")


def _check_seed(seed: int) -> None:
    if not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise InvalidInput(f"The seed must be a whole number from 0 to {MAX_SEED}.")


def validate_pose(params: PoseParams) -> None:
    """Raises InvalidInput for a request that cannot be served. The picture is looked at later."""
    if isinstance(params.image, str) and not params.image.strip():
        raise InvalidInput("No picture was given: name a file, or send its pixels.")
    _check_box(params.box)
    _check_seed(params.seed)
    _within("The temperature", params.temperature, 0.0, MAX_TEMPERATURE)
    _within("top_p", params.top_p, 0.01, 1.0)
    if not isinstance(params.samples, int) or not 1 <= params.samples <= MAX_POSE_SAMPLES:
        raise InvalidInput(f"The samples must be a whole number from 1 to {MAX_POSE_SAMPLES}.")


def validate_describe(params: DescribeParams) -> None:
    """Raises InvalidInput for a request that cannot be served. The video is opened later."""
    if not params.video.strip():
        raise InvalidInput("No video was given: name a file, or a folder of pictures.")
    _check_box(params.box)
    _check_start(params.start)
    if params.seconds is not None:
        _within("The length", params.seconds, MIN_PART_SECONDS, MAX_START_SECONDS, " seconds")
    _check_question(params.ask, params.max_new_tokens)


def validate_describe_motion(params: DescribeMotionParams) -> None:
    """Raises InvalidInput for a request that cannot be served."""
    if params.motion.num_frames < 2:
        raise InvalidInput("The motion has one frame: a movement takes at least two.")
    _check_question(params.ask, params.max_new_tokens)


def _check_question(question: str, tokens: int) -> None:
    if len(question) > MAX_QUESTION_CHARS:
        raise InvalidInput(
            f"The question has {len(question):,} characters, {MAX_QUESTION_CHARS} are allowed. "
            "Ask one thing about what the person does."
        )
    if not 1 <= tokens <= MAX_NEW_TOKENS:
        raise InvalidInput(f"An answer may have from 1 to {MAX_NEW_TOKENS} tokens.")


def validate_track(params: TrackParams) -> None:
    """Raises InvalidInput for a request that cannot be served. The video is looked at later."""
    if not params.video.strip():
        raise InvalidInput("No video was given: name a file, or a folder of numbered pictures.")
    _check_box(params.box)
    _check_start(params.start)
    if params.seconds is not None:
        _within("The length", params.seconds, MIN_PART_SECONDS, MAX_TRACK_SECONDS, " seconds")
    _within("The lens", params.lens, *LENSES_MM, " mm")


def _check_start(start: float) -> None:
    _within("The start", start, 0.0, MAX_START_SECONDS, " seconds")


def _check_box(box: tuple[float, ...] | None) -> None:
    if box is not None and (len(box) != 4 or not all(map(math.isfinite, box))):
        raise InvalidInput("A box is four numbers: left, top, right, bottom, in pixels.")


def check_prompt(prompt: str) -> None:
    """Raises InvalidInput for a prompt that is empty, too long or no text."""
    if not isinstance(prompt, str):
        raise InvalidInput("The prompt must be text.")
    if not prompt.strip():
        raise InvalidInput("The prompt is empty. Describe a motion, as: a man walks and waves.")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise InvalidInput(
            f"The prompt has {len(prompt):,} characters, {MAX_PROMPT_CHARS:,} are allowed. "
            "Describe one motion in a sentence or two."
        )


def _within(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    usable = isinstance(value, (int, float)) and math.isfinite(value)
    if not usable or not low <= value <= high:
        raise InvalidInput(f"{name} must be from {low:g} to {high:g}{unit}; you gave {value}.")
