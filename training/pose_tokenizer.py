# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train pose-tokenizer`: train the pose tokenizer and its whole-body baselines."""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from backend.motion.kinematics import rotation_6d_to_matrix
from backend.motion.pose_tokenizer import (
    JOINT_FEATURES,
    PoseOutput,
    PoseTokenizer,
    pose_features,
    pose_joints,
    pose_tokenizer_config,
)
from backend.motion.tokenizer import KINDS
from training.data.prepared import PreparedDataset

from .loops import LoopSettings, keep_freed_memory, train
from .pose_data import PoseSampler
from .run_arguments import add_run_arguments, run_settings

_STATISTICS_POSES = 4096
_VALIDATION_POSES = 512


@dataclass(frozen=True)
class PoseLossWeights:
    """Weight of each term: rotations (normalised 6D), joints (metres), commitment."""

    rotations: float = 1.0
    joints: float = 20.0
    commitment: float = 0.02


@dataclass(frozen=True)
class PoseTokenizerSettings:
    """One training run. The same settings with another kind give the baselines' same budget.

    widened: share of poses that no recording shows.
    """

    data: Path
    out: Path
    kind: str = "body_part"
    steps: int | None = None
    minutes: float | None = None
    batch: int = 512
    widened: float = 0.4
    learning_rate: float = 1e-3
    continuous_steps: int = 300
    seed: int = 0
    threads: int | None = None
    resume: bool = True


def pose_loss(
    output: PoseOutput, wanted: Tensor, std: Tensor, weights: PoseLossWeights
) -> dict[str, Tensor]:
    """wanted: (B, 22, 3, 3) local rotations; std: (22, 6) of their 6D form. `loss` is the sum."""
    target = pose_features(wanted)
    rotations = ((output.rotations - target[..., :6]) / std).square().mean()
    made = pose_joints(rotation_6d_to_matrix(output.rotations))
    joints = (made - target[..., 6:]).norm(dim=-1).mean()
    loss = (
        weights.rotations * rotations
        + weights.joints * joints
        + weights.commitment * output.commitment
    )
    return {
        "loss": loss,
        "rotations": rotations.detach(),
        "joints": joints.detach(),
        "commitment": output.commitment.detach(),
    }


def pose_statistics(poses: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 22, 3, 3) -> mean (22, 9) and deviation (22, 9), one for rotations, one for positions."""
    features = pose_features(poses)
    mean, std = features.mean(dim=0), features.std(dim=0)
    shared = torch.empty(JOINT_FEATURES)
    shared[:6], shared[6:] = std[:, :6].mean(), std[:, 6:].mean()
    return mean, shared.expand_as(std).clone()


def train_pose_tokenizer(settings: PoseTokenizerSettings) -> Path:
    """Train one kind; returns the folder with the finished tokenizer, `out/kind`."""
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    sampler = PoseSampler(PreparedDataset(settings.data, "train"), settings.seed, settings.widened)
    mean, std = pose_statistics(sampler.batch(0, _STATISTICS_POSES))
    model = PoseTokenizer(pose_tokenizer_config(settings.kind), mean, std)
    weights = PoseLossWeights()
    held_out = PreparedDataset(settings.data, "val")
    poses = PoseSampler(held_out, 0).batch(0, _VALIDATION_POSES) if len(held_out) else None
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4
    )

    def batch_loss(step: int) -> dict[str, Tensor]:
        wanted = sampler.batch(step, settings.batch)
        output = model(wanted, quantise=step >= settings.continuous_steps)
        return pose_loss(output, wanted, model.std[:, :6], weights)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        if poses is None:
            return {}
        terms = pose_loss(model(poses), poses, model.std[:, :6], weights)
        return {name: float(terms[name]) for name in ("rotations", "joints")}

    out = settings.out / settings.kind
    loop = LoopSettings(
        out,
        steps=settings.steps,
        minutes=settings.minutes,
        learning_rate=settings.learning_rate,
        validate_every=500,
        resume=settings.resume,
    )
    facts = {"settings": settings, "data_hash": sampler.data.hash, "seed": settings.seed}
    state = train(model, optimizer, loop, batch_loss, validate, settings.kind, facts=facts)
    model.save_pretrained(out)
    record = {
        **{k: str(v) if isinstance(v, Path) else v for k, v in asdict(settings).items()},
        "data_hash": sampler.data.hash,
        "steps_done": state.step,
        "seconds": round(state.elapsed, 1),
        "parameters": sum(p.numel() for p in model.parameters()) + model.codebook_vectors().numel(),
    }
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--out", type=Path, required=True, help="run folder; one folder a kind")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="body_part")
    add_run_arguments(parser, " for each kind")
    parser.add_argument("--batch", type=int, default=512, help="poses a step (default 512)")
    parser.add_argument(
        "--widened",
        type=float,
        default=0.4,
        help="share of poses that no recording shows: sitting, kneeling, reaching (default 0.4)",
    )
    parser.add_argument("--learning-rate", type=float, default=1e-3)


def run(args: argparse.Namespace) -> None:
    for kind in KINDS if args.kind == "all" else (args.kind,):
        out = train_pose_tokenizer(
            PoseTokenizerSettings(
                data=args.data,
                out=args.out,
                kind=kind,
                batch=args.batch,
                widened=args.widened,
                learning_rate=args.learning_rate,
                **run_settings(args),
            )
        )
        print(f"{kind}: {out}")
