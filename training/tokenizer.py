# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train tokenizer`: train the body-part tokenizer and its whole-body baselines."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.motion.representation import FEATURE_DIM
from backend.motion.tokenizer import KINDS, MotionTokenizer, TokenizerOutput, tokenizer_config
from training.data.prepared import PreparedDataset, balanced_chances

from .checkpoint import TrainingState
from .loops import LoopSettings, keep_freed_memory, train
from .losses import TokenizerLoss, TokenizerLossWeights
from .precision import CHOICES, chosen_precision, computing_in, warn_of_slow
from .run_arguments import add_run_arguments, run_settings

DECODER_FOLDER = "decoder"
_VALIDATION_WINDOWS = 256
_PLANTED_AT_THE_END = 150.0
_DECODER_RATE = 0.3  # of the learning rate
_NEW_BATCHES = 1 << 24


@dataclass(frozen=True)
class TokenizerSettings:
    """One training run. The same settings with another kind give the baselines' same budget.

    continuous_steps: how many first steps go without quantisation; decoder_steps: how many more
    train the decoder alone, for feet that stay where they stand; window: frames; precision: of
    the layers (see precision.PRECISIONS).
    """

    data: Path
    out: Path
    kind: str = "body_part"
    steps: int | None = None
    minutes: float | None = None
    batch: int = 32
    window: int = 64
    learning_rate: float = 2e-3
    precision: str = "fp32"
    continuous_steps: int = 300
    decoder_steps: int = 800
    seed: int = 0
    threads: int | None = None
    resume: bool = True


class WindowSampler:
    """Fixed-length windows of a split's clips, no source drowning the others."""

    def __init__(self, data: PreparedDataset, window: int, seed: int) -> None:
        if len(data) == 0:
            raise InvalidInput(f"{data.folder} has no clips to train on.")
        self.data, self.window, self.seed = data, window, seed
        self.chances = balanced_chances(data.clips)

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Normalised (B, window, 272) and mask (B, window); depends on seed and step alone."""
        rng = np.random.default_rng((self.seed, step))
        rows = np.zeros((size, self.window, FEATURE_DIM), dtype=np.float32)
        mask = np.zeros((size, self.window), dtype=np.float32)
        for b, index in enumerate(rng.choice(len(self.chances), size, p=self.chances)):
            clip = self.data.features(int(index))
            start = int(rng.integers(max(1, len(clip) - self.window + 1)))
            part = clip[start : start + self.window]
            rows[b, : len(part)] = part
            rows[b, len(part) :] = part[-1]
            mask[b, : len(part)] = 1.0
        rows -= self.data.mean
        rows /= self.data.std
        return torch.from_numpy(rows), torch.from_numpy(mask)


def train_tokenizer(settings: TokenizerSettings) -> Path:
    """Train one kind; returns the folder with the finished tokenizer, `out/kind`."""
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    data = PreparedDataset(settings.data, "train")
    mean, std = torch.from_numpy(data.mean), torch.from_numpy(data.std)
    model = MotionTokenizer(tokenizer_config(settings.kind), mean, std)
    warn_of_slow(settings.precision, "cpu")
    criterion = TokenizerLoss(mean, std, TokenizerLossWeights())
    sampler = WindowSampler(data, settings.window, settings.seed)
    held_out = _validation_set(settings)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4
    )

    def batch_loss(step: int) -> dict[str, Tensor]:
        rows, mask = sampler.batch(step, settings.batch)
        with computing_in(settings.precision):
            output = model(rows, quantise=step >= settings.continuous_steps)
        return criterion(output, rows, mask) | _codes_in_use(output)

    def validate() -> dict[str, float]:
        if held_out is None:
            return {}
        rows, mask = held_out
        with torch.no_grad():
            terms = criterion(model(rows), rows, mask)
        return {name: float(terms[name]) for name in ("mse", "joints")}

    out = settings.out / settings.kind
    loop = LoopSettings(
        out,
        steps=settings.steps,
        minutes=settings.minutes,
        learning_rate=settings.learning_rate,
        validate_every=500,
        resume=settings.resume,
    )
    facts = {"settings": settings, "data_hash": data.hash, "seed": settings.seed}
    state = train(model, optimizer, loop, batch_loss, validate, settings.kind, facts=facts)
    settled = settle_decoder(model, sampler, settings, validate)
    model.save_pretrained(out)
    record = {
        **{k: str(v) if isinstance(v, Path) else v for k, v in asdict(settings).items()},
        "data_hash": data.hash,
        "steps_done": state.step,
        "decoder_steps_done": settled.step,
        "seconds": round(state.elapsed + settled.elapsed, 1),
        "parameters": sum(p.numel() for p in model.parameters()) + model.codebook_vectors().numel(),
    }
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return out


def settle_decoder(
    model: MotionTokenizer,
    sampler: WindowSampler,
    settings: TokenizerSettings,
    validate: Callable[[], dict[str, float]],
) -> TrainingState:
    """Train the decoder further with the codes as they are and planted feet weighing more.

    Codes that say all about a pose leave the feet a little unsteady. Asked for from the start,
    steady feet cost joints; at the end, with nothing else to learn, they cost next to nothing.
    """
    if not settings.decoder_steps:
        return TrainingState()
    model.eval()
    model.requires_grad_(False)
    model.decoder.requires_grad_(True)
    weights = replace(TokenizerLossWeights(), planted=_PLANTED_AT_THE_END)
    criterion = TokenizerLoss(model.mean, model.std, weights)
    rate = settings.learning_rate * _DECODER_RATE
    optimizer = torch.optim.AdamW(
        model.decoder.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-4
    )

    def batch_loss(step: int) -> dict[str, Tensor]:
        # steps that the training before has not seen
        rows, mask = sampler.batch(_NEW_BATCHES + step, settings.batch)
        with computing_in(settings.precision):
            codes = model.encode(model.denormalize(rows))
            made = model.decoder(model.quantizer.vectors(codes)).float()
        return criterion(TokenizerOutput(made, codes, made.new_zeros(())), rows, mask)

    loop = LoopSettings(
        settings.out / settings.kind / DECODER_FOLDER,
        steps=settings.decoder_steps,
        learning_rate=rate,
        validate_every=200,
        resume=settings.resume,
    )
    facts = {"settings": settings, "data_hash": sampler.data.hash, "seed": settings.seed}
    name = f"{settings.kind} decoder"
    return train(model.decoder, optimizer, loop, batch_loss, validate, name, facts=facts)


def _codes_in_use(output: TokenizerOutput) -> dict[str, Tensor]:
    """Perplexity of the batch's codes, mean over the parts: how many codes share the work."""
    if output.codes is None:
        return {}
    entropies = []
    for part in output.codes.flatten(0, 1).T:
        share = torch.bincount(part).float() / len(part)
        entropies.append(-(share * share.clamp_min(1e-9).log()).sum())
    return {"perplexity": torch.stack(entropies).mean().exp()}


def _validation_set(settings: TokenizerSettings) -> tuple[Tensor, Tensor] | None:
    data = PreparedDataset(settings.data, "val")
    if len(data) == 0:
        return None
    return WindowSampler(data, settings.window, settings.seed).batch(0, _VALIDATION_WINDOWS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--out", type=Path, required=True, help="run folder; one folder a kind")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="body_part")
    add_run_arguments(parser, " for each kind")
    parser.add_argument(
        "--decoder-steps",
        type=int,
        default=800,
        help="steps after these for the decoder alone, for steady feet (default 800)",
    )
    parser.add_argument("--batch", type=int, default=32, help="windows a step (default 32)")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument(
        "--precision", choices=CHOICES, default="fp32", help="auto: the faster one here"
    )


def run(args: argparse.Namespace) -> None:
    kinds = KINDS if args.kind == "all" else (args.kind,)
    for kind in kinds:
        out = train_tokenizer(
            TokenizerSettings(
                data=args.data,
                out=args.out,
                kind=kind,
                decoder_steps=args.decoder_steps,
                batch=args.batch,
                learning_rate=args.learning_rate,
                precision=chosen_precision(args.precision),
                **run_settings(args),
            )
        )
        print(f"{kind}: {out}")
