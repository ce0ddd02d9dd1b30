# SPDX-License-Identifier: Apache-2.0
"""Chat: who answers a turn, the base model's words, motions and what follows them, the context."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_hmvlm import CODES, tiny_base, tiny_hmvlm

from backend.errors import Cancelled, InvalidInput
from backend.model.hmvlm import Hmvlm
from backend.model.processing import QUESTION_INSTRUCTION
from backend.motion.tokenizer import MotionTokenizer, MotionTokenizerConfig
from backend.tasks.chat import chat, fit
from backend.tasks.requests import ChatMessage, ChatParams, MadeMotion

WALK = "a person walks with the right foot first"
SMALL_TALK = ("thanks", "what is water?")


def _gate(prompts: list[str]) -> torch.Tensor:
    """As the real one: words that say little read as motion unless asked as a question."""
    rows = []
    for prompt in prompts:
        general = "water" in prompt or ("thanks" in prompt and QUESTION_INSTRUCTION in prompt)
        alpha_0 = 0.995 if general else 0.6 if "unsure" in prompt else 0.01
        rows.append([alpha_0, *[(1 - alpha_0) / 4] * 4])
    return torch.tensor(rows)


@pytest.fixture(scope="module")
def model() -> Hmvlm:
    model = tiny_hmvlm()
    torch.manual_seed(0)
    small = {"token_dim": 8, "encoder_width": 8, "decoder_width": 8, "code_dim": 4}
    config = MotionTokenizerConfig(codebook_size=CODES, heads=2, **small)
    model.motion_tokenizer = MotionTokenizer(config).eval()
    model.gate = _gate  # type: ignore[method-assign]
    return model


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage("assistant", text)


def params(*messages: ChatMessage, **kwargs) -> ChatParams:
    return ChatParams(messages, **{"max_new_tokens": 8, "seconds": 1.0, **kwargs})


def base_answer(model: Hmvlm, messages: tuple[ChatMessage, ...], count: int) -> list[int]:
    words = model.processor
    text = words.chat_text([{"role": m.role, "content": m.content} for m in messages])
    ids = torch.tensor([words.tokenizer.encode(text)])
    out = tiny_base().generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False
    )
    answer = out[0, ids.shape[1] :].tolist()
    return answer[: answer.index(99)] if 99 in answer else answer


@pytest.mark.parametrize("turn", SMALL_TALK)
def test_what_is_not_about_motion_is_answered_by_the_base_model(model: Hmvlm, turn: str) -> None:
    messages = (ChatMessage("system", "Be brief."), user("hi"), assistant("Hello."), user(turn))
    pieces: list[str] = []
    said = chat(model, params(*messages, max_new_tokens=12), on_text=pieces.append)
    assert said.tokens == base_answer(model, messages, 12)
    assert said.tokens
    assert said.alpha[0] >= 0.99
    assert said.motion is None
    assert "".join(pieces) == said.text == model.processor.tokenizer.decode(said.tokens)
    assert said.message == assistant(said.text)


def test_every_turn_of_a_conversation_is_the_base_models(model: Hmvlm) -> None:
    messages: tuple[ChatMessage, ...] = ()
    for turn in ("what is water?", "and who drinks water?", "thanks"):
        messages += (user(turn),)
        said = chat(model, params(*messages))
        assert said.tokens == base_answer(model, messages, 8)
        messages += (said.message,)


def test_a_motion_request_yields_motion_and_a_sentence(model: Hmvlm) -> None:
    frames: list[np.ndarray] = []
    pieces: list[str] = []
    said = chat(
        model,
        params(user(f"Can you show me {WALK}?"), seed=5),
        on_text=pieces.append,
        on_motion=lambda start, motion: frames.append(motion.trans),
    )
    assert said.motion is not None
    assert said.motion.motion.num_frames == 20
    assert said.motion.seed == 5
    assert said.text == "".join(pieces) == f"Here is: {WALK}, 1.0 s."
    assert said.message.motion == MadeMotion(WALK, 1.0)
    np.testing.assert_array_equal(np.concatenate(frames), said.motion.motion.trans)


def test_where_the_gate_is_between_the_answer_is_text_with_the_experts(model: Hmvlm) -> None:
    messages = (user("unsure"),)
    said = chat(model, params(*messages))
    assert said.motion is None
    assert said.alpha[0] == pytest.approx(0.6)
    assert said.tokens != base_answer(model, messages, 8)


def test_a_follow_up_is_read_together_with_the_motion_before_it(model: Hmvlm) -> None:
    first = chat(model, params(user(WALK)))
    history = (user(WALK), first.message)
    again = chat(model, params(*history, user("again, with the left foot")))
    assert again.message.motion == MadeMotion(WALK.replace("right", "left"), 1.0)
    assert first.motion is not None
    assert again.motion is not None
    assert again.motion.seed == first.motion.seed + 1
    longer = chat(model, params(*history, user("make it longer"), seconds=None))
    assert longer.message.motion == MadeMotion(WALK, 1.5)
    assert longer.motion is not None
    assert longer.motion.motion.num_frames == 30


def test_thanks_after_a_motion_and_questions_stay_talk(model: Hmvlm) -> None:
    first = chat(model, params(user(WALK)))
    for turn in SMALL_TALK:
        messages = (user(WALK), first.message, user(turn))
        assert chat(model, params(*messages)).tokens == base_answer(model, messages, 8)


def test_the_gates_word_for_the_base_model_is_final(model: Hmvlm) -> None:
    history = (user(WALK), ChatMessage("assistant", "Here is", MadeMotion(WALK, 1.0)))
    assert chat(model, params(*history, user("again, but with water"))).motion is None


def test_cancel_between_tokens_and_in_a_motion(model: Hmvlm) -> None:
    pieces: list[str] = []
    with pytest.raises(Cancelled):
        chat(
            model,
            params(user("what is water?"), max_new_tokens=50),
            on_text=pieces.append,
            is_cancelled=lambda: len(pieces) >= 3,
        )
    assert len(pieces) == 3
    with pytest.raises(Cancelled):
        chat(model, params(user(WALK)), is_cancelled=lambda: True)


def test_progress_rises_with_the_answer(model: Hmvlm) -> None:
    seen: list[float] = []
    chat(model, params(user("what is water?")), on_progress=lambda f, text: seen.append(f))
    assert seen == sorted(seen)
    assert len(seen) > 3


def test_temperature_draws_and_the_seed_fixes_it(model: Hmvlm) -> None:
    tokens = [
        chat(model, params(user("water?"), temperature=2.0, top_p=1.0, seed=seed)).tokens
        for seed in (1, 1, 2)
    ]
    assert tokens[0] == tokens[1]
    assert tokens[0] != tokens[2]


def test_old_turns_make_room_and_the_system_message_stays(model: Hmvlm) -> None:
    system = ChatMessage("system", "Be brief.")
    turns = [m for n in range(6) for m in (user(f"water {n}?"), assistant(f"Answer {n}."))]
    messages = (system, *turns, user("water at last?"))
    everything, none = fit(model, messages, 8)
    assert none == 0
    assert tuple(everything) == messages
    context = model.base.config.max_position_embeddings
    try:
        model.base.config.max_position_embeddings = 150
        kept, dropped = fit(model, messages, 8)
        said = chat(model, params(*messages))
        with pytest.raises(InvalidInput, match="context of 150"):
            fit(model, (system, user("water " * 30)), 8)
    finally:
        model.base.config.max_position_embeddings = context
    assert dropped == said.dropped_turns
    assert 0 < dropped < 6
    assert tuple(kept) == (system, *messages[1 + 2 * dropped :])
    words = model.processor
    size, before = (
        len(words.chat_text([{"role": m.role, "content": m.content} for m in some]))
        for some in (kept, [system, *messages[2 * dropped - 1 :]])
    )
    assert size <= 150 - 8 < before
    assert said.tokens == base_answer(model, tuple(kept), 8)


def test_an_answer_that_was_cut_says_so(model: Hmvlm) -> None:
    cut = chat(model, params(user("what is water?"), max_new_tokens=1))
    assert not cut.complete
    assert len(cut.tokens) == 1


def test_a_prompt_too_long_for_a_motion_is_refused(model: Hmvlm) -> None:
    with pytest.raises(InvalidInput, match="1,000 are allowed"):
        chat(model, params(user("walk " * 300)))


def test_a_conversation_that_cannot_be_answered_is_refused_first(model: Hmvlm) -> None:
    with pytest.raises(InvalidInput, match="end with a message of the user"):
        chat(model, replace(params(user("hi")), messages=()))


@pytest.mark.slow
def test_a_conversation_with_the_shipped_weights() -> None:
    """Text, motion, a follow-up, thanks: with the real gate, and the real base model's words."""
    from backend.model.loading import load_base, load_hmvlm

    shipped = load_hmvlm()
    base, tokenizer, _ = load_base(shipped.config.base_model)
    wave, other = "a person waves with the right hand", "a person waves with the left hand"
    history: tuple[ChatMessage, ...] = ()
    for turn, made in (
        ("What is the capital of France?", None),
        (f"Can you show me {wave.replace('waves', 'waving')}?", wave.replace("waves", "waving")),
        (wave, wave),
        ("again, with the left hand", other),
        ("thanks", None),
        ("And what is the capital of Italy?", None),
    ):
        history += (user(turn),)
        said = chat(shipped, ChatParams(history, max_new_tokens=12, seconds=1.0))
        assert (said.message.motion.prompt if said.message.motion else None) == made, turn
        if made is None:
            assert said.alpha[0] >= 0.99
            ids = tokenizer.encode(
                shipped.processor.chat_text(
                    [{"role": m.role, "content": m.content} for m in history]
                ),
                add_special_tokens=False,
                return_tensors="pt",
            )
            out = base.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
            answer = out.tolist()
            stop = tokenizer.eos_token_id
            assert said.tokens == (answer[: answer.index(stop)] if stop in answer else answer)
        history += (said.message,)
