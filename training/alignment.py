# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train align`: stage 1, what reads landmarks, before the language model is touched.

As LLaVA aligns its projector first; the language model is not run, so a step costs little more than
the simulation of its people. `instruct --alignment` takes what comes out into stage 2.
"""

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.model.clip_projector import ClipProjector
from backend.model.configuration import HmvlmConfig, LayoutConfig, VisionConfig
from backend.model.hmvlm import CLIP_TABLES, LIFTER_TABLES, VISION_TABLES, WORD_TABLES, Hmvlm
from backend.model.loading import build_hmvlm
from backend.model.moe_lora import MoeLoraConfig
from backend.model.vision_projector import LandmarkProjector
from backend.motion.pose_tokenizer import PoseTokenizer
from training.data.clip_words import CLIP_WORDS
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.data.prepared import PreparedDataset

from . import clip_alignment, lifter_alignment, word_alignment
from .aligned import save_aligned
from .clip_samples import ClipSource
from .instruct_model import fresh_config
from .loops import keep_freed_memory
from .pose_alignment import align
from .pose_samples import PoseBatch, PoseSource, as_batch, seen_of
from .run_arguments import add_run_arguments, run_settings

PARTS: tuple[str, ...] = ("poses", "lifter", "clips", "words")
"""What reads single people, what puts their landmarks right in depth, what reads the frames of a
clip, and a clip as a whole (see WordRows)."""
_TABLES = {
    "poses": tuple(name for name in VISION_TABLES if name not in LIFTER_TABLES),
    "lifter": LIFTER_TABLES,
    "clips": CLIP_TABLES,
    "words": WORD_TABLES,
}
_STATISTICS, _STATISTICS_CLIPS, _VALIDATION = 2048, 512, 256
_LIFTER_VALIDATION = 1000


@dataclass(frozen=True)
class AlignmentSettings:
    """One run. data: prepared. pose_tokenizer: trained, of kind body_part; it is copied into the
    run. parts: of PARTS, what is trained. start_from: an adapter folder whose tables the run begins
    with. steps, minutes: for each part. batch, clip_batch: people and clips a step. joints: weight
    of the joints' error (see pose_code_loss)."""

    data: Path
    pose_tokenizer: Path
    out: Path
    parts: tuple[str, ...] = PARTS
    start_from: Path | None = None
    base_model: str = "smollm2"
    gate_encoder: str = "minilm"
    vision: VisionConfig = field(
        default_factory=lambda: VisionConfig(
            clip_rows=1, clip_words=CLIP_WORDS, lift_width=512, lift_blocks=4
        )
    )
    steps: int | None = None
    minutes: float | None = None
    batch: int = 256
    clip_batch: int = 128
    joints: float = 5.0
    seed: int = 0
    threads: int | None = None
    resume: bool = True


def train_alignment(settings: AlignmentSettings) -> Path:
    """Train; returns the run folder.

    Raises InvalidInput for what cannot be simulated, for parts that do not exist, and for parts
    left out that are not begun with either; AssetError for a start of another shape.
    """
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.vision.kind != "landmarks":
        raise InvalidInput(
            "Only landmarks can be simulated: patches need photographs with their poses, for which "
            "there is no training here yet."
        )
    unknown = [part for part in settings.parts if part not in PARTS]
    if unknown or not settings.parts:
        raise InvalidInput(
            f"There is no part '{', '.join(unknown)}': choose of {', '.join(PARTS)}."
        )
    left_out = set(PARTS) - set(settings.parts)
    if left_out and settings.start_from is None:
        raise InvalidInput(
            f"{', '.join(sorted(left_out))} would stay untrained: align all parts, or give "
            "--start-from an adapter whose tables are trained."
        )
    torch.manual_seed(settings.seed)
    tokenizer = PoseTokenizer.from_pretrained(settings.pose_tokenizer).requires_grad_(False)
    config = _config(settings, tokenizer)
    model = build_hmvlm(config)
    if settings.start_from is not None:
        fresh = tuple(name for part in settings.parts for name in _TABLES[part])
        model.load_adapter(settings.start_from, fresh=fresh)
    data = PreparedDataset(settings.data, "train")
    if "poses" in settings.parts:
        _align_poses(settings, model, tokenizer, data)
    if "lifter" in settings.parts:
        _align_lifter(settings, model, data)
    if "clips" in settings.parts:
        _align_clips(settings, model, data)
    if "words" in settings.parts and settings.vision.clip_words:
        _align_words(settings, model, data)
    save_aligned(model, settings.pose_tokenizer, settings.out)
    return settings.out


def _config(settings: AlignmentSettings, tokenizer: PoseTokenizer) -> HmvlmConfig:
    if settings.start_from is not None:
        config = HmvlmConfig.load(settings.start_from)
        if config.vision is None or config.vision.kind != "landmarks":
            raise InvalidInput(
                f"{settings.start_from} reads no landmarks: start from one that does."
            )
        # tables that are trained anew have the shapes asked for, the others those they have
        wanted = {}
        if "words" in settings.parts:
            wanted["clip_words"] = settings.vision.clip_words
        if "lifter" in settings.parts:
            wanted["lift_width"] = settings.vision.lift_width
            wanted["lift_blocks"] = settings.vision.lift_blocks
        return replace(config, vision=replace(config.vision, **wanted))
    parts, codes, _ = tokenizer.codebook_vectors().shape
    return fresh_config(
        settings.base_model,
        settings.gate_encoder,
        MoeLoraConfig(),
        LayoutConfig(delays=(0,) * parts),
        (parts, codes),
        settings.vision,
    )


def _align_poses(
    settings: AlignmentSettings, model: Hmvlm, tokenizer: PoseTokenizer, data: PreparedDataset
) -> None:
    source = PoseSource(_simulator(data), tokenizer, settings.seed)
    projector, head = model.seeing()
    assert isinstance(projector, LandmarkProjector)
    examples = PoseSource(source.simulator, tokenizer, settings.seed + 1)
    seen = examples.batch(0, _STATISTICS).seen
    projector.fit_scale(seen, model.text_std())
    head.start_from_codebook(tokenizer.codebook_vectors())
    align(
        projector,
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


def _align_lifter(settings: AlignmentSettings, model: Hmvlm, data: PreparedDataset) -> None:
    simulator, lifter = _simulator(data), model.landmark_lifter
    assert lifter is not None
    lifter.fit_scale(seen_of(simulator.batch(settings.seed + 1, 0, _STATISTICS)))
    lifter_alignment.align(
        lifter,
        simulator,
        _held_out_people(settings.data, _LIFTER_VALIDATION),
        settings.out,
        steps=settings.steps,
        minutes=settings.minutes,
        seed=settings.seed,
        batch=settings.batch,
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


def _align_words(settings: AlignmentSettings, model: Hmvlm, data: PreparedDataset) -> None:
    projector = model.watching()
    assert isinstance(projector, ClipProjector)
    words = projector.words
    assert words is not None
    seen = ClipSource(data, settings.seed + 1).batch(0, _STATISTICS_CLIPS).seen
    words.fit_numbers(seen)
    spelled = [word for slot in settings.vision.clip_words for word in slot]
    words.embeddings.data.copy_(word_embeddings(model, spelled))
    word_alignment.align(
        words,
        ClipSource(data, settings.seed),
        ClipSource(PreparedDataset(settings.data, "val"), 1),
        settings.out,
        steps=settings.steps,
        minutes=settings.minutes,
        batch=settings.clip_batch,
        resume=settings.resume,
    )


def word_embeddings(model: Hmvlm, words: list[str]) -> Tensor:
    """(V, D) of words or phrases, after a space: the mean over the tokens of each."""
    tokens = [model.processor.tokenizer.encode(f" {w}", add_special_tokens=False) for w in words]
    table = model.base.get_input_embeddings().weight.detach().float()
    return torch.stack([table[ids].mean(dim=0) for ids in tokens])


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
    people = _held_out_people(folder, _VALIDATION)
    return None if people is None else as_batch(people, tokenizer)


def _held_out_people(folder: Path, count: int) -> LandmarkBatch | None:
    data = PreparedDataset(folder, "val")
    return _simulator(data).batch(1, 0, count) if len(data) else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--pose-tokenizer", type=Path, required=True, help="trained, body_part")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help="which of them to train (default: %(default)s)"
    )
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="ADAPTER",
        help="adapter whose tables are trained further",
    )
    parser.add_argument("--base-model", default="smollm2", help="that will read the rows")
    add_run_arguments(parser, " for each part")
    parser.add_argument("--batch", type=int, default=256, help="people a step (default 256)")


def run(args: argparse.Namespace) -> None:
    out = train_alignment(
        AlignmentSettings(
            data=args.data,
            pose_tokenizer=args.pose_tokenizer,
            out=args.out,
            parts=tuple(args.parts.split(",")),
            start_from=args.start_from,
            base_model=args.base_model,
            batch=args.batch,
            **run_settings(args),
        )
    )
    print(out)
