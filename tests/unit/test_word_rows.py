# SPDX-License-Identifier: Apache-2.0
"""What a clip shows, a word to a slot: which is right, how it is learned, how it is read."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from acted_clips import ActedClips
from tiny_clips import CLIP_VISION, tiny_clip_model

from backend.model.clip_projector import ClipProjector
from backend.model.configuration import VisionConfig
from backend.model.word_rows import WordRows
from backend.vision.clip_features import CLIP_FRAMES, CLIP_WIDTH
from training.clip_samples import ClipSource
from training.data.clip_words import CLIP_WORDS, slot_shares
from training.data.prepared import PreparedClip
from training.word_alignment import align, slot_losses

SLOTS = (("run", "walk"), ("left", "right", "none"))


def _said(clip: PreparedClip) -> list[set[str]]:
    """Every slot's right words."""
    return [
        {words[i] for i in np.flatnonzero(share)}
        for words, share in zip(CLIP_WORDS, slot_shares(clip), strict=True)
    ]


def test_every_slot_says_what_the_label_and_the_facts_say() -> None:
    clips = {clip.content: clip for clip in ActedClips().clips}
    walk = _said(clips["walk"])
    assert walk[1:] == [{"nothing"}, {"none"}, {"none"}, {"only"}, {"forward"}, {"walk"}]
    assert "walk forward" in walk[0]
    wave = _said(clips["wave-left-hand"])
    assert wave[0] == {"wave hand"}
    assert wave[2:6] == [{"left"}, {"none"}, {"only"}, {"still"}]
    assert _said(clips["raise-up-both-hands"])[2] == {"both"}
    turn = _said(clips["walk-turn-right"])
    assert (turn[0], turn[2]) == ({"walk turn"}, {"right"})


@pytest.mark.parametrize(("mark", "link"), [("+", "while"), (">", "then")])
def test_two_actions_take_two_slots(mark: str, link: str) -> None:
    clip = replace(ActedClips().clips[0], content=f"walk{mark}wave-right")
    said = _said(clip)
    assert said[:5] == [{"walk forward"}, {"wave hand"}, {"none"}, {"right"}, {link}]
    assert said[5:] == [set(), set()]  # the facts of the whole tell neither part's way


def test_a_clip_without_a_label_tells_no_side() -> None:
    clip = replace(
        ActedClips().clips[0], content="", captions=("a person jumps", "someone does a jump")
    )
    said = _said(clip)
    assert said[0] == {"jump"}
    assert said[2:4] == [set(), set()]


def test_rows_are_the_words_by_how_likely_they_are() -> None:
    torch.manual_seed(0)
    words = WordRows(SLOTS, 16, 8)
    words.embeddings.data.normal_()
    seen = torch.randn(4, CLIP_FRAMES, CLIP_WIDTH)
    action, side = (scores.softmax(dim=1) for scores in words.scores(seen))
    rows = words(seen)
    assert rows.shape == (4, 2, 8)
    torch.testing.assert_close(rows[:, 0], action @ words.embeddings[:2])
    torch.testing.assert_close(rows[:, 1], side @ words.embeddings[2:])


def test_a_sentence_teaches_the_embeddings_and_not_the_reader() -> None:
    words = WordRows(SLOTS, 16, 8)
    words(torch.randn(4, CLIP_FRAMES, CLIP_WIDTH)).square().sum().backward()
    taught = {name for name, p in words.named_parameters() if p.grad is not None}
    assert taught == {"embeddings"}


def test_the_words_follow_the_frames() -> None:
    torch.manual_seed(0)
    projector = ClipProjector(2, 16, 32, SLOTS)
    assert projector.words is not None
    seen = torch.randn(3, CLIP_FRAMES, CLIP_WIDTH)
    rows = projector(seen)
    assert rows.shape == (3, CLIP_FRAMES * 2 + 2, 32)
    torch.testing.assert_close(rows[:, :-2], projector.frame_rows(seen))
    torch.testing.assert_close(rows[:, -2:], projector.words(seen))


def test_any_right_word_will_do_and_the_silent_do_not_count() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    shares = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    even = -logits[0].mean()
    expected = 0.98 * -torch.log(torch.tensor(0.8)) + 0.02 * even
    losses = slot_losses([logits] * 7, [shares] * 7)
    assert all(value == pytest.approx(float(expected)) for value in losses.values())
    assert all(v == 0 for v in slot_losses([logits] * 7, [torch.zeros(2, 3)] * 7).values())


def test_stage_one_learns_the_words(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = ClipSource(ActedClips(), seed=0)  # pyright: ignore[reportArgumentType]
    words = WordRows(CLIP_WORDS, 32, 8)
    words.fit_numbers(source.batch(9, 64).seen)
    before = words.embeddings.detach().clone()
    state = align(words, source, source, tmp_path, steps=40, minutes=None, batch=24, rate=5e-3)
    last = state.log[-1]
    assert last["action"] < 1.8 < np.log(len(CLIP_WORDS[0]))
    assert last["val_side_right"] > 0.5
    assert last["val_link_right"] == 1.0
    assert torch.equal(words.embeddings, before)


def test_the_slots_are_part_of_the_configuration() -> None:
    vision = replace(CLIP_VISION, clip_words=SLOTS)
    assert VisionConfig.from_dict(asdict(vision)) == vision
    assert VisionConfig.from_dict({"clip_rows": 1}).clip_words == ()
    model = tiny_clip_model(vision)
    assert any(name.startswith("clip_projector.words.") for name in model.adapter_state())
