# SPDX-License-Identifier: Apache-2.0
"""A turn of a conversation: the base model's answer, or the motion that was asked for.

The gate reads the user's last turn (HMVLM, section 3.1). At alpha_0 >= 0.99 the answer is the base
model's, token for token. Below that the turn may want a motion, but the gate also leans that way
for words that say little ("thanks", "ok"), so it is asked once more how it reads the turn after the
instruction of a question: a motion is made only where both readings are for one. Right after a
motion a turn may also be about it (see follow_ups).

The key-value cache is not kept between turns: a turn is a job of its own that any worker can run,
also one that was just started, and reading a conversation again takes less than an answer does.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..errors import InvalidInput
from ..model.decoding import SamplingOptions, generate_text
from ..model.hmvlm import Hmvlm
from ..model.processing import QUESTION_INSTRUCTION
from .follow_ups import MotionOrder, follow_up, motion_prompt
from .requests import (
    MAX_SECONDS,
    MAX_SEED,
    MIN_SECONDS,
    ChatMessage,
    ChatParams,
    MadeMotion,
    TextToMotionParams,
    validate_chat,
)
from .text_to_motion import Chunk, Progress, TextToMotionResult, text_to_motion

MOTION_BELOW = 0.5
"""alpha_0 under which a reading is for a motion; on real turns the gate is hardly ever between."""


@dataclass(frozen=True)
class ChatResult:
    """message: the answer as the next request's history has it.

    alpha: (E,), what the answer was made with. tokens: ids of the text, none where a motion was
    made. complete: the text ended by itself, not at the limit. dropped_turns: how many of the
    oldest turns, a user's message and what followed it each, did not fit the context.
    """

    message: ChatMessage
    alpha: list[float]
    tokens: list[int]
    motion: TextToMotionResult | None = None
    complete: bool = True
    dropped_turns: int = 0

    @property
    def text(self) -> str:
        return self.message.content


def chat(
    model: Hmvlm,
    params: ChatParams,
    on_progress: Progress = lambda fraction, message: None,
    on_text: Callable[[str], None] = lambda text: None,
    on_motion: Chunk = lambda start_frame, motion: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> ChatResult:
    """Answer the last turn of a conversation.

    on_text gets the text piece by piece, on_motion(start_frame, motion) new frames as they become
    final. Raises InvalidInput for a conversation that cannot be answered, and Cancelled once
    is_cancelled() is true.
    """
    validate_chat(params)
    on_progress(0.0, "Reading the message")
    order, alpha = route(model, params.messages)
    if order is not None:
        return _make_motion(model, params, order, on_progress, on_text, on_motion, is_cancelled)
    kept, dropped = fit(model, params.messages, params.max_new_tokens)
    pieces = 0

    def on_piece(text: str) -> None:
        nonlocal pieces
        pieces += 1
        on_text(text)
        on_progress(min(pieces / params.max_new_tokens, 1.0), "Answering")

    text, tokens, used = generate_text(
        model,
        _plain(kept),
        alpha=alpha,
        options=SamplingOptions(params.temperature, params.top_p),
        seed=params.seed,
        max_new_tokens=params.max_new_tokens,
        on_text=on_piece,
        is_cancelled=is_cancelled,
    )
    return ChatResult(
        ChatMessage("assistant", text),
        [float(a) for a in used],
        tokens,
        complete=len(tokens) < params.max_new_tokens,
        dropped_turns=dropped,
    )


def route(model: Hmvlm, messages: Sequence[ChatMessage]) -> tuple[MotionOrder | None, Tensor]:
    """What to animate, or None to answer in words; and the alpha (E,) of an answer in words."""
    turn = messages[-1].content
    bare = model.gate([turn])
    if bool(model.skips_experts(bare)[0]):
        return None, bare[0]
    words, last = model.processor, messages[-2].motion if len(messages) > 1 else None
    about_last = follow_up(turn, last.prompt) if last is not None else None
    order = about_last or MotionOrder(motion_prompt(turn))
    asked = model.gate([words.gate_text(turn, QUESTION_INSTRUCTION)])
    makable = not bool(model.skips_experts(model.gate([words.gate_text(order.prompt)]))[0])
    both = max(float(bare[0, 0]), float(asked[0, 0])) < MOTION_BELOW
    if makable and (about_last is not None or both):
        return order, bare[0]
    return None, asked[0] if float(asked[0, 0]) > float(bare[0, 0]) else bare[0]


def fit(
    model: Hmvlm, messages: Sequence[ChatMessage], max_new_tokens: int
) -> tuple[list[ChatMessage], int]:
    """The messages that leave room for an answer in the context, and how many turns were dropped.

    The oldest turns go first, the system message stays. Raises InvalidInput when the last turn
    alone does not fit.
    """
    context = int(model.base.config.max_position_embeddings)
    system = [m for m in messages[:1] if m.role == "system"]
    turns = _turns(messages[len(system) :])

    def kept(dropped: int) -> list[ChatMessage]:
        return system + [message for turn in turns[dropped:] for message in turn]

    def size(dropped: int) -> int:
        return len(model.processor.text_rows(model.processor.chat_text(_plain(kept(dropped)))))

    room = context - max_new_tokens
    dropped = bisect_left(range(len(turns)), True, key=lambda count: size(count) <= room)
    if dropped == len(turns):
        raise InvalidInput(
            f"The message has {size(len(turns) - 1):,} tokens with what surrounds it, and an "
            f"answer of up to {max_new_tokens:,} must fit beside it into the model's context of "
            f"{context:,}. Send a shorter message, or ask for a shorter answer."
        )
    return kept(dropped), dropped


def _turns(messages: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """Each message of the user with the answers to it."""
    turns: list[list[ChatMessage]] = []
    for message in messages:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _plain(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


def _make_motion(
    model: Hmvlm,
    params: ChatParams,
    order: MotionOrder,
    on_progress: Progress,
    on_text: Callable[[str], None],
    on_motion: Chunk,
    is_cancelled: Callable[[], bool],
) -> ChatResult:
    earlier = [m.motion for m in params.messages if m.motion is not None]
    seconds = params.seconds
    if order.stretch is not None and earlier:
        # in whole tenths, as the prompt says it
        seconds = round(min(max(earlier[-1].seconds * order.stretch, MIN_SECONDS), MAX_SECONDS), 1)
    request = TextToMotionParams(
        prompt=order.prompt,
        seconds=seconds,
        # "again" has to give another take
        seed=(params.seed + len(earlier)) % (MAX_SEED + 1),
    )
    made = text_to_motion(model, request, on_progress, on_motion, is_cancelled)
    length = round(made.motion.seconds, 2)
    text = f"Here is: {order.prompt}, {length:.1f} s."
    on_text(text)
    message = ChatMessage("assistant", text, MadeMotion(order.prompt, length))
    return ChatResult(message, made.alpha, [], made)
