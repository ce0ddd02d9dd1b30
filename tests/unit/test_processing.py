# SPDX-License-Identifier: Apache-2.0
"""Layouts are lossless, and labels sit one row before what they predict."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_hmvlm import CODES, LAYOUTS, LetterTokenizer, tiny_config

from backend.model.configuration import LayoutConfig
from backend.model.processing import (
    CONTROL_TOKENS,
    EMPTY,
    IGNORE,
    HmvlmProcessor,
    LayoutCodec,
    Vocabulary,
    seconds_to_steps,
)

layouts = st.one_of(
    st.just(LayoutConfig("flatten")),
    st.lists(st.integers(0, 4), min_size=4, max_size=4).map(
        lambda delays: LayoutConfig("parallel", (0, *delays))
    ),
)
motions = st.integers(1, 20).flatmap(
    lambda steps: st.integers(0, 2**31).map(
        lambda seed: np.random.default_rng(seed).integers(0, CODES, (steps, 5))
    )
)


@given(layouts, motions)
def test_layout_round_trip(layout: LayoutConfig, codes: np.ndarray) -> None:
    codec = LayoutCodec(layout, 5)
    grid = codec.to_grid(codes)
    assert len(grid) == codec.length(len(codes))
    assert (grid != EMPTY).sum() == codes.size
    assert (codec.from_grid(grid) == codes).all()


@given(layouts, motions)
def test_parts_at_names_exactly_the_filled_cells(layout: LayoutConfig, codes: np.ndarray) -> None:
    codec = LayoutCodec(layout, 5)
    grid = codec.to_grid(codes)
    for row in range(len(grid)):
        named = {(p, s) for p, s in codec.parts_at(row) if s < len(codes)}
        assert {p for p, _ in named} == set(np.flatnonzero(grid[row] != EMPTY))
        assert all(grid[row, p] == codes[s, p] for p, s in named)


@given(layouts, motions, st.booleans())
def test_every_label_is_the_next_input_and_the_end_comes_once(
    layout: LayoutConfig, codes: np.ndarray, with_last: bool
) -> None:
    processor = HmvlmProcessor(tiny_config(layout), LetterTokenizer())
    sample = processor.sample("a man", codes, seconds=1.0, with_last=with_last)
    words = processor.vocabulary
    labels = sample.labels
    assert (labels[: sample.prompt_rows - 1] == IGNORE).all()
    assert (labels[:, 0] == CODES).sum() == 1
    assert ((labels != IGNORE) & (labels < CODES)).sum() == codes.size
    for row in range(sample.prompt_rows - 1, len(labels) - 1):
        following = sample.ids[row + 1]
        for part in range(5):
            if labels[row, part] == IGNORE:
                assert following[part] == EMPTY
            elif labels[row, part] == CODES:
                assert following[part] == words.control("</motion>")
            else:
                assert following[part] == words.motion_start + part * CODES + labels[row, part]


def test_the_prompt_ends_with_the_start_token_and_last_stands_before_it() -> None:
    processor = HmvlmProcessor(tiny_config(), LetterTokenizer())
    words = processor.vocabulary
    plain = processor.prompt_ids("hop", None)
    assert plain[-1, 0] == words.control("<motion>")
    assert (plain[:-1, 0] < words.text).all()
    with_last = processor.prompt_ids("hop", None, np.arange(5))
    assert with_last[-3, 0] == words.control("<last>")
    assert list(with_last[-2]) == [words.motion_start + p * CODES + p for p in range(5)]
    assert len(with_last) == len(plain) + 2


def test_seconds_are_said_only_when_asked() -> None:
    processor = HmvlmProcessor(tiny_config(), LetterTokenizer())
    assert processor.motion_text(" hop ", 4.0) == "Animate: hop\nseconds: 4.0"
    assert processor.motion_text("hop", None) == "Animate: hop"


def test_new_ids_follow_the_text_ids_in_order() -> None:
    words = Vocabulary(text=49152, parts=5, codes=512)
    assert words.motion_start == 49152
    assert words.pose_start == 49152 + 2560
    assert words.control_start == 49152 + 5120
    assert words.size == 49152 + 5120 + len(CONTROL_TOKENS)
    ids = words.motion_ids(np.array([[0, 1, EMPTY, 3, 511]]))
    assert list(ids[0]) == [49152, 49152 + 513, EMPTY, 49152 + 3 * 512 + 3, 49152 + 2559]


def test_bad_delays_are_refused() -> None:
    for delays in ((1, 0, 0, 0, 0), (0, 0), (0, -1, 0, 0, 0)):
        with pytest.raises(ValueError, match="delays"):
            LayoutCodec(LayoutConfig("parallel", delays), 5)


def test_five_steps_a_second() -> None:
    assert seconds_to_steps(6.0) == 30
    assert seconds_to_steps(0.01) == 1
    assert all(layout.name in ("parallel", "flatten") for layout in LAYOUTS)
