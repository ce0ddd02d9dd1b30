# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate pose`: poses from simulated landmarks of people never trained on, in mm."""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.errors import InvalidInput
from backend.model.configuration import HmvlmConfig
from backend.model.decoding import SamplingOptions
from backend.model.hmvlm import Hmvlm
from backend.model.loading import (
    ADAPTER_FOLDER,
    POSE_TOKENIZER_FOLDER,
    build_hmvlm,
    load_pose_tokenizer,
)
from backend.model.pose_decoding import offer_poses
from backend.model.vision_projector import landmark_features
from backend.motion.kinematics import forward_kinematics
from backend.tasks.requests import PoseParams
from backend.vision.landmark_body import NUM_SIZES, pose_landmarks
from backend.vision.orientation import without_azimuth
from backend.vision.pose_fitting import FittedPoses, fit_poses
from backend.vision.skeleton33 import BODY_LANDMARKS
from training.data.landmark_simulation import LandmarkBatch, LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.data.prepared import SPLITS, PreparedDataset

from .metrics.pose import mpjpe, pa_mpjpe

_CHUNK = 50


@dataclass(frozen=True)
class Errors:
    """Means over the people, mm. joints: the 22 SMPL joints of the mean body in camera axes, pelvis
    on pelvis, truth and pose alike, so that only rotations count; None for raw landmarks, which
    have no such joints. landmarks: nose, shoulders, elbows, wrists, hips, knees and ankles against
    those of the person's own body, the middle of the hips on the middle of the hips."""

    joints_mpjpe: float | None
    joints_pa_mpjpe: float | None
    landmarks_mpjpe: float
    landmarks_pa_mpjpe: float


@dataclass(frozen=True)
class PoseReport:
    """raw: BlazePose's (simulated) world landmarks; decoded: the model's pose, turned to the
    camera; refined: after the refine step. upright_degrees: between the true vertical and the one
    found; facing_degrees: of the pelvis's orientation in the camera's axes, refined; wrong_way: how
    many of the people are turned by more than 60 degrees. Where the simulation mixes up a person's
    sides, the landmarks look like one who faces the other way: those few weigh on every MPJPE."""

    raw: Errors
    decoded: Errors
    refined: Errors
    upright_degrees: float
    facing_degrees: float
    wrong_way: float
    people: int


def evaluate(
    model: Hmvlm, people: LandmarkBatch, *, samples: int = PoseParams.samples, seed: int = 0
) -> PoseReport:
    """As `hmvlm pose` would do it, on simulated people. Raises AssetError for a model without
    vision, InvalidInput for nobody."""
    if len(people) == 0:
        raise InvalidInput("There is nobody to evaluate on.")
    alpha = model.pose_alpha()
    parts = [_fit(model, people, rows, alpha, samples, seed) for rows in _chunks(len(people))]
    true = torch.from_numpy(people.rotations).double()
    decoded, refined = (torch.cat([p[k].cpu() for p in parts]) for k in ("decoded", "refined"))
    points = {
        k: np.concatenate([p[f"{k}_landmarks"].numpy() for p in parts])
        for k in ("decoded", "refined")
    }
    camera = torch.cat([p["camera"] for p in parts])
    up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    wanted_up = without_azimuth(torch.from_numpy(people.camera).double()) @ up
    turned = (refined[:, 0] * true[:, 0]).sum(dim=(1, 2))
    return PoseReport(
        raw=_errors(None, None, people.world, people.landmarks),
        decoded=_errors(decoded, true, points["decoded"], people.landmarks),
        refined=_errors(refined, true, points["refined"], people.landmarks),
        upright_degrees=_mean_degrees(((camera @ up) * wanted_up).sum(dim=-1)),
        facing_degrees=_mean_degrees((turned - 1) / 2),
        wrong_way=round(float(((turned - 1) / 2 < 0.5).float().mean()), 4),
        people=len(people),
    )


def _chunks(count: int) -> list[slice]:
    return [slice(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]


def _fit(
    model: Hmvlm, people: LandmarkBatch, rows: slice, alpha: Tensor, samples: int, seed: int
) -> dict[str, Tensor]:
    landmarks = [torch.from_numpy(x[rows]) for x in (people.image, people.visibility, people.world)]
    with torch.inference_mode():
        seen = landmark_features(*landmarks)
        states = model.pose_states(seen, alpha.expand(len(seen), -1))
        _, poses = offer_poses(model, states, SamplingOptions(), seed + rows.start, samples)
    fitted: FittedPoses = fit_poses(poses.clone(), *landmarks, lifted=model.lift(seen))
    turned = fitted.turned.rotations
    mean = pose_landmarks(turned, turned.new_zeros(len(turned), NUM_SIZES))
    return {
        "decoded": turned,
        "refined": fitted.final.rotations,
        "decoded_landmarks": mean,
        "refined_landmarks": fitted.final.landmarks(),
        "camera": fitted.camera,
    }


def _errors(
    made: Tensor | None, true: Tensor | None, points: np.ndarray, landmarks: np.ndarray
) -> Errors:
    joints = joints_pa = None
    if made is not None and true is not None:
        a, b = (
            forward_kinematics(x, x.new_zeros(len(x), 3))[0][:, :22].numpy() for x in (made, true)
        )
        joints, joints_pa = _mm(mpjpe(a, b)), _mm(pa_mpjpe(a, b))
    ours, theirs = (_about_the_hips(x.astype(np.float64)) for x in (points, landmarks))
    return Errors(
        joints, joints_pa, _mm(mpjpe(ours, theirs, root=None)), _mm(pa_mpjpe(ours, theirs))
    )


def _about_the_hips(points: np.ndarray) -> np.ndarray:
    """(B, 33, 3) -> (B, 13, 3) the body's landmarks."""
    return points[:, list(BODY_LANDMARKS)] - points[:, [23, 24]].mean(axis=1, keepdims=True)


def _mm(metres: np.ndarray) -> float:
    return round(1000 * float(metres.mean()), 1)


def _mean_degrees(cosines: Tensor) -> float:
    return round(float(torch.rad2deg(cosines.clamp(-1, 1).acos()).mean()), 2)


def load_run(run: Path) -> Hmvlm:
    """The model of a run of `hmvlm-train instruct`, or of exported weights that read pictures."""
    config = HmvlmConfig.load(run / ADAPTER_FOLDER)
    model = build_hmvlm(config)
    model.load_adapter(run / ADAPTER_FOLDER)
    model.seeing()
    model.pose_tokenizer = load_pose_tokenizer(run / POSE_TOKENIZER_FOLDER, config)
    return model.eval().requires_grad_(False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default test")
    parser.add_argument("--run", type=Path, required=True, help="run folder, or exported weights")
    parser.add_argument("--people", type=int, default=500, help="how many (default 500)")
    parser.add_argument(
        "--samples", type=int, default=PoseParams.samples, help="poses drawn for each"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    model = load_run(args.run)
    bank = PoseBank.from_prepared(PreparedDataset(args.data, args.split))
    people = LandmarkSimulator(bank).batch(args.seed, 0, args.people)
    report = evaluate(model, people, samples=args.samples, seed=args.seed)
    content = asdict(report)
    if args.out:
        args.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(content))
        return
    print(f"{'mm':<22}{'MPJPE':>8}{'PA-MPJPE':>10}   landmarks: {'MPJPE':>6}{'PA-MPJPE':>10}")
    rows = (
        ("raw landmarks", report.raw),
        ("the model's pose", report.decoded),
        ("after refine", report.refined),
    )
    for name, e in rows:
        own = ["-" if x is None else f"{x:.1f}" for x in (e.joints_mpjpe, e.joints_pa_mpjpe)]
        print(
            f"{name:<22}{own[0]:>8}{own[1]:>10}   {'':<11}{e.landmarks_mpjpe:>6.1f}"
            f"{e.landmarks_pa_mpjpe:>10.1f}"
        )
    print(
        f"{report.people} people simulated from the {args.split} split; joints of the mean body. "
        f"Vertical {report.upright_degrees:.1f} deg off, pelvis {report.facing_degrees:.1f} deg, "
        f"{100 * report.wrong_way:.1f} % turned the wrong way."
    )
