# SPDX-License-Identifier: Apache-2.0
"""Both stages of training on all tasks, on acted clips and a base model the size of a toy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from acted_clips import ActedClips
from tiny_clips import CLIP_VISION
from tiny_hmvlm import tiny_config
from tiny_pose import tiny_pose_tokenizer
from toy_instruct import build_toy, make_source, stand_ins, toy_settings

from backend.motion.representation import FEATURE_DIM
from training.alignment import AlignmentSettings, train_alignment
from training.data.clip_words import CLIP_WORDS
from training.instruct_settings import InstructSettings

VISION = replace(CLIP_VISION, clip_words=CLIP_WORDS)
TOGETHER = ("motion", "pose", "video")


class JointData(ActedClips):
    """Acted clips with made-up features to tokenise."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__(folder, split)
        self.folder = folder

    def features(self, index: int) -> np.ndarray:
        rng = np.random.default_rng(index)
        return rng.normal(size=(self.clips[index].frames, FEATURE_DIM)).astype(np.float32)


def joint_stand_ins(patch: pytest.MonkeyPatch) -> None:
    """Put toys in the places of the data set, the base model and the gate's encoder."""
    stand_ins(patch)
    for module in ("alignment", "instruct", "motion_loss"):
        patch.setattr(f"training.{module}.PreparedDataset", JointData)
    patch.setattr("training.alignment.build_hmvlm", build_toy)
    patch.setattr(
        "training.alignment.fresh_config",
        lambda *asked: replace(tiny_config(), base_model="tiny", vision=asked[-1]),
    )
    for name in ("_STATISTICS", "_STATISTICS_CLIPS", "_VALIDATION"):
        patch.setattr(f"training.alignment.{name}", 8)
    for name in ("_HELD_OUT_POSES", "_HELD_OUT_CLIPS"):
        patch.setattr(f"training.instruct.{name}", 4)


def joint_settings(folder: Path) -> InstructSettings:
    """A run of a few steps; its tokenizer and its questions are made in the folder."""
    make_source(folder)
    return replace(toy_settings(folder), pose_batch=4, clip_batch=3)


def toy_alignment(settings: InstructSettings, folder: Path) -> Path:
    """A finished run of stage 1."""
    tiny_pose_tokenizer().save_pretrained(folder / "poses")
    return train_alignment(
        AlignmentSettings(
            data=settings.data,
            pose_tokenizer=folder / "poses",
            out=folder / "aligned",
            vision=VISION,
            steps=2,
            batch=4,
            clip_batch=4,
        )
    )
