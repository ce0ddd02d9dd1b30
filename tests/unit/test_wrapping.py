# SPDX-License-Identifier: Apache-2.0
"""Lines of text for a panel."""

from blender_addon.core.wrapping import shortened, wrap


def wide(text: str) -> float:
    """An m is three times as wide as any other letter."""
    return sum(3.0 if letter == "m" else 1.0 for letter in text)


def test_lines_are_filled_by_width_and_not_by_letters():
    assert wrap("aa bb mm cc", 8, wide) == ["aa bb", "mm", "cc"]
    assert wrap("aa bb cc", 8, wide) == ["aa bb cc"]


def test_lines_of_the_text_stay_and_empty_ones_go():
    assert wrap("one\n\ntwo", 80, wide) == ["one", "two"]
    assert wrap("  \n", 80, wide) == []


def test_a_long_word_is_cut():
    assert wrap("x abcdefgh y", 4, wide) == ["x", "abcd", "efgh", "y"]
    assert wrap("mm", 2, wide) == ["m", "m"]


def test_of_a_long_text_the_end_weighs_more():
    lines = [str(i) for i in range(20)]
    short = shortened(lines, 8)
    assert short == ["0", "1", "2", "...", "16", "17", "18", "19"]
    assert shortened(lines[:8], 8) == lines[:8]
