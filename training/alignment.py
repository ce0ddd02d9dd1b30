# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train align`: stage 1, what reads landmarks, before the language model is touched.

As LLaVA aligns its projector first; the language model is not run, so a step costs little more than
the simulation of its people. `instruct --alignment` takes what comes out into stage 2.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.model.clip_projector import ClipProjector
from backend.model.configuration import LayoutConfig, VisionConfig
from backend.model.hmvlm import Hmvlm
from backend.model.loading import build_hmvlm
from backend.model.moe_lora import MoeLoraConfig
from backend.model.vision_projector import LandmarkProjector
from backend.motion.pose_tokenizer import PoseTokenizer
from training.data.landmark_simulation import LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.data.prepared import PreparedDataset

from . import clip_alignment
from .aligned import save_aligned
from .clip_samples import ClipSource
from .instruct_model import fresh_config
from .loops import keep_freed_memory
from .pose_alignment import align
from .pose_samples import PoseBatch, PoseSource
from .run_arguments import add_run_arguments, run_settings

_STATISTICS, _STATISTICS_CLIPS, _VALIDATION = 2048, 512, 256


@dataclass(frozen=True)
class AlignmentSettings:
    """One run. data: prepared. pose_tokenizer: trained, of kind body_part; it is copied into the
    run. steps, minutes: for each of the two parts. batch, clip_batch: people and
    clips a step. joints: weight of the
    joints' error (see pose_code_loss)."""

    data: Path
    pose_tokenizer: Path
    out: Path
    base_model: str = "smollm2"
    gate_encoder: str = "minilm"
    vision: VisionConfig = field(default_factory=lambda: VisionConfig(clip_rows=1))
    steps: int | None = None
    minutes: float | None = None
    batch: int = 256
    clip_batch: int = 128
    joints: float = 5.0
    seed: int = 0
    threads: int | None = None
    resume: bool = True


def train_alignment(settings: AlignmentSettings) -> Path:
    """Train; returns the run folder. Raises InvalidInput for what cannot be simulated."""
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.vision.kind != "landmarks":
        raise InvalidInput(
            "Only landmarks can be simulated: patches need photographs with their poses, for which "
            "there is no training here yet."
        )
    torch.manual_seed(settings.seed)
    tokenizer = PoseTokenizer.from_pretrained(settings.pose_tokenizer).requires_grad_(False)
    parts, codes, _ = tokenizer.codebook_vectors().shape
    config = fresh_config(
        settings.base_model,
        settings.gate_encoder,
        MoeLoraConfig(),
        LayoutConfig(delays=(0,) * parts),
        (parts, codes),
        settings.vision,
    )
    model = build_hmvlm(config)
    data = PreparedDataset(settings.data, "train")
    _align_poses(settings, model, tokenizer, data)
    _align_clips(settings, model, data)
    save_aligned(model, settings.pose_tokenizer, settings.out)
    return settings.out


def _align_poses(
    settings: AlignmentSettings, model: Hmvlm, tokenizer: PoseTokenizer, data: PreparedDataset
) -> None:
    source = PoseSource(_simulator(data), tokenizer, settings.seed)
    projector, head = model.seeing()
    lifter = model.landmark_lifter
    assert isinstance(projector, LandmarkProjector)
    assert lifter is not None
    examples = PoseSource(source.simulator, tokenizer, settings.seed + 1)
    seen = examples.batch(0, _STATISTICS).seen
    projector.fit_scale(seen, model.text_std())
    lifter.fit_scale(seen)
    head.start_from_codebook(tokenizer.codebook_vectors())
    align(
        projector,
        lifter,
        tokenizer,
        source,
        _held_out(settings.data, tokenizer),
        settings.out,
        dim=model.config.hidden_size,
        steps=settings.steps,
        minutes=settings.minutes,
        batch=settings.batch,
        joints=settings.joints,
        resume=settings.resume,
    )


def _align_clips(settings: AlignmentSettings, model: Hmvlm, data: PreparedDataset) -> None:
    source = ClipSource(data, settings.seed)
    projector = model.watching()
    assert isinstance(projector, ClipProjector)
    examples = ClipSource(data, settings.seed + 1).batch(0, _STATISTICS_CLIPS)
    projector.fit_scale(examples.seen, model.text_std())
    clip_alignment.align(
        projector,
        source,
        ClipSource(PreparedDataset(settings.data, "val"), 1),
        settings.out,
        spell=lambda words: spelled_words(model, words),
        dim=model.config.hidden_size,
        steps=settings.steps,
        minutes=settings.minutes,
        batch=settings.clip_batch,
        resume=settings.resume,
    )


def spelled_words(model: Hmvlm, words: list[str]) -> tuple[list[int], Tensor]:
    """The indices of the words that are one token of the model after a space, and the embeddings
    (V, D) of these tokens."""
    tokens = [model.processor.tokenizer.encode(f" {w}", add_special_tokens=False) for w in words]
    whole = [index for index, ids in enumerate(tokens) if len(ids) == 1]
    table = model.base.get_input_embeddings().weight
    return whole, table[[tokens[index][0] for index in whole]].detach().float()


def _simulator(data: PreparedDataset) -> LandmarkSimulator:
    return LandmarkSimulator(PoseBank.from_prepared(data))


def _held_out(folder: Path, tokenizer: PoseTokenizer) -> PoseBatch | None:
    data = PreparedDataset(folder, "val")
    if len(data) == 0:
        return None
    return PoseSource(_simulator(data), tokenizer, seed=1).batch(0, _VALIDATION)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--pose-tokenizer", type=Path, required=True, help="trained, body_part")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--base-model", default="smollm2", help="that will read the rows")
    add_run_arguments(parser, " for each part")
    parser.add_argument("--batch", type=int, default=256, help="people a step (default 256)")


def run(args: argparse.Namespace) -> None:
    out = train_alignment(
        AlignmentSettings(
            data=args.data,
            pose_tokenizer=args.pose_tokenizer,
            out=args.out,
            base_model=args.base_model,
            batch=args.batch,
            **run_settings(args),
        )
    )
    print(out)
