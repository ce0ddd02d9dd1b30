# SPDX-License-Identifier: Apache-2.0
"""Batches of instruction tuning, and that a toy model learns from them."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tiny_hmvlm import CODES, LAYOUTS, tiny_hmvlm

from backend.model.configuration import LayoutConfig
from backend.model.processing import EMPTY, IGNORE
from training.instruct_data import (
    InstructSampler,
    SampleSettings,
    _runs,
    add_noise,
    clip_weights,
    collate,
)
from training.instruct_model import Trainable
from training.motion_loss import motion_loss


@dataclass
class _Clip:
    content: str
    captions: list[str]


@dataclass
class _Data:
    clips: list[_Clip]


def _sampler(layout: LayoutConfig = LAYOUTS[0], **settings) -> InstructSampler:
    rng = np.random.default_rng(0)
    clips = [_Clip("walk", ["a man walks", "walking"])] * 6 + [_Clip("bow", ["he bows"])] * 2
    codes = [rng.integers(0, CODES, (rng.integers(3, 8), 5)) for _ in clips]
    processor = tiny_hmvlm(layout).processor
    return InstructSampler(
        _Data(clips),  # type: ignore[arg-type]
        codes,
        processor,
        SampleSettings(**settings),
        batch=4,
        seed=0,
    )


def test_a_batch_depends_on_the_step_alone() -> None:
    first, second = _sampler(), _sampler()
    later = first.batch(13)
    for step in range(14):
        batch = second.batch(step)
    assert (later.ids == batch.ids).all()
    assert later.captions == batch.captions
    assert (first.batch(12).ids.shape, first.batch(12).captions) != (
        later.ids.shape,
        later.captions,
    )


def test_rare_contents_are_seen_more_often_than_they_are_there() -> None:
    weights = clip_weights(["walk"] * 100 + ["bow"] * 4 + ["walk+wave"] * 50 + ["a>b"], 0.25)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[104:].sum() == pytest.approx(0.25)
    assert weights[100:104].sum() / weights[:100].sum() == pytest.approx((4 / 100) ** 0.5)
    assert clip_weights(["a+b", "c>d"], 0.25).sum() == pytest.approx(1.0)


def test_padding_is_empty_and_unlabelled() -> None:
    processor = tiny_hmvlm().processor
    samples = [processor.sample("hop", np.zeros((n, 5), dtype=int)) for n in (2, 5)]
    batch = collate(samples, ["hop", "hop"])
    short = len(samples[0].ids)
    assert (batch.ids[0, short:] == EMPTY).all()
    assert (batch.labels[0, short:] == IGNORE).all()


def test_padding_does_not_change_the_loss() -> None:
    model = tiny_hmvlm()
    rng = np.random.default_rng(0)
    samples = [model.processor.sample("hop", rng.integers(0, CODES, (n, 5))) for n in (2, 9)]
    alpha = torch.full((2, 5), 0.2)
    with torch.no_grad():
        together = motion_loss(model, collate(samples, ["hop"] * 2), alpha)["motion"]
        alone = [motion_loss(model, collate([s], ["hop"]), alpha[:1])["motion"] for s in samples]
    counts = [int((s.labels != IGNORE).sum()) for s in samples]
    mean = sum(n * float(v) for n, v in zip(counts, alone, strict=True)) / sum(counts)
    assert float(together) == pytest.approx(mean, rel=1e-4)


def test_noise_touches_motion_inputs_only() -> None:
    processor = tiny_hmvlm().processor
    sample = processor.sample("hop", np.random.default_rng(0).integers(0, CODES, (40, 5)))
    noisy = add_noise(sample, processor, 0.3, np.random.default_rng(1))
    head = sample.prompt_rows
    assert (noisy.ids[:head] == sample.ids[:head]).all()
    assert (noisy.labels == sample.labels).all()
    changed = (noisy.ids != sample.ids).mean()
    assert 0.1 < changed < 0.35
    words = processor.vocabulary
    body = noisy.ids[head:]
    part = (body - words.motion_start) // CODES
    assert (part == np.arange(5)).all()


def test_equal_neighbours_go_together() -> None:
    assert _runs([1, 1, 1, 2, 3, 3], limit=2) == [(0, 2), (2, 3), (3, 4), (4, 6)]
    assert _runs([], limit=2) == []


@pytest.mark.parametrize("layout", LAYOUTS, ids=["parallel", "flatten", "delayed"])
def test_a_toy_model_learns_its_clips(layout: LayoutConfig) -> None:
    torch.manual_seed(0)
    model = tiny_hmvlm(layout)
    sampler = _sampler(layout, noise=0.0)
    trainable = Trainable(model)
    optimizer = torch.optim.AdamW(trainable.parameters(), lr=1e-2)
    alpha = torch.full((4, 5), 0.2)
    losses = []
    for step in range(40):
        loss = motion_loss(model, sampler.batch(step), alpha)["motion"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_a_checkpoint_leaves_the_base_out() -> None:
    names = Trainable(tiny_hmvlm()).state_dict().keys()
    assert any("lora_A" in n for n in names)
    assert not any("embed_tokens" in n or "base_layer" in n for n in names)
