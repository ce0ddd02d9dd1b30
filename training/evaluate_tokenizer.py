# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate tokenizer`: encode, decode and compare, on BVH files or prepared clips."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from backend.errors import AssetError, InvalidInput
from backend.model.loading import BASELINES_FOLDER, DEFAULT_CHECKPOINT, TOKENIZER_FOLDER
from backend.motion.bvh import BvhError, read_bvh
from backend.motion.representation import FPS, canonicalize, encode_smpl22
from backend.motion.retarget import retarget_to_smpl
from backend.motion.tokenizer import KINDS, MotionTokenizer
from blender_addon.shared.motion import Motion
from training.data.cleaning import cut, without_calibration_frame
from training.data.prepared import SPLITS, PreparedDataset

from .metrics.reconstruction import ReconstructionMeter, ReconstructionScores

_PIECE_FRAMES = 10 * FPS  # the model works on clips of at most ten seconds


def find_tokenizers(
    runs: list[Path], shipped: Path = DEFAULT_CHECKPOINT
) -> dict[str, MotionTokenizer]:
    """Kind -> tokenizer: the shipped ones, replaced by and added to from the run folders.

    A run is a tokenizer's own folder or one that holds a folder a kind, as training leaves it.
    Raises AssetError when there is none, or a run holds none.
    """
    found: dict[str, MotionTokenizer] = {}
    patterns = (f"{TOKENIZER_FOLDER}/config.json", f"{BASELINES_FOLDER}/*/config.json")
    for config in [path for pattern in patterns for path in sorted(shipped.glob(pattern))]:
        tokenizer = MotionTokenizer.from_pretrained(config.parent)
        found[tokenizer.config.kind] = tokenizer
    for run in runs:
        folders = [run] if (run / "config.json").is_file() else [run / kind for kind in KINDS]
        loaded = [MotionTokenizer.from_pretrained(f) for f in folders if f.is_dir()]
        if not loaded:
            raise AssetError(f"No motion tokenizer in {run}: give the folder training wrote.")
        found.update({t.config.kind: t for t in loaded})
    if not found:
        raise AssetError(
            "No tokenizer is shipped with this copy. Train one with `hmvlm-train tokenizer` and "
            "name its folder with --run."
        )
    return {kind: found[kind] for kind in sorted(found, key=_kind_order)}


def _kind_order(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)


def bvh_features(folder: Path) -> tuple[list[Tensor], list[str]]:
    """All *.bvh of a folder -> ((T, 272) rows a piece of at most ten seconds, what was left out).

    Raises InvalidInput when the folder has no BVH file, or none that can be read.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".bvh")
    if not files:
        raise InvalidInput(f"There are no .bvh files in {folder}.")
    clips: list[Tensor] = []
    skipped: list[str] = []
    for file in tqdm(files, desc="reading", unit="file", leave=False):
        try:
            motion = without_calibration_frame(retarget_to_smpl(read_bvh(file))).resampled(FPS)
        except (BvhError, ValueError) as error:
            reason = str(error)
            skipped.append(reason if str(file) in reason else f"{file}: {reason}")
            continue
        pieces = [torch.from_numpy(encode_smpl22(canonicalize(p))) for p in _pieces(motion)]
        if pieces:
            clips += pieces
        else:
            skipped.append(f"{file}: {motion.num_frames} frames are too few to measure")
    if not clips:
        listed = "\n  ".join(skipped[:10])
        raise InvalidInput(f"None of the {len(files)} BVH files in {folder} is usable:\n  {listed}")
    return clips, skipped


def _pieces(motion: Motion) -> Iterator[Motion]:
    for start in range(0, motion.num_frames, _PIECE_FRAMES):
        stop = min(start + _PIECE_FRAMES, motion.num_frames)
        if stop - start >= 4:
            yield cut(motion, start, stop)


def prepared_features(folder: Path, split: str) -> list[Tensor]:
    """The (T, 272) rows of each clip of a prepared set's split."""
    data = PreparedDataset(folder, split)
    if len(data) == 0:
        raise InvalidInput(f"The {split} split of {folder} is empty.")
    return [torch.from_numpy(data.features(i).copy()) for i in range(len(data))]


def evaluate(
    tokenizers: dict[str, MotionTokenizer], clips: list[Tensor]
) -> dict[str, ReconstructionScores]:
    """Kind -> scores over the clips, each (T, 272) raw rows."""
    results = {}
    for kind, tokenizer in tokenizers.items():
        meter = ReconstructionMeter(tokenizer)
        for features in tqdm(clips, desc=kind, unit="clip", leave=False):
            meter.add(features)
        results[kind] = meter.scores()
    return results


def table(results: dict[str, ReconstructionScores]) -> str:
    """The scores as text, a line a tokenizer."""
    lines = [
        f"{'tokenizer':<17}{'mse':>9}{'MPJPE root':>13}{'MPJPE world':>13}"
        f"{'codes used':>12}{'skating':>11}{'original':>11}"
    ]
    for kind, s in results.items():
        lines.append(
            f"{kind:<17}{s.mse:>9.4f}{s.mpjpe_root_mm:>10.1f} mm{s.mpjpe_world_mm:>10.1f} mm"
            f"{100 * s.codebook_use:>10.1f} %{s.skating:>7.3f} m/s{s.skating_original:>7.3f} m/s"
        )
    for kind, s in results.items():
        use = ", ".join(f"{n} {100 * v:.1f} %" for n, v in s.codebook_use_per_part.items())
        lines.append(f"{kind}: {s.clips} clips, {s.frames / FPS / 60:.1f} min; codes used: {use}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bvh", type=Path, help="folder of BVH files, longer ones cut at 10 s")
    what.add_argument("--data", type=Path, help="prepared data folder")
    parser.add_argument("--split", choices=SPLITS, default="test", help="of --data (default test)")
    parser.add_argument(
        "--run", type=Path, action="append", default=[], help="tokenizer or run folder; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    tokenizers = find_tokenizers(args.run)
    skipped: list[str] = []
    if args.bvh is not None:
        clips, skipped = bvh_features(args.bvh)
    else:
        clips = prepared_features(args.data, args.split)
    results = evaluate(tokenizers, clips)
    for reason in skipped:
        print(f"left out: {reason}", file=sys.stderr)
    if skipped:
        print(f"{len(skipped)} files were left out", file=sys.stderr)
    scores = {k: {**s.to_dict(), "files_left_out": len(skipped)} for k, s in results.items()}
    report = json.dumps(scores, indent=2)
    if args.out:
        args.out.write_text(report + "\n", encoding="utf-8")
    print(report if args.json else table(results))
