# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate speed`: how long a clip takes, and how long until its first frames."""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.errors import InvalidInput
from backend.tasks.requests import DEFAULT_GUIDANCE, TextToMotionParams
from blender_addon.shared.motion import Motion

_PROMPT = "a person walks forward and waves with the right hand"


@dataclass(frozen=True)
class SpeedFigures:
    """Wall-clock seconds over several runs of one setting; the model is loaded before.

    first_frames: until the first chunk of motion is handed out. times_real_time: length of the
    clip over the median.
    """

    guidance: float
    clip_seconds: float
    runs: int
    median: float
    slowest: float
    first_frames: float
    times_real_time: float


def measure(
    generate: Callable[[TextToMotionParams, Callable[[int, Motion], None]], None],
    guidance: float,
    seconds: float,
    runs: int,
) -> SpeedFigures:
    """Time `runs` clips with different seeds, after one that does not count."""
    totals, firsts = [], []
    for seed in range(runs + 1):
        params = TextToMotionParams(prompt=_PROMPT, seconds=seconds, seed=seed, guidance=guidance)
        chunks: list[float] = []
        begun = time.perf_counter()

        def on_chunk(start_frame: int, motion: Motion, chunks: list[float] = chunks) -> None:
            chunks.append(time.perf_counter())

        generate(params, on_chunk)
        if seed:
            totals.append(time.perf_counter() - begun)
            firsts.append(chunks[0] - begun)
    median = statistics.median(totals)
    return SpeedFigures(
        guidance=guidance,
        clip_seconds=seconds,
        runs=runs,
        median=round(median, 2),
        slowest=round(max(totals), 2),
        first_frames=round(statistics.median(firsts), 2),
        times_real_time=round(seconds / median, 2),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, help="exported weights (default: as shipped)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the clip (default 6)")
    parser.add_argument("--runs", type=int, default=5, help="clips a setting (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    """Load, time with and without guidance, print."""
    if args.runs < 1 or args.threads < 1:
        raise InvalidInput("--runs and --threads must be 1 or more.")
    import torch

    from backend.model.loading import load_hmvlm
    from backend.tasks.text_to_motion import text_to_motion

    torch.set_num_threads(args.threads)
    begun = time.perf_counter()
    model = load_hmvlm(args.checkpoint, device=args.device)
    loaded = time.perf_counter() - begun

    def generate(params: TextToMotionParams, on_chunk: Callable[[int, Motion], None]) -> None:
        text_to_motion(model, params, on_chunk=on_chunk)

    guided, plain = (
        measure(generate, guidance, args.seconds, args.runs) for guidance in (DEFAULT_GUIDANCE, 1.0)
    )
    report = {
        "device": args.device,
        "threads": args.threads,
        "load_seconds": round(loaded, 2),
        "guided": asdict(guided),
        "plain": asdict(plain),
    }
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(report))
        return
    print(f"loaded in {loaded:.1f} s; {args.device}, {args.threads} threads")
    print(f"{'':18} {'median':>8} {'slowest':>8} {'first frames':>13} {'x real time':>12}")
    for name, f in (("guidance (default)", guided), ("no guidance", plain)):
        print(
            f"{name:18} {f.median:6.2f} s {f.slowest:6.2f} s {f.first_frames:11.2f} s "
            f"{f.times_real_time:12.2f}"
        )
    print(f"guidance costs {guided.median / plain.median:.2f} times a clip without it")
