# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate layouts`: flattened against parallel motion tokens, quality and speed."""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from backend.model.configuration import HmvlmConfig
from backend.model.decoding import MotionRequest, SamplingOptions, generate_motion
from backend.model.hmvlm import Hmvlm
from backend.model.loading import ADAPTER_FOLDER, build_hmvlm
from backend.motion.tokenizer import MotionTokenizer

from .instruct_settings import InstructSettings, read_settings
from .motion_loss import validation_batches, validation_loss

_SECONDS = 6.0
_PROMPT = "a person walks forward and waves with the right hand"


@dataclass(frozen=True)
class LayoutFigures:
    """val_loss: nats a motion token on the val split. seconds: wall time of a 6 s clip."""

    layout: str
    val_loss: float
    seconds: float
    rows: int
    steps_trained: int
    minutes_trained: float


def evaluate_run(run: Path, data: Path, repeats: int = 3) -> LayoutFigures:
    """Figures of one instruction-tuning run; its tokenizer is the one it was trained with."""
    settings, record = read_settings(run)
    model = load_run(run, settings)
    batches = validation_batches(data, model)
    loss = validation_loss(model, batches)["motion"]
    times = [_time_a_clip(model) for _ in range(repeats)]
    layout = model.config.layout
    name = layout.name + (" " + ",".join(map(str, layout.delays)) if any(layout.delays) else "")
    return LayoutFigures(
        layout=name,
        val_loss=round(loss, 4),
        seconds=round(min(times), 2),
        rows=model.processor.layout.length(round(_SECONDS * 5)),
        steps_trained=record["steps_done"],
        minutes_trained=round(record["seconds"] / 60, 1),
    )


def load_run(run: Path, settings: InstructSettings) -> Hmvlm:
    """The model of a run folder that is not exported yet."""
    tokenizer = MotionTokenizer.from_pretrained(settings.tokenizer)
    model = build_hmvlm(HmvlmConfig.load(run / ADAPTER_FOLDER), motion_tokenizer=tokenizer)
    model.load_adapter(run / ADAPTER_FOLDER)
    return model.eval()


def _time_a_clip(model: Hmvlm) -> float:
    begun = time.monotonic()
    alpha = model.gate([model.processor.gate_text(_PROMPT)])[0]
    steps = round(_SECONDS * 5)
    request = MotionRequest(_PROMPT, alpha, seed=0, seconds=_SECONDS, steps=steps)
    (codes,) = generate_motion(model, [request], SamplingOptions())
    model.motion_tokenizer.decode(torch.from_numpy(codes)[None])
    return time.monotonic() - begun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument(
        "--runs", type=Path, nargs="+", required=True, help="instruction-tuning run folders"
    )
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    figures = [evaluate_run(folder, args.data) for folder in args.runs]
    content = {f.layout: vars(f) for f in figures}
    if args.out:
        args.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(content))
        return
    print(
        f"{'layout':24} {'nats a token':>12} {'6 s clip':>10} {'rows':>6} {'steps':>7} {'min':>6}"
    )
    for f in figures:
        print(
            f"{f.layout:24} {f.val_loss:12.4f} {f.seconds:8.2f} s {f.rows:6} {f.steps_trained:7} "
            f"{f.minutes_trained:6.1f}"
        )
