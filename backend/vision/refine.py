# SPDX-License-Identifier: Apache-2.0
"""Fits SMPL rotations to BlazePose landmarks, starting from the model's pose.

The image landmarks are right, BlazePose's depth is not, and what the model says of the pose lies
in between. So rotations, body sizes and a camera are moved until the projected landmarks meet the
image's (robustly, by visibility), while world landmarks pull weakly, rotations are held near the
start, and joints never leave human limits. Levenberg-Marquardt with exact derivatives, batched,
each pose with its own damping; steps that do not lower the objective are not taken, so the result
is never worse by it than the start.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..motion.joint_limits import clamp
from ..motion.kinematics import axis_angle_to_matrix, matrix_to_axis_angle
from .landmark_body import NUM_SIZES, differentiate_landmarks, pose_joints, pose_landmarks
from .skeleton33 import LEFT_HIP, NUM_LANDMARKS, RIGHT_HIP

_TURNS = 66  # 22 joints x 3
_CAMERA = 4  # log scale, x and y of the pelvis, perspective
_JOINTS = 22
_FACE = 11  # the first landmarks are the face's


@dataclass(frozen=True)
class RefineSettings:
    """How far each thing is trusted: standard deviations, and the solver's patience.

    image: of a seen landmark, in half sides of the square; face: times as much for the eleven
    points of the face, which say the same. hint: metres, of world landmarks sideways and in depth;
    lifted: of landmarks whose errors are known, in these errors.
    prior, root: degrees, of the start's joints and of its root.
    body, bones: log, of the height and of each bone group. perspective: mean and deviation of
    1 / distance (1/m). robust: standard deviations past which a landmark counts less and less.
    """

    image: float = 0.025
    face: float = 1.6
    hint_sideways: float = 0.25
    hint_depth: float = 0.6
    lifted: float = 2.0
    prior: float = 10.0
    root: float = 15.0
    body: float = 0.05
    bones: float = 0.04
    perspective: tuple[float, float] = (0.25, 0.15)
    robust: float = 3.0
    least_visibility: float = 0.05
    steps: int = 20
    tolerance: float = 1e-4


@dataclass(frozen=True)
class RefineResult:
    """B fitted poses.

    rotations: (B, 22, 3, 3) local, the root's in camera axes (x right, y down, z away), every
    joint within its limits. sizes: (B, NUM_SIZES) logs, see `landmark_body`. scale: (B,) half sides
    a metre, at the pelvis; shift: (B, 2) the pelvis in the square; perspective: (B,) 1 / distance.
    before, after: (B,) the objective at the start (held to the limits) and now.
    """

    rotations: Tensor
    sizes: Tensor
    scale: Tensor
    shift: Tensor
    perspective: Tensor
    before: Tensor
    after: Tensor

    def landmarks(self) -> Tensor:
        """(B, 33, 3) metres, camera axes, the middle of the hips at the origin."""
        points = pose_landmarks(self.rotations, self.sizes)
        return points - points[:, [LEFT_HIP, RIGHT_HIP]].mean(dim=1, keepdim=True)

    def joints_in_image(self) -> Tensor:
        """(B, 22, 2) the body's joints in the person's square, -1 to 1."""
        return self._projected(pose_joints(self.rotations, self.sizes))

    def landmarks_in_image(self) -> Tensor:
        """(B, 33, 2) the body's landmarks in the person's square, -1 to 1."""
        return self._projected(pose_landmarks(self.rotations, self.sizes))

    def _projected(self, points: Tensor) -> Tensor:
        nearer = (1 + self.perspective[:, None, None] * points[..., 2:]).clamp_min(0.2)
        return self.scale[:, None, None] * points[..., :2] / nearer + self.shift[:, None]


@dataclass(frozen=True)
class _Fit:
    """What is moved: rotations (B, 22, 3, 3), sizes (B, NUM_SIZES), camera (B, 4)."""

    rotations: Tensor
    sizes: Tensor
    camera: Tensor

    def moved(self, step: Tensor) -> "_Fit":
        turn = axis_angle_to_matrix(step[:, :_TURNS].unflatten(1, (_JOINTS, 3)))
        sizes = self.sizes + step[:, _TURNS : _TURNS + NUM_SIZES]
        camera = self.camera + step[:, _TURNS + NUM_SIZES :]
        perspective = camera[:, 3:].clamp(0.0, 0.8)
        return _Fit(
            clamp(self.rotations @ turn), sizes, torch.cat([camera[:, :3], perspective], dim=1)
        )

    def where(self, take: Tensor, other: "_Fit") -> "_Fit":
        """`other` where `take` (B,), else this."""
        return _Fit(
            torch.where(take[:, None, None, None], other.rotations, self.rotations),
            torch.where(take[:, None], other.sizes, self.sizes),
            torch.where(take[:, None], other.camera, self.camera),
        )


@torch.no_grad()
def refine(
    rotations: Tensor,
    image: Tensor,
    visibility: Tensor,
    world: Tensor | None = None,
    settings: RefineSettings | None = None,
    spread: Tensor | None = None,
) -> RefineResult:
    """Rotations (B, 22, 3, 3) with the root's in camera axes, image landmarks (B, 33, 2) in the
    person's square (-1 to 1), visibility (B, 33), world landmarks (B, 33, 3) metres or None ->
    rotations that meet the landmarks. Computed in float64 on the CPU, given back as they came.

    spread: (B, 33, 3) metres, how far off the world landmarks are (see LandmarkLifter); they are
    then trusted by it, and not by visibility.

    Raises ValueError for other shapes and for numbers that are not finite.
    """
    s = settings or RefineSettings()
    count = len(rotations)
    shapes = {"rotations": (count, _JOINTS, 3, 3), "image": (count, NUM_LANDMARKS, 2)}
    given = {"rotations": rotations, "image": image, "visibility": visibility}
    shapes["visibility"] = (count, NUM_LANDMARKS)
    if world is not None:
        given["world"], shapes["world"] = world, (count, NUM_LANDMARKS, 3)
    if spread is not None:
        given["spread"], shapes["spread"] = spread, (count, NUM_LANDMARKS, 3)
    for name, value in given.items():
        if tuple(value.shape) != shapes[name]:
            raise ValueError(f"{name} must be {shapes[name]}, got {tuple(value.shape)}")
        if not torch.isfinite(value).all():
            raise ValueError(f"{name} holds numbers that are not finite")
    problem = _Problem(
        start=clamp(rotations.detach().cpu().double()),
        image=image.detach().cpu().double(),
        visibility=visibility.detach().cpu().double(),
        world=None if world is None else world.detach().cpu().double(),
        settings=s,
        spread=None if spread is None else spread.detach().cpu().double(),
    )
    fit, before, after = _solve(problem, s)
    like = {"dtype": rotations.dtype, "device": rotations.device}
    return RefineResult(
        rotations=fit.rotations.to(**like),
        sizes=fit.sizes.to(**like),
        scale=fit.camera[:, 0].exp().to(**like),
        shift=fit.camera[:, 1:3].to(**like),
        perspective=fit.camera[:, 3].to(**like),
        before=before.to(**like),
        after=after.to(**like),
    )


def _solve(problem: "_Problem", s: RefineSettings) -> tuple[_Fit, Tensor, Tensor]:
    fit = problem.first_fit()
    cost = problem.objective(fit)
    before = cost
    damping = torch.full_like(cost, 1e-2)
    for _ in range(s.steps):
        gradient, curvature = problem.linearise(fit)
        diagonal = torch.diagonal(curvature, dim1=1, dim2=2)
        damped = curvature + torch.diag_embed(damping[:, None] * diagonal)
        factor = torch.linalg.cholesky(damped)
        step = -torch.cholesky_solve(gradient[..., None], factor)[..., 0]
        # a turn of more than a third of a right angle leaves what the derivatives know
        longest = step[:, :_TURNS].abs().amax(dim=1, keepdim=True)
        step = step * (0.5 / longest.clamp_min(0.5))
        tried = fit.moved(step)
        new_cost = problem.objective(tried)
        better = new_cost < cost
        fit = fit.where(better, tried)
        gained = ((cost - new_cost) / cost.clamp_min(1e-9))[better]
        cost = torch.where(better, new_cost, cost)
        damping = torch.where(better, damping / 3, damping * 4).clamp(1e-6, 1e6)
        if bool(better.all()) and bool((gained < s.tolerance).all()):
            break
    return fit, before, cost


class _Problem:
    """The objective of a batch, and its Gauss-Newton model."""

    def __init__(
        self,
        start: Tensor,
        image: Tensor,
        visibility: Tensor,
        world: Tensor | None,
        settings: RefineSettings,
        spread: Tensor | None = None,
    ) -> None:
        s = self.settings = settings
        self.start, self.image = start, image
        trust = (visibility.clamp(0, 1) ** 2).clamp_min(s.least_visibility**2)
        less = torch.ones(NUM_LANDMARKS, dtype=start.dtype)
        less[:_FACE] = s.face
        self.image_precision = trust / (s.image * less) ** 2  # (B, 33)
        if spread is None:
            deviation = start.new_tensor([s.hint_sideways, s.hint_sideways, s.hint_depth])
            self.hint_precision = trust[..., None] / (deviation * less[:, None]) ** 2
        else:
            self.hint_precision = 1 / (s.lifted * spread * less[:, None]) ** 2
        self.world = None
        if world is not None:
            self.world = world - world[:, [LEFT_HIP, RIGHT_HIP]].mean(dim=1, keepdim=True)
        turns = torch.full((_JOINTS, 3), s.prior, dtype=start.dtype)
        turns[0] = s.root
        self.turn_precision = 1 / torch.deg2rad(turns) ** 2
        sizes = torch.full((NUM_SIZES,), s.bones, dtype=start.dtype)
        sizes[0] = s.body
        self.size_precision = 1 / sizes**2

    def first_fit(self) -> _Fit:
        """The start with the mean body and the camera that suits it best."""
        sizes = self.start.new_zeros(len(self.start), NUM_SIZES)
        k = self.settings.perspective[0]
        points = pose_landmarks(self.start, sizes)
        flat = points[..., :2] / (1 + k * points[..., 2:]).clamp_min(0.2)
        weight = self.image_precision[..., None]
        weight = weight / weight.sum(dim=1, keepdim=True)
        middle, target = ((weight * x).sum(dim=1, keepdim=True) for x in (flat, self.image))
        a, b = flat - middle, self.image - target
        scale = (weight * a * b).sum(dim=(1, 2)) / (weight * a * a).sum(dim=(1, 2)).clamp_min(1e-9)
        # a start turned the wrong way round would ask for a mirror image
        spread = ((weight * b * b).sum(dim=(1, 2)) / (weight * a * a).sum(dim=(1, 2))).sqrt()
        scale = torch.maximum(scale, 0.5 * spread).clamp_min(1e-3)
        shift = (target - scale[:, None, None] * middle)[:, 0]
        camera = torch.cat([scale.log()[:, None], shift, torch.full_like(shift[:, :1], k)], dim=1)
        return _Fit(self.start, sizes, camera)

    def objective(self, fit: _Fit) -> Tensor:
        """(B,) half the sum of squares, robust for landmarks."""
        points = pose_landmarks(fit.rotations, fit.sizes)
        off_image, off_hint = self._landmark_errors(points, fit.camera)
        c2 = self.settings.robust**2
        total = c2 * torch.log1p(off_image / c2).sum(dim=1)
        if off_hint is not None:
            total = total + c2 * torch.log1p(off_hint / c2).sum(dim=1)
        turned = self._turned(fit)
        total = total + (turned**2 * self.turn_precision).sum(dim=(1, 2))
        total = total + (fit.sizes**2 * self.size_precision).sum(dim=1)
        mean, spread = self.settings.perspective
        return (total + ((fit.camera[:, 3] - mean) / spread) ** 2) / 2

    def linearise(self, fit: _Fit) -> tuple[Tensor, Tensor]:
        """Gradient (B, D) and Gauss-Newton curvature (B, D, D), D = 66 + NUM_SIZES + 4."""
        posed = differentiate_landmarks(fit.rotations, fit.sizes)
        by_pose = torch.cat([posed.by_turn.flatten(3), posed.by_size], dim=-1)  # (B, 33, 3, D - 4)
        off_image, off_hint = self._landmark_errors(posed.points, fit.camera)
        c2 = self.settings.robust**2
        x, jacobian = self._project(posed.points, fit.camera, by_pose)
        weight = (self.image_precision / (1 + off_image / c2))[..., None].expand(-1, -1, 2)
        gradient, curvature = _normal(jacobian, x - self.image, weight)
        if self.world is not None and off_hint is not None:
            hips = [LEFT_HIP, RIGHT_HIP]
            centred = by_pose - by_pose[:, hips].mean(dim=1, keepdim=True)
            points = posed.points - posed.points[:, hips].mean(dim=1, keepdim=True)
            weight = self.hint_precision / (1 + off_hint / c2)[..., None]
            more, bend = _normal(centred, points - self.world, weight)
            gradient[:, :-_CAMERA] += more
            curvature[:, :-_CAMERA, :-_CAMERA] += bend
        mean, spread = self.settings.perspective
        precision = torch.cat([self.turn_precision.flatten(), self.size_precision])
        pulled = torch.cat([self._turned(fit).flatten(1), fit.sizes], dim=1)
        gradient[:, :-_CAMERA] += precision * pulled
        gradient[:, -1] += (fit.camera[:, 3] - mean) / spread**2
        diagonal = torch.cat([precision, precision.new_tensor([1e-6, 1e-6, 1e-6, spread**-2])])
        return gradient, curvature + torch.diag(diagonal)

    def _turned(self, fit: _Fit) -> Tensor:
        """(B, 22, 3) radians from the start, about each joint's own axes."""
        return matrix_to_axis_angle(self.start.transpose(-1, -2) @ fit.rotations)

    def _project(self, points: Tensor, camera: Tensor, by_pose: Tensor) -> tuple[Tensor, Tensor]:
        """-> image points (B, 33, 2) and their derivatives (B, 33, 2, D)."""
        size, k = camera[:, 0].exp()[:, None, None], camera[:, 3][:, None, None]
        nearer = 1 / (1 + k * points[..., 2:]).clamp_min(0.2)
        flat = size * points[..., :2] * nearer
        by_point = size[..., None] * nearer[..., None] * by_pose[:, :, :2]
        by_point = by_point - (flat * k * nearer)[..., None] * by_pose[:, :, 2:]
        one = torch.ones_like(flat[..., 0])
        zero = torch.zeros_like(one)
        columns = [
            flat,
            torch.stack([one, zero], dim=-1),
            torch.stack([zero, one], dim=-1),
            -flat * points[..., 2:] * nearer,
        ]
        by_camera = torch.stack(columns, dim=-1)
        return flat + camera[:, None, 1:3], torch.cat([by_point, by_camera], dim=-1)

    def _landmark_errors(self, points: Tensor, camera: Tensor) -> tuple[Tensor, Tensor | None]:
        """Squared errors over their variances, (B, 33) in the image and of the world landmarks."""
        size, k = camera[:, 0].exp()[:, None, None], camera[:, 3][:, None, None]
        flat = size * points[..., :2] / (1 + k * points[..., 2:]).clamp_min(0.2)
        off = flat + camera[:, None, 1:3] - self.image
        off_image = (off**2).sum(dim=-1) * self.image_precision
        if self.world is None:
            return off_image, None
        centred = points - points[:, [LEFT_HIP, RIGHT_HIP]].mean(dim=1, keepdim=True)
        return off_image, ((centred - self.world) ** 2 * self.hint_precision).sum(dim=-1)


def _normal(jacobian: Tensor, residual: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 33, X, D), (B, 33, X), (B, 33, X) -> gradient (B, D) and curvature (B, D, D)."""
    j = jacobian.flatten(1, 2)
    weighted = j * weight.flatten(1, 2)[..., None]
    gradient = (weighted * residual.flatten(1, 2)[..., None]).sum(dim=1)
    return gradient, j.transpose(1, 2) @ weighted
