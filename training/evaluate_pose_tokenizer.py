# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate pose-tokenizer`: held-out poses through the codes and back, in mm."""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.errors import AssetError, InvalidInput
from backend.motion.pose_tokenizer import PoseTokenizer, pose_joints
from backend.motion.tokenizer import KINDS
from training.data.pose_widening import PoseBank
from training.data.prepared import SPLITS, PreparedDataset

from .pose_data import every_pose, widened_poses

_CHUNK = 4096
_WIDENED = 4000


@dataclass(frozen=True)
class PoseScores:
    """Means over the poses. mpjpe_mm: joints, pelvis on pelvis. rotation_degrees: angle between
    the local rotations. codebook_use: the smallest part of a codebook that is used."""

    mpjpe_mm: float
    rotation_degrees: float
    codebook_use: float
    poses: int


@torch.no_grad()
def evaluate(tokenizer: PoseTokenizer, poses: Tensor) -> PoseScores:
    """poses: (N, 22, 3, 3) local rotations, heading taken out."""
    if len(poses) == 0:
        raise InvalidInput("There are no poses to evaluate on.")
    config = tokenizer.config
    used = torch.zeros(config.num_parts, config.codebook_size, dtype=torch.bool)
    distance = angle = 0.0
    for wanted in poses.split(_CHUNK):
        codes = tokenizer.encode(wanted)
        made = tokenizer.decode(codes)
        for part, indices in enumerate(codes.T):
            used[part, indices] = True
        distance += float((pose_joints(made) - pose_joints(wanted)).norm(dim=-1).mean(-1).sum())
        trace = (made * wanted).sum(dim=(-2, -1))
        angles = torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
        angle += float(angles.mean(-1).sum())
    return PoseScores(
        mpjpe_mm=round(1000 * distance / len(poses), 2),
        rotation_degrees=round(angle / len(poses), 2),
        codebook_use=round(float(used.float().mean(dim=1).min()), 4),
        poses=len(poses),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default test")
    parser.add_argument("--run", type=Path, required=True, help="folder with a folder a kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    folders = [args.run / kind for kind in KINDS if (args.run / kind / "config.json").is_file()]
    if not folders:
        raise AssetError(f"No pose tokenizer in {args.run}: give the folder training wrote.")
    data = PreparedDataset(args.data, args.split)
    recorded = every_pose(data)
    made = widened_poses(PoseBank.from_prepared(data), np.random.default_rng(0), _WIDENED)
    scores: dict[str, dict[str, PoseScores]] = {}
    for folder in folders:
        tokenizer = PoseTokenizer.from_pretrained(folder)
        scores[folder.name] = {
            name: evaluate(tokenizer, poses)
            for name, poses in (("recorded", recorded), ("widened", made))
        }
    if args.out:
        figures = {
            kind: {f"{name}_{k}": v for name, s in by_name.items() for k, v in asdict(s).items()}
            for kind, by_name in scores.items()
        }
        args.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if args.json:
        content = {k: {n: asdict(s) for n, s in v.items()} for k, v in scores.items()}
        print(json.dumps(content, indent=2))
        return
    print(f"{'tokenizer':<17}{'poses':>10}{'MPJPE':>11}{'rotations':>15}{'codes used':>13}")
    for kind, by_name in scores.items():
        for name, s in by_name.items():
            print(
                f"{kind:<17}{name:>10}{s.mpjpe_mm:>8.1f} mm{s.rotation_degrees:>11.1f} deg"
                f"{100 * s.codebook_use:>11.1f} %"
            )
    print(f"{len(recorded)} poses of the {args.split} split, and {_WIDENED} made from them")
