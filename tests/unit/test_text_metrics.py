# SPDX-License-Identifier: Apache-2.0
"""BLEU-4, ROUGE-L and CIDEr against values worked out by hand."""

import math

import pytest

from backend.errors import InvalidInput
from training.metrics.text import text_scores

OTHER = "She jumps over two ropes."


def test_perfect_captions():
    exact = ["A man walks forward.", OTHER]
    scores = text_scores(exact, [[text] for text in exact])
    assert scores["bleu4"] == pytest.approx(1.0)
    assert scores["rouge_l"] == pytest.approx(1.0)
    assert scores["cider"] == pytest.approx(10.0)


def test_one_word_too_many():
    scores = text_scores(["a man walks forward slowly now"], [["a man walks forward slowly"]])
    # 5/6, 4/5, 3/4 and 2/3 of the 1- to 4-grams are right
    assert scores["bleu4"] == pytest.approx((1 / 3) ** 0.25, rel=1e-6)
    # the whole reference is in it: precision 5/6, recall 1, beta 1.2
    assert scores["rouge_l"] == pytest.approx(2.44 * (5 / 6) / (1 + 1.44 * 5 / 6))


def test_one_word_too_few_pays_the_brevity_penalty():
    scores = text_scores(["a man walks forward"], [["a man walks forward slowly"]])
    assert scores["bleu4"] == pytest.approx(math.exp(1 - 5 / 4), rel=1e-6)


def test_rouge_takes_words_in_order_with_gaps():
    scores = text_scores(["a man walks forward"], [["a man slowly walks"]])
    assert scores["rouge_l"] == pytest.approx(3 / 4)


def test_cider_of_a_half_right_caption():
    scores = text_scores(["a man walks forward", OTHER], [["a man walks slowly"], [OTHER]])
    # every n-gram is in one of two clips, so all weigh alike: 3/4, 2/3, 1/2 and 0 of them agree
    first = 10 * (3 / 4 + 2 / 3 + 1 / 2 + 0) / 4
    assert scores["cider"] == pytest.approx((first + 10) / 2)


def test_the_best_of_several_references_counts():
    one = text_scores(["a man walks forward"], [["somebody dances"]])
    two = text_scores(["a man walks forward"], [["somebody dances", "A man walks forward!"]])
    assert two["bleu4"] == pytest.approx(1.0)
    assert one["bleu4"] < 0.01
    assert one["rouge_l"] == 0.0


def test_an_empty_caption_scores_nothing():
    scores = text_scores(["", OTHER], [["a man walks"], [OTHER]])
    assert scores["cider"] == pytest.approx(5.0)
    assert scores["rouge_l"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("predictions", "references"),
    [([], []), (["a"], []), (["a"], [[]]), (["a"], [["..."]])],
)
def test_what_cannot_be_scored_is_refused(predictions, references):
    with pytest.raises(InvalidInput):
        text_scores(predictions, references)
