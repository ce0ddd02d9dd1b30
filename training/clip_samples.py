# SPDX-License-Identifier: Apache-2.0
"""Simulated clips of people as the model is taught on them: landmarks of 8 frames in, words out.

Letters: B batch, F frames, W numbers a frame, C families of actions, V words of a small vocabulary.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.vision.clip_features import CLIP_FRAMES, clip_features
from blender_addon.shared.rotations import axis_angle_to_matrix
from training.data.caption_content import FAMILIES, SIDES, shown, sides_shown
from training.data.clip_captions import descriptions
from training.data.clip_questions import ask
from training.data.landmark_simulation import SimulationSettings, simulate
from training.data.prepared import PreparedDataset

from .instruct_data import clip_weights

NO_SIDE = -100


@dataclass(frozen=True)
class ClipSettings:
    """questions: share of the samples that ask something. follows: share of the cameras that follow
    the person, so that no way is seen. trim: up to which share of a clip is left out at either end.
    held: share of the frames in which the person is lost, and seen as in the frame before.
    composite_share, power: as in `clip_weights`.
    """

    questions: float = 0.25
    follows: float = 0.2
    trim: float = 0.06
    held: float = 0.03
    composite_share: float = 0.2
    power: float = 0.5


@dataclass(frozen=True)
class ClipBatch:
    """seen: (B, F, W) for the projector; seconds: (B,) of each clip; questions: B of them, empty
    where a description is asked for; answers: B; clips: (B,) index of each in the data."""

    seen: Tensor
    seconds: Tensor
    questions: list[str]
    answers: list[str]
    clips: np.ndarray

    def rows(self, chosen: slice) -> "ClipBatch":
        """Some of the samples."""
        return ClipBatch(
            self.seen[chosen],
            self.seconds[chosen],
            self.questions[chosen],
            self.answers[chosen],
            self.clips[chosen],
        )


class ClipSource:
    """Batches that depend on seed and step alone.

    Only clips with a description are drawn. mistakes: of the simulated cameras and landmarks, as
    for single poses by default.
    """

    def __init__(
        self,
        data: PreparedDataset,
        seed: int,
        settings: ClipSettings | None = None,
        mistakes: SimulationSettings | None = None,
    ) -> None:
        self.data, self.seed = data, seed
        self.settings = settings or ClipSettings()
        self.mistakes = mistakes or SimulationSettings()
        told = [descriptions(clip) for clip in data.clips]
        self.usable = np.array([i for i, texts in enumerate(told) if texts], dtype=int)
        self.descriptions = {int(i): told[i] for i in self.usable}
        self.shown = {i: shown(data.clips[i]) for i in self.usable.tolist()}
        self.sides = {i: sides_shown(data.clips[i]) for i in self.usable.tolist()}
        contents = [data.clips[i].content for i in self.usable]
        s = self.settings
        self.chances = clip_weights(contents, s.composite_share, s.power) if contents else None

    def batch(self, step: int, size: int) -> ClipBatch:
        """Raises InvalidInput where no clip has a description."""
        if self.chances is None:
            raise InvalidInput("No clip of the data has a caption that describes it.")
        rng = np.random.default_rng([self.seed, step])
        picks = rng.choice(self.usable, size, p=self.chances)
        return self.of_clips(picks, rng)

    def of_clips(self, clips: np.ndarray, rng: np.random.Generator) -> ClipBatch:
        """One sample of each of these clips."""
        words = random.Random(int(rng.integers(2**31)))
        seen, seconds = self._seen(clips, rng)
        questions, answers = [], []
        for index in clips.tolist():
            question, answer = "", words.choice(self.descriptions[index])
            if words.random() < self.settings.questions:
                question, answer = ask(self.data.clips[index], answer, words)
            questions.append(question)
            answers.append(answer)
        return ClipBatch(seen, torch.from_numpy(seconds).float(), questions, answers, clips)

    def _seen(self, clips: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
        rotations, paths, seconds = [], [], []
        for index in clips.tolist():
            motion = self.data.motion(index)
            last = motion.num_frames - 1
            start, end = rng.uniform(0, self.settings.trim, 2)
            chosen = np.linspace(start * last, (1 - end) * last, CLIP_FRAMES).round().astype(int)
            rotations.append(axis_angle_to_matrix(motion.poses[chosen, :22]))
            paths.append(motion.trans[chosen] - motion.trans[chosen].mean(axis=0))
            seconds.append((chosen[-1] - chosen[0] + 1) / motion.fps)
        stays = rng.random(len(clips)) >= self.settings.follows
        path = np.stack(paths) * stays[:, None, None]
        made = simulate(
            np.concatenate(rotations), rng, self.mistakes, CLIP_FRAMES, path.reshape(-1, 3)
        )
        points = made.image * made.half[:, None, None] + made.centre[:, None]
        shape = (len(clips), CLIP_FRAMES)
        image, visibility, world = (
            x.reshape(*shape, *x.shape[1:]) for x in (points, made.visibility, made.world)
        )
        at = _held(rng.random(shape) < self.settings.held)
        row = np.arange(len(clips))[:, None]
        length = np.array(seconds)
        seen = clip_features(image[row, at], visibility[row, at], world[row, at], length)
        return torch.from_numpy(seen), length


def all_clips(source: ClipSource) -> ClipBatch:
    """One sample of every clip that has a description."""
    return source.of_clips(source.usable, np.random.default_rng(source.seed))


def _held(lost: np.ndarray) -> np.ndarray:
    """(B, F) which frames are lost -> which frame is seen in place of each: the last one found."""
    own = np.where(lost, 0, np.arange(CLIP_FRAMES))
    return np.maximum.accumulate(own, axis=1)


class ClipLabels:
    """What stage 1 predicts of each clip: families (C,) that sum to 1, a side, a bag of words (V,).

    vocabulary: the words of the descriptions, the commonest first.
    """

    def __init__(self, source: ClipSource, words: int = 256) -> None:
        counts = Counter(w for texts in source.descriptions.values() for t in texts for w in bag(t))
        self.vocabulary = [word for word, _ in counts.most_common(words)]

    def families(self, source: ClipSource, clips: np.ndarray) -> Tensor:
        """(B, C)."""
        out = torch.zeros(len(clips), len(FAMILIES))
        for row, index in enumerate(clips.tolist()):
            for part in source.shown[index]:
                for family in part:
                    out[row, FAMILIES.index(family)] += 1.0 / len(part)
        return out / out.sum(dim=1, keepdim=True).clamp_min(1e-6)

    def sides(self, source: ClipSource, clips: np.ndarray) -> Tensor:
        """(B,) index in SIDES, len(SIDES) where the clip is not about a side, NO_SIDE where it is
        about several."""
        out = []
        for index in clips.tolist():
            sides = source.sides[index]
            side = SIDES.index(next(iter(sides))) if len(sides) == 1 else len(SIDES)
            out.append(NO_SIDE if len(sides) > 1 else side)
        return torch.tensor(out)

    def words(self, source: ClipSource, clips: np.ndarray) -> Tensor:
        """(B, V) the share of the clip's descriptions that have the word."""
        place = {word: k for k, word in enumerate(self.vocabulary)}
        out = torch.zeros(len(clips), len(place))
        for row, index in enumerate(clips.tolist()):
            texts = source.descriptions[index]
            for word in (w for text in texts for w in bag(text) & place.keys()):
                out[row, place[word]] += 1.0 / len(texts)
        return out


def bag(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))
