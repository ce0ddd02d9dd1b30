# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate pose-renders`: poses from rendered pictures of people, in mm."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from backend import assets
from backend.errors import InvalidInput
from backend.model.hmvlm import Hmvlm
from backend.motion.kinematics import forward_kinematics
from backend.tasks.pose_estimation import pose_estimation
from backend.tasks.requests import PoseParams
from backend.vision.blazepose import BlazePose
from backend.vision.landmark_body import NUM_SIZES, pose_landmarks
from backend.vision.landmarks import Landmarks, estimate_landmarks
from backend.vision.skeleton33 import BODY_LANDMARKS
from training.data.pose_widening import PoseBank
from training.data.prepared import SPLITS, PreparedDataset

from .evaluate_pose import Errors, load_run
from .figure.mesh import read_base_mesh
from .figure.people import LOOKS, Figure, make_figure
from .figure.rendering import SIZE, render_shots
from .figure.sheet import draw_tile, save_sheet
from .figure.shots import Shot, about_the_hips, plan_shots
from .metrics.pose import mpjpe, pa_mpjpe

SHEET = "sheet.png"
FIGURES = "pose_renders.json"
SIDES = {"front": "front", "left": "side", "right": "side", "back": "back"}


@dataclass(frozen=True)
class Reading:
    """What was read in one picture: nothing where nobody was found. joints: (22, 2) pixels, of the
    model's pose."""

    landmarks: Landmarks | None = None
    raw: Errors | None = None
    decoded: Errors | None = None
    refined: Errors | None = None
    joints: np.ndarray | None = None


@dataclass(frozen=True)
class RenderErrors:
    """Of some of the pictures, means over the people found, mm. image_percent: of the picture's
    side, between the 13 landmarks found in the picture and the true ones. raw: BlazePose's world
    landmarks; decoded and refined: the model's pose before and after refine, None without one.
    below_raw: shares by which refined landmarks' MPJPE and PA-MPJPE are lower than the raw ones'.
    """

    pictures: int
    found: int
    image_percent: float | None
    raw: Errors | None
    decoded: Errors | None
    refined: Errors | None
    below_raw: dict[str, float] | None


def make_figures() -> list[Figure]:
    """The people in the pictures, from the asset `figure`. Raises AssetError."""
    mesh = read_base_mesh(assets.ensure("figure"))
    return [make_figure(mesh, look) for look in LOOKS]


def read_shot(
    path: Path, shot: Shot, networks: BlazePose, model: Hmvlm | None, samples: int
) -> Reading:
    """One picture, as `hmvlm pose` reads it, against its truth; only BlazePose without a model."""
    try:
        # the raw landmarks are BlazePose's own; the model is given the mean of two looks
        landmarks, made = estimate_landmarks(path, networks=networks), None
        if model is not None:
            made = pose_estimation(model, PoseParams(str(path), samples=samples), networks)
    except InvalidInput:  # nobody was found
        return Reading()
    raw = _errors(landmarks.world, shot)
    if made is None:
        return Reading(landmarks, raw)
    turned, final = made.fitted.turned, made.fitted.final
    mean_body = pose_landmarks(turned.rotations, turned.rotations.new_zeros(1, NUM_SIZES))
    return Reading(
        landmarks,
        raw,
        decoded=_errors(mean_body[0].numpy(), shot, turned.rotations),
        refined=_errors(final.landmarks()[0].numpy(), shot, final.rotations),
        joints=made.joints_image,
    )


def _errors(points: np.ndarray, shot: Shot, rotations: Tensor | None = None) -> Errors:
    """Landmarks (33, 3) metres in camera axes, local rotations (1, 22, 3, 3) or None -> errors."""
    ours = about_the_hips(points[list(BODY_LANDMARKS)].astype(np.float64))
    points_off, points_pa = (
        1000 * float(f(ours, shot.landmarks)) for f in (partial(mpjpe, root=None), pa_mpjpe)
    )
    if rotations is None:
        return Errors(None, None, points_off, points_pa)
    both = torch.cat([rotations.double(), torch.from_numpy(shot.rotations)[None]])
    made, true = forward_kinematics(both, both.new_zeros(2, 3))[0][:, :22].numpy()
    joints, joints_pa = (1000 * float(f(made, true)) for f in (mpjpe, pa_mpjpe))
    return Errors(joints, joints_pa, points_off, points_pa)


def summarise(shots: Sequence[Shot], readings: Sequence[Reading]) -> dict[str, RenderErrors]:
    """Errors of all pictures, then by kind of pose, by the side seen and by the camera's height."""
    groups: dict[str, list[int]] = {"all": list(range(len(shots)))}
    for key in (lambda s: s.kind, lambda s: SIDES[s.heading.split()[0]], lambda s: s.height):
        for name in dict.fromkeys(key(shot) for shot in shots):
            groups[name] = [i for i, shot in enumerate(shots) if key(shot) == name]
    return {
        name: _summary([(shots[i], readings[i]) for i in rows]) for name, rows in groups.items()
    }


def _summary(pairs: Sequence[tuple[Shot, Reading]]) -> RenderErrors:
    found = [(shot, reading) for shot, reading in pairs if reading.landmarks is not None]
    off = [
        np.linalg.norm(r.landmarks.image[list(BODY_LANDMARKS), :2] - s.in_image, axis=1).mean()
        for s, r in found
        if r.landmarks is not None
    ]
    raw, refined = (_mean([getattr(r, name) for _, r in found]) for name in ("raw", "refined"))
    return RenderErrors(
        pictures=len(pairs),
        found=len(found),
        image_percent=round(100 * float(np.mean(off)) / SIZE, 2) if off else None,
        raw=raw,
        decoded=_mean([r.decoded for _, r in found]),
        refined=refined,
        below_raw=None if raw is None or refined is None else _below(raw, refined),
    )


def _below(raw: Errors, refined: Errors) -> dict[str, float]:
    shares = {
        "mpjpe": refined.landmarks_mpjpe / raw.landmarks_mpjpe,
        "pa_mpjpe": refined.landmarks_pa_mpjpe / raw.landmarks_pa_mpjpe,
    }
    return {name: round(1 - share, 3) for name, share in shares.items()}


def _mean(errors: Sequence[Errors | None]) -> Errors | None:
    rows = [e for e in errors if e is not None]
    if not rows:
        return None
    joints = [
        (e.joints_mpjpe, e.joints_pa_mpjpe)
        for e in rows
        if e.joints_mpjpe is not None and e.joints_pa_mpjpe is not None
    ]
    off, off_pa = np.mean(joints, axis=0).round(1).tolist() if joints else (None, None)
    points = np.mean([(e.landmarks_mpjpe, e.landmarks_pa_mpjpe) for e in rows], axis=0)
    points_off, points_pa = points.round(1).tolist()
    return Errors(off, off_pa, points_off, points_pa)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default test")
    parser.add_argument("--checkpoint", type=Path, help="run folder, or exported weights")
    parser.add_argument("--raw-only", action="store_true", help="BlazePose alone, without a model")
    parser.add_argument("--count", type=int, default=64, help="pictures (default 64)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for pictures, sheet and figures"
    )
    parser.add_argument(
        "--samples", type=int, default=PoseParams.samples, help="poses drawn for each"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> None:
    if args.count < 1:
        raise InvalidInput("--count: at least 1.")
    if args.raw_only == (args.checkpoint is not None):
        raise InvalidInput("Give either --checkpoint FOLDER, or --raw-only for BlazePose alone.")
    model = None if args.raw_only else load_run(args.checkpoint)
    networks = BlazePose(threads=1)
    figures = make_figures()
    bank = PoseBank.from_prepared(PreparedDataset(args.data, args.split))
    shots = plan_shots(figures, bank, args.count, args.seed)
    with tqdm(total=len(shots), desc="rendering", disable=None) as bar:
        paths = render_shots(figures, shots, args.out, lambda done: bar.update(done - bar.n))
    readings = [
        read_shot(path, shot, networks, model, args.samples)
        for path, shot in tqdm(list(zip(paths, shots, strict=True)), desc="reading", disable=None)
    ]
    save_sheet(
        [_tile(*each) for each in zip(paths, shots, readings, strict=True)], args.out / SHEET
    )
    report = summarise(shots, readings)
    content = json.dumps({name: asdict(errors) for name, errors in report.items()})
    (args.out / FIGURES).write_text(content + "\n", "utf-8")
    print(content if args.json else _table(report))


def _tile(path: Path, shot: Shot, reading: Reading) -> Image.Image:
    errors = [e for e in (reading.raw, reading.decoded, reading.refined) if e is not None]
    said = " > ".join(f"{e.landmarks_mpjpe:.0f}" for e in errors)
    caption = f"{shot.kind}, {shot.heading}, {shot.height}\n"
    caption += f"MPJPE {said} mm" if said else "nobody found"
    return draw_tile(path, shot.joints_in_image, reading.landmarks, reading.joints, caption)


def _table(report: dict[str, RenderErrors]) -> str:
    head = f"{'mm: MPJPE, PA-MPJPE':<22}{'found':>9}{'image':>8}"
    head += "".join(f"{name:>16}" for name in ("raw", "decoded", "refined"))
    lines = [head]
    for name, e in report.items():
        image = "-" if e.image_percent is None else f"{e.image_percent:.1f} %"
        cells = [
            "-" if x is None else f"{x.landmarks_mpjpe:.1f} {x.landmarks_pa_mpjpe:>6.1f}"
            for x in (e.raw, e.decoded, e.refined)
        ]
        lines.append(
            f"{name:<22}{f'{e.found}/{e.pictures}':>9}{image:>8}"
            + "".join(f"{cell:>16}" for cell in cells)
        )
    total = report["all"]
    if total.below_raw is not None and total.refined is not None:
        lines.append(
            f"Refined {100 * total.below_raw['mpjpe']:.0f} % (MPJPE) and "
            f"{100 * total.below_raw['pa_mpjpe']:.0f} % (PA-MPJPE) below the raw landmarks'; 22 "
            f"joints of the mean body: {total.refined.joints_mpjpe} mm, PA "
            f"{total.refined.joints_pa_mpjpe} mm."
        )
    return "\n".join(lines)
