# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train pose`: teach the model poses from landmarks (HMVLM, sections 3.1 and 3.2).

Stage 1 aligns the projector and trains the lifter (see pose_alignment); stage 2 trains projector,
pose head and experts through the language model. Landmarks are simulated from the poses of the
prepared data, so no picture is needed. The gate is left as it is: it already knows a pose request
for one about motion.
"""

import argparse
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.errors import InvalidInput
from backend.model.configuration import GateConfig, HmvlmConfig, VisionConfig
from backend.model.decoding import SamplingOptions
from backend.model.hmvlm import VISION_TABLES, Hmvlm
from backend.model.loading import (
    ADAPTER_FOLDER,
    POSE_TOKENIZER_FOLDER,
    build_hmvlm,
    encoder_width,
    load_base,
    load_encoder,
    load_pose_tokenizer,
)
from backend.model.moe_lora import MoeLoraConfig, lora_parameters
from backend.model.pose_decoding import draw_poses
from backend.model.vision_projector import LandmarkProjector
from backend.motion.pose_tokenizer import PoseTokenizer
from backend.motion.tokenizer import MotionTokenizer
from training.data.landmark_simulation import LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.data.prepared import PreparedDataset

from .checkpoint import TrainingState
from .instruct import RUN_FILE, earlier_runs
from .instruct_data import InstructSampler, SampleSettings, tokenize_clips
from .loops import PRECISIONS, LoopSettings, computing_in, keep_freed_memory, train
from .motion_loss import CACHE_FOLDER, motion_loss
from .pose_alignment import align
from .pose_samples import PoseBatch, PoseSource, code_scores, pose_code_loss

_STATISTICS, _VALIDATION = 2048, 256
_GREEDY = SamplingOptions(temperature=0.0)


@dataclass(frozen=True)
class PoseSettings:
    """One run. steps, minutes: of stage 2; alignment_steps, alignment_minutes: of stage 1.

    start_from: an adapter whose experts, gate and motion tables are kept; without one they are
    fresh, and the model does nothing but poses. lora_rate: of the experts; 0 leaves them, and so
    every motion, as they were. tokenizer: the motion tokenizer of `start_from`; with it, every
    `motion_every`-th step has a batch of motion too, so that the experts do not forget it.
    joints: weight of the joints' error (see pose_code_loss).
    """

    data: Path
    pose_tokenizer: Path
    out: Path
    start_from: Path | None = None
    tokenizer: Path | None = None
    base_model: str = "smollm2"
    gate_encoder: str = "minilm"
    moe: MoeLoraConfig = field(default_factory=MoeLoraConfig)
    vision: VisionConfig = field(default_factory=VisionConfig)
    steps: int | None = None
    minutes: float | None = None
    alignment_steps: int | None = None
    alignment_minutes: float | None = None
    batch: int = 64
    alignment_batch: int = 256
    table_rate: float = 1e-3
    lora_rate: float = 5e-4
    joints: float = 5.0
    motion_every: int = 2
    motion_batch: int = 8
    precision: str = "fp32"
    seed: int = 0
    threads: int | None = None
    resume: bool = True


class Trainable(nn.Module):
    """The part of the model that stage 2 trains, so that a checkpoint leaves the rest out."""

    def __init__(self, model: Hmvlm) -> None:
        super().__init__()
        self.projector, self.pose_head = model.seeing()
        self.experts = nn.ParameterDict(
            {name.replace(".", "/"): value for name, value in lora_parameters(model)}
        )


def train_pose(settings: PoseSettings) -> Path:
    """Train both stages; returns the run folder, which holds the adapter and the pose tokenizer."""
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
    model = _model(settings, tokenizer)
    data = PreparedDataset(settings.data, "train")
    source = PoseSource(_simulator(data), tokenizer, settings.seed)
    held_out = _held_out(settings.data, tokenizer)
    projector, head = model.seeing()
    lifter = model.landmark_lifter
    assert isinstance(projector, LandmarkProjector)
    assert lifter is not None
    if not _has_vision(settings.start_from):
        examples = PoseSource(source.simulator, tokenizer, settings.seed + 1)
        seen = examples.batch(0, _STATISTICS).seen
        projector.fit_scale(seen, model.text_std())
        lifter.fit_scale(seen)
        head.start_from_codebook(tokenizer.codebook_vectors())
    aligned = align(
        projector,
        lifter,
        tokenizer,
        source,
        held_out,
        settings.out,
        dim=model.config.hidden_size,
        steps=settings.alignment_steps,
        minutes=settings.alignment_minutes,
        batch=settings.alignment_batch,
        joints=settings.joints,
        resume=settings.resume,
    )
    state = _through_the_model(settings, model, source, held_out, data)
    model.eval()
    model.save_adapter(settings.out / ADAPTER_FOLDER)
    tokenizer.save_pretrained(settings.out / POSE_TOKENIZER_FOLDER)
    record = {
        "task": "pose",
        **json.loads(json.dumps(asdict(settings), default=str)),
        "alignment_steps": aligned.step,
        "motion_along": settings.tokenizer is not None,
        "earlier": earlier_runs(settings.start_from),
        "data_hash": data.hash,
        "clips": len(data),
        "steps_done": state.step,
        "seconds": round(state.elapsed, 1),
        "trained_parameters": sum(v.numel() for v in model.adapter_state().values()),
        "last": state.log[-1] if state.log else {},
    }
    (settings.out / RUN_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return settings.out


def _through_the_model(
    settings: PoseSettings,
    model: Hmvlm,
    source: PoseSource,
    held_out: PoseBatch | None,
    data: PreparedDataset,
) -> TrainingState:
    """Stage 2."""
    tokenizer = source.tokenizer
    _, head = model.seeing()
    alpha = model.pose_alpha()
    experts = [value for _, value in lora_parameters(model)]
    trainable = Trainable(model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    tables = [*trainable.projector.parameters(), *trainable.pose_head.parameters()]
    for parameter in [*tables, *(experts if settings.lora_rate else [])]:
        parameter.requires_grad_(True)
    groups = [{"params": tables, "lr": settings.table_rate}]
    if settings.lora_rate:
        groups.append({"params": experts, "lr": settings.lora_rate})
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.01)
    motion = _motion_sampler(settings, model, data)

    def batch_loss(step: int) -> dict[str, Tensor]:
        drawn = source.batch(step, settings.batch)
        with computing_in(settings.precision):
            states = model.pose_states(drawn.seen, alpha.expand(len(drawn.seen), -1))
            logits = head.scores(states, drawn.codes)
        terms = pose_code_loss(logits, drawn, tokenizer, settings.joints)
        if motion is not None and step % settings.motion_every == settings.motion_every - 1:
            again = motion.batch(step // settings.motion_every)
            shares = model.gate([model.processor.gate_text(c) for c in again.captions])
            with computing_in(settings.precision):
                kept = motion_loss(model, again, shares)["motion"]
            # not every step has it, so it has no curve in the total's
            terms |= {"loss": terms["loss"] + kept, "motion": kept.detach()}
        return terms

    @torch.no_grad()
    def validate() -> dict[str, float]:
        assert held_out is not None
        states = model.pose_states(held_out.seen, alpha.expand(len(held_out.seen), -1))
        return code_scores(draw_poses(model, states, _GREEDY)[:, 0], held_out, tokenizer)

    loop = LoopSettings(
        settings.out,
        steps=settings.steps,
        minutes=settings.minutes,
        log_every=10,
        validate_every=100,
        save_minutes=5.0,
        resume=settings.resume,
    )
    return train(trainable, optimizer, loop, batch_loss, validate if held_out else None, "pose")


def _model(settings: PoseSettings, tokenizer: PoseTokenizer) -> Hmvlm:
    if settings.start_from is not None:
        config = HmvlmConfig.load(settings.start_from)
        config = replace(config, vision=config.vision or settings.vision)
    else:
        config = _fresh_config(settings, tokenizer)
    model = build_hmvlm(
        config, dtype=torch.bfloat16 if settings.precision == "bf16" else torch.float32
    )
    # refuses a pose tokenizer with other codes than the model's
    model.pose_tokenizer = load_pose_tokenizer(settings.pose_tokenizer, config)
    if settings.start_from is not None:
        model.load_adapter(settings.start_from, fresh=VISION_TABLES)
    for _, expert in lora_parameters(model):
        expert.data = expert.data.float()  # small steps would vanish in half precision
    return model


def _fresh_config(settings: PoseSettings, tokenizer: PoseTokenizer) -> HmvlmConfig:
    base, _, digest = load_base(settings.base_model)
    own = base.config.get_text_config()
    parts, codes, _ = tokenizer.codebook_vectors().shape
    return HmvlmConfig(
        base_model=settings.base_model,
        base_sha256=digest,
        text_vocab_size=own.vocab_size,
        hidden_size=own.hidden_size,
        parts=parts,
        codebook_size=codes,
        moe=settings.moe,
        gate=GateConfig(
            encoder=settings.gate_encoder,
            embed_dim=encoder_width(load_encoder(settings.gate_encoder)),
        ),
        vision=settings.vision,
    )


def _has_vision(adapter: Path | None) -> bool:
    return adapter is not None and HmvlmConfig.load(adapter).vision is not None


def _simulator(data: PreparedDataset) -> LandmarkSimulator:
    return LandmarkSimulator(PoseBank.from_prepared(data))


def _held_out(folder: Path, tokenizer: PoseTokenizer) -> PoseBatch | None:
    data = PreparedDataset(folder, "val")
    if len(data) == 0:
        return None
    return PoseSource(_simulator(data), tokenizer, seed=1).batch(0, _VALIDATION)


def _motion_sampler(
    settings: PoseSettings, model: Hmvlm, data: PreparedDataset
) -> InstructSampler | None:
    if settings.tokenizer is None:
        return None
    tokenizer = MotionTokenizer.from_pretrained(settings.tokenizer)
    codes = tokenize_clips(data, tokenizer, settings.data / CACHE_FOLDER)
    return InstructSampler(
        data,
        codes,
        model.processor,
        SampleSettings(),
        batch=settings.motion_batch,
        seed=settings.seed,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--pose-tokenizer", type=Path, required=True, help="trained, body_part")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--start-from", type=Path, help="adapter folder that learns poses too")
    parser.add_argument(
        "--tokenizer", type=Path, help="its motion tokenizer: motion is trained along, and kept"
    )
    parser.add_argument("--base-model", default="smollm2", help="without --start-from")
    parser.add_argument("--steps", type=int, help="budget in steps: reproducible")
    parser.add_argument("--minutes", type=float, help="budget in minutes")
    parser.add_argument("--alignment-steps", type=int, help="of stage 1, without language model")
    parser.add_argument("--alignment-minutes", type=float, help="of stage 1")
    parser.add_argument("--batch", type=int, default=64, help="people a step (default 64)")
    parser.add_argument("--table-rate", type=float, default=1e-3, help="projector and pose head")
    parser.add_argument(
        "--lora-rate", type=float, default=5e-4, help="experts; 0 leaves them as they are"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--fresh", action="store_true", help="start over, ignoring saved progress")


def run(args: argparse.Namespace) -> None:
    out = train_pose(
        PoseSettings(
            data=args.data,
            pose_tokenizer=args.pose_tokenizer,
            out=args.out,
            start_from=args.start_from,
            tokenizer=args.tokenizer,
            base_model=args.base_model,
            steps=args.steps,
            minutes=args.minutes,
            alignment_steps=args.alignment_steps,
            alignment_minutes=args.alignment_minutes,
            batch=args.batch,
            table_rate=args.table_rate,
            lora_rate=args.lora_rate,
            precision=args.precision,
            seed=args.seed,
            threads=args.threads,
            resume=not args.fresh,
        )
    )
    print(out)
