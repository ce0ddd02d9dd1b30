# SPDX-License-Identifier: Apache-2.0
"""Batches for instruction tuning: motion codes, captions, and how often each clip is seen."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from backend.model.processing import (
    EMPTY,
    FRAMES_PER_STEP,
    IGNORE,
    HmvlmProcessor,
    Sample,
    steps_to_seconds,
)
from backend.motion.tokenizer import MotionTokenizer
from training.data.prepared import PreparedDataset

_GROUP = 8  # batches that are sorted by length together


@dataclass(frozen=True)
class SampleSettings:
    """How a clip becomes a sequence; each is the share of samples that get it.

    with_seconds: the length is said, so that it can be asked for. with_last: the last token is
    given in the prompt. no_caption: the words are left out, so that their effect can be amplified
    when sampling. noise: motion input codes replaced by random ones, so that the model learns to
    go on from its own mistakes. composite_share: clips composed of two actions.
    """

    with_seconds: float = 0.6
    with_last: float = 0.08
    no_caption: float = 0.05
    noise: float = 0.05
    composite_share: float = 0.25


@dataclass(frozen=True)
class Batch:
    """ids, labels: (B, N, P), right-padded; captions: B of them."""

    ids: Tensor
    labels: Tensor
    captions: list[str]

    def rows(self, chosen: slice) -> "Batch":
        """Some of the sequences, without the columns that are padding in all of them."""
        ids = self.ids[chosen]
        used = (ids != EMPTY).any(dim=2).any(dim=0).nonzero()
        end = int(used[-1]) + 1 if len(used) else 0
        return Batch(ids[:, :end], self.labels[chosen, :end], self.captions[chosen])


def tokenize_clips(
    data: PreparedDataset, tokenizer: MotionTokenizer, cache: Path
) -> list[np.ndarray]:
    """Codes (L, P) of every clip, kept in `cache` under a digest of tokenizer and data."""
    digest = hashlib.sha256(tokenizer.codebook_vectors().cpu().numpy().tobytes())
    digest.update("\n".join(clip.id for clip in data.clips).encode() + data.hash.encode())
    path = cache / f"codes-{digest.hexdigest()[:16]}.safetensors"
    lengths = [clip.frames // FRAMES_PER_STEP for clip in data.clips]
    if not path.is_file():
        rows: dict[int, Tensor] = {}
        # clips of one length go through together: no padding, so the codes are those of each alone
        order = sorted(range(len(data)), key=lambda index: lengths[index])
        for start, end in tqdm(_runs([lengths[i] for i in order], limit=64), desc="tokenising"):
            frames = lengths[order[start]] * FRAMES_PER_STEP
            chosen = order[start:end]
            features = np.stack([data.features(index)[:frames] for index in chosen])
            codes = tokenizer.encode(torch.from_numpy(features)).to(torch.int16)
            rows.update(zip(chosen, codes, strict=True))
        cache.mkdir(parents=True, exist_ok=True)
        save_file({"codes": torch.cat([rows[index] for index in range(len(data))])}, path)
    flat = load_file(path)["codes"].numpy().astype(np.int64)
    return np.split(flat, np.cumsum(lengths)[:-1])


def _runs(values: list[int], limit: int) -> list[tuple[int, int]]:
    """Spans of equal neighbours in `values`, none longer than `limit`."""
    out, start = [], 0
    for end in range(1, len(values) + 1):
        if end == len(values) or values[end] != values[start] or end - start == limit:
            out.append((start, end))
            start = end
    return out


def clip_weights(contents: list[str], composite_share: float, power: float = 0.5) -> np.ndarray:
    """Chance of each clip.

    A content with n clips is seen about n^power times as often as one clip would be, so that the
    few bows, jumps and crawls are not drowned by thousands of walks. Clips composed of two actions
    ("walk+wave-left", "bow>walk") have hundreds of contents: together they get composite_share.
    """
    counts = Counter(contents)
    weights = np.array([counts[content] ** (power - 1.0) for content in contents])
    composed = np.array(["+" in content or ">" in content for content in contents])
    if composed.any() and not composed.all():
        weights[composed] *= composite_share / weights[composed].sum()
        weights[~composed] *= (1 - composite_share) / weights[~composed].sum()
    return weights / weights.sum()


class InstructSampler:
    """Batches that depend on seed and step alone.

    batch: sequences a step. Clips are drawn for several batches at once and sorted by length, so
    that little of a batch is padding.
    """

    def __init__(
        self,
        data: PreparedDataset,
        codes: list[np.ndarray],
        processor: HmvlmProcessor,
        settings: SampleSettings,
        *,
        batch: int,
        seed: int,
    ) -> None:
        self.clips, self.codes, self.processor = data.clips, codes, processor
        self.settings, self.size, self.seed = settings, batch, seed
        self.weights = clip_weights([clip.content for clip in data.clips], settings.composite_share)
        self._group: tuple[int, list[list[tuple[Sample, str]]]] = (-1, [])

    def batch(self, step: int) -> Batch:
        group = step // _GROUP
        if self._group[0] != group:
            self._group = (group, self._draw(group))
        chosen = self._group[1][step % _GROUP]
        return collate([sample for sample, _ in chosen], [text for _, text in chosen])

    def _draw(self, group: int) -> list[list[tuple[Sample, str]]]:
        rng = np.random.default_rng((self.seed, group))
        picks = rng.choice(len(self.clips), _GROUP * self.size, p=self.weights)
        drawn = [self._sample(int(index), rng) for index in picks]
        drawn.sort(key=lambda pair: len(pair[0].ids))
        batches = [drawn[i : i + self.size] for i in range(0, len(drawn), self.size)]
        order = rng.permutation(len(batches))
        return [batches[i] for i in order]

    def _sample(self, index: int, rng: np.random.Generator) -> tuple[Sample, str]:
        clip, codes, settings = self.clips[index], self.codes[index], self.settings
        caption = str(rng.choice(clip.captions))
        seconds = steps_to_seconds(len(codes)) if rng.random() < settings.with_seconds else None
        with_last = bool(rng.random() < settings.with_last)
        if rng.random() < settings.no_caption:
            caption = ""
        sample = self.processor.sample(caption, codes, seconds=seconds, with_last=with_last)
        return add_noise(sample, self.processor, settings.noise, rng), caption


def add_noise(
    sample: Sample, processor: HmvlmProcessor, share: float, rng: np.random.Generator
) -> Sample:
    """Replace a share of the motion input cells by random codes of the same part."""
    ids = sample.ids.copy()
    words = processor.vocabulary
    body = ids[sample.prompt_rows :]
    is_motion = (body >= words.motion_start) & (body < words.pose_start)
    hit = is_motion & (rng.random(body.shape) < share)
    random = processor.vocabulary.motion_ids(rng.integers(0, words.codes, body.shape))
    body[hit] = random[hit]
    return Sample(ids, sample.labels, sample.prompt_rows)


def collate(samples: list[Sample], captions: list[str]) -> Batch:
    """Right-pad to the longest: attention is causal, so no real row ever sees the padding."""
    longest = max(len(s.ids) for s in samples)
    parts = samples[0].ids.shape[1]
    ids = np.full((len(samples), longest, parts), EMPTY, dtype=np.int64)
    labels = np.full((len(samples), longest, parts), IGNORE, dtype=np.int64)
    for row, sample in enumerate(samples):
        ids[row, : len(sample.ids)] = sample.ids
        labels[row, : len(sample.labels)] = sample.labels
    return Batch(torch.from_numpy(ids), torch.from_numpy(labels), captions)
