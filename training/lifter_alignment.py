# SPDX-License-Identifier: Apache-2.0
"""Stage 1 of the landmark lifter, which needs neither the language model nor the pose's codes."""

from pathlib import Path

import torch
from torch import Tensor

from backend.model.landmark_lifter import LandmarkLifter
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator

from .checkpoint import TrainingState
from .landmark_lifting import lifting_loss, lifting_scores
from .loops import LoopSettings, train
from .pose_samples import seen_of

LIFTER_ALIGNMENT_FOLDER = "lifter_alignment"


def align(
    lifter: LandmarkLifter,
    source: LandmarkSimulator,
    held_out: LandmarkBatch | None,
    out: Path,
    *,
    steps: int | None,
    minutes: float | None,
    seed: int = 0,
    batch: int = 256,
    rate: float = 2e-3,
    resume: bool = True,
) -> TrainingState:
    """Train the lifter in place; log and state go to `out/lifter_alignment`.

    held_out: people of another split, on whom it is measured (see lifting_scores).
    """
    optimizer = torch.optim.AdamW(
        lifter.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01
    )

    def batch_loss(step: int) -> dict[str, Tensor]:
        people = source.batch(seed, step, batch)
        terms = lifting_loss(lifter(seen_of(people)), torch.from_numpy(people.rotations))
        return {"loss": terms["lifting"], "lifted": terms["lifted"]}

    def validate() -> dict[str, float]:
        assert held_out is not None
        return lifting_scores(lifter.lift(seen_of(held_out)), torch.from_numpy(held_out.rotations))

    loop = LoopSettings(
        out / LIFTER_ALIGNMENT_FOLDER,
        steps=steps,
        minutes=minutes,
        learning_rate=rate,
        log_every=50,
        validate_every=250,
        resume=resume,
    )
    return train(lifter, optimizer, loop, batch_loss, validate if held_out else None, "lifter")
