# SPDX-License-Identifier: Apache-2.0
"""Sampling: exact lengths, seeds, continuation, ends, guidance, cancelling, and plain chat."""

import numpy as np
import pytest
import torch
from tiny_hmvlm import CODES, LAYOUTS, tiny_base, tiny_hmvlm

from backend.errors import Cancelled, InvalidInput
from backend.model.configuration import LayoutConfig
from backend.model.decoding import (
    MotionDecoder,
    MotionRequest,
    SamplingOptions,
    draw,
    generate_motion,
    generate_text,
)
from backend.model.hmvlm import Hmvlm

ALPHA = torch.tensor([0.1, 0.3, 0.2, 0.2, 0.2])
PLAIN = SamplingOptions()

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=["parallel", "flatten", "delayed"])


def _request(**kwargs) -> MotionRequest:
    return MotionRequest(**{"prompt": "a man walks", "alpha": ALPHA, **kwargs})


@each_layout
def test_the_length_that_was_asked_for_is_exact(layout: LayoutConfig) -> None:
    model = tiny_hmvlm(layout)
    for steps in (1, 2, 9):
        (codes,) = generate_motion(model, [_request(steps=steps)], PLAIN)
        assert codes.shape == (steps, 5)
        assert (codes >= 0).all()
        assert (codes < CODES).all()


@each_layout
def test_without_a_length_the_model_ends_or_the_limit_does(layout: LayoutConfig) -> None:
    model = tiny_hmvlm(layout)
    lengths = set()
    for seed in range(12):
        (codes,) = generate_motion(model, [_request(seed=seed)], PLAIN, max_steps=8)
        assert 1 <= len(codes) <= 8
        assert (codes >= 0).all()
        lengths.add(len(codes))
    assert len(lengths) > 1


@each_layout
def test_same_seed_same_motion_other_seed_another(layout: LayoutConfig) -> None:
    model = tiny_hmvlm(layout)
    runs = [generate_motion(model, [_request(seed=s, steps=8)], PLAIN)[0] for s in (3, 3, 4)]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


@each_layout
def test_cached_decoding_agrees_with_one_pass_over_the_whole_sequence(
    layout: LayoutConfig,
) -> None:
    model = tiny_hmvlm(layout)
    request = _request(steps=7, seconds=1.4)
    (codes,) = generate_motion(model, [request], SamplingOptions(temperature=0.0))
    sample = model.processor.sample(request.prompt, codes, seconds=1.4)
    with torch.no_grad():
        hidden = model.hidden(torch.from_numpy(sample.ids)[None], ALPHA[None], use_cache=False)
        scores = model.motion_scores(hidden, torch.from_numpy(sample.labels)[None])
    for logits, targets in scores:
        best = logits[:, :CODES].argmax(dim=1)
        real = targets < CODES
        assert (best[real] == targets[real]).all()


@each_layout
def test_rows_of_a_batch_do_not_depend_on_each_other(layout: LayoutConfig) -> None:
    model = tiny_hmvlm(layout)
    requests = [
        _request(prompt="a man walks", seed=1, steps=6),
        _request(prompt="hop", seed=2, alpha=ALPHA.flip(0), steps=3),
        _request(prompt="a much longer prompt than the others", seed=3),
    ]
    together = generate_motion(model, requests, PLAIN, max_steps=9)
    alone = [generate_motion(model, [r], PLAIN, max_steps=9)[0] for r in requests]
    for a, b in zip(together, alone, strict=True):
        assert (a == b).all()


@each_layout
def test_a_start_is_kept_and_gone_on_from(layout: LayoutConfig) -> None:
    model = tiny_hmvlm(layout)
    start = np.random.default_rng(0).integers(0, CODES, (4, 5))
    (codes,) = generate_motion(model, [_request(start=start, steps=9)], PLAIN)
    assert len(codes) == 9
    assert (codes[:4] == start).all()
    other = (start + 1) % CODES
    (changed,) = generate_motion(model, [_request(start=other, steps=9)], PLAIN)
    assert (codes[4:] != changed[4:]).any()


def test_a_start_as_long_as_the_clip_is_refused() -> None:
    with pytest.raises(InvalidInput, match="as long as the clip"):
        generate_motion(tiny_hmvlm(), [_request(start=np.zeros((4, 5), dtype=int), steps=4)], PLAIN)


@each_layout
@pytest.mark.parametrize("steps", [6, None])
def test_the_motion_ends_on_the_last_token(layout: LayoutConfig, steps: int | None) -> None:
    model = tiny_hmvlm(layout)
    last = np.array([3, 1, 4, 1, 5])
    (codes,) = generate_motion(model, [_request(last=last, steps=steps)], PLAIN, max_steps=8)
    assert (codes[-1] == last).all()


@each_layout
def test_guidance_changes_the_draw_and_one_is_off(layout: LayoutConfig) -> None:
    model = tiny_hmvlm(layout)
    plain, off, strong = (
        generate_motion(model, [_request(steps=8)], SamplingOptions(guidance=g))[0]
        for g in (1.0, 1.0, 4.0)
    )
    assert (plain == off).all()
    assert (plain != strong).any()


def test_cancel_is_heard_at_the_next_step() -> None:
    seen: list[int] = []
    with pytest.raises(Cancelled):
        generate_motion(
            tiny_hmvlm(),
            [_request(steps=20)],
            PLAIN,
            on_step=lambda done, decoder: seen.append(done),
            is_cancelled=lambda: len(seen) >= 3,
        )
    assert seen == [1, 2, 3]


@each_layout
def test_what_is_streamed_is_what_comes_out(layout: LayoutConfig) -> None:
    model = tiny_hmvlm(layout)
    parts: list[np.ndarray] = []

    def on_step(done: int, decoder: MotionDecoder) -> None:
        parts.append(decoder.result(0))
        assert len(parts[-1]) >= done

    (codes,) = generate_motion(model, [_request(steps=6)], PLAIN, on_step=on_step)
    for part in parts:
        assert (part == codes[: len(part)]).all()


def test_draw_keeps_the_smallest_set_that_holds_top_p() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    generator = torch.Generator().manual_seed(0)
    seen = {draw(logits, SamplingOptions(1.0, 0.7), generator) for _ in range(200)}
    assert seen == {0, 1}
    assert {draw(logits, SamplingOptions(1.0, 0.01), generator) for _ in range(20)} == {0}
    assert draw(logits, SamplingOptions(0.0), generator) == 0
    hot = [draw(logits, SamplingOptions(5.0, 1.0), generator) for _ in range(400)]
    assert set(hot) == {0, 1, 2, 3}


def _base_answer(prompt_ids: list[int], count: int) -> list[int]:
    base = tiny_base()
    out = base.generate(torch.tensor([prompt_ids]), max_new_tokens=count, do_sample=False)
    answer = out[0, len(prompt_ids) :].tolist()
    return answer[: answer.index(99)] if 99 in answer else answer


def _chat_ids(model: Hmvlm, text: str) -> list[int]:
    words = model.processor
    return words.tokenizer.encode(words.chat_text([{"role": "user", "content": text}]))


def test_skipped_experts_give_the_base_models_answer_token_for_token() -> None:
    model = tiny_hmvlm(threshold=0.0)
    for text in ("what is water?", "tell me a joke", "2 + 2"):
        _, tokens, _ = generate_text(model, [{"role": "user", "content": text}], max_new_tokens=12)
        assert tokens == _base_answer(_chat_ids(model, text), 12)


def test_below_the_threshold_the_experts_are_heard_but_only_text_is_said() -> None:
    model = tiny_hmvlm(threshold=1.1)
    changed = 0
    for text in ("what is water?", "tell me a joke", "2 + 2"):
        _, tokens, _ = generate_text(model, [{"role": "user", "content": text}], max_new_tokens=12)
        assert all(t < model.config.text_vocab_size for t in tokens)
        changed += tokens != _base_answer(_chat_ids(model, text), 12)
    assert changed


def test_chat_streams_its_text_and_can_be_cancelled() -> None:
    model = tiny_hmvlm(threshold=0.0)
    pieces: list[str] = []
    text, _, alpha = generate_text(
        model, [{"role": "user", "content": "hello"}], max_new_tokens=8, on_text=pieces.append
    )
    assert "".join(pieces) == text
    assert alpha.shape == (5,)
    with pytest.raises(Cancelled):
        generate_text(model, [{"role": "user", "content": "hello"}], is_cancelled=lambda: True)
    with pytest.raises(InvalidInput, match="empty"):
        generate_text(model, [{"role": "user", "content": "  "}])
