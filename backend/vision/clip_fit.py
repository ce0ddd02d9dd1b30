# SPDX-License-Identifier: Apache-2.0
"""One fit of a person's pose to the landmarks of all frames of a clip.

The objective of `refine`, frame by frame (image landmarks robustly, world landmarks weakly, the
model's poses as a prior), with what only a clip has: one body, one lens, and accelerations that
are human. Accelerations count robustly, so that the few hard stops of a clap or a step stay sharp
while the tremble of single frames goes. Levenberg-Marquardt; the frames' own curvatures are exact,
neighbours are coupled through `temporal`, and a step that does not lower the objective is not
taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..motion.joint_limits import clamp
from ..motion.kinematics import axis_angle_to_matrix, matrix_to_axis_angle
from .landmark_body import NUM_SIZES, differentiate_landmarks, pose_joints, pose_landmarks
from .skeleton33 import LEFT_HIP, NUM_LANDMARKS, RIGHT_HIP
from .temporal import FrameSystem, accelerations, solve

_TURNS = 66
_FRAME = _TURNS + 3  # and log scale, x and y of the pelvis
_FACE = 11
_CHUNK = 200  # frames whose derivatives are held at a time
# rad/s^2 of each joint when it is moved briskly; most frames show a third of it
_TRUNK, _HEAD, _LEG, _FOOT, _ARM, _HAND = 15.0, 25.0, 45.0, 70.0, 90.0, 90.0
_JOINT_ACCELERATION = (
    *(20.0, _LEG, _LEG, _TRUNK, _LEG, _LEG, _TRUNK, _FOOT, _FOOT, _TRUNK, _FOOT, _FOOT),
    *(_HEAD, _TRUNK, _TRUNK, _HEAD, _ARM, _ARM, _ARM, _ARM, _HAND, _HAND),
)


@dataclass(frozen=True)
class ClipFitSettings:
    """Standard deviations, as in RefineSettings where the names are the same.

    image: half sides of the square; hint_sideways, hint_depth: metres; lifted: of world landmarks
    whose errors are known, in these errors; prior, root: degrees, of the start; body, bones: log.
    acceleration: times a table of brisk accelerations of each joint; pelvis: m/s^2 sideways, and in
    depth. robust: deviations past which a landmark, heavy: past which an acceleration counts less
    and less.
    """

    image: float = 0.025
    face: float = 1.6
    hint_sideways: float = 0.3
    hint_depth: float = 0.8
    lifted: float = 2.0
    prior: float = 12.0
    root: float = 25.0
    body: float = 0.05
    bones: float = 0.04
    acceleration: float = 0.35
    pelvis: tuple[float, float] = (3.0, 2.0)
    robust: float = 3.0
    heavy: float = 2.0
    least_visibility: float = 0.05
    steps: int = 15
    tolerance: float = 1e-3


@dataclass(frozen=True)
class ClipFit:
    """rotations: (T, 22, 3, 3) local, the root's in camera axes; sizes: (NUM_SIZES,) logs, of the
    one body. scale: (T,) pixels a metre at the pelvis; shift: (T, 2) the pelvis, pixels from the
    middle of the picture; focal: pixels. before, after: the objective at the start and now.
    """

    rotations: Tensor
    sizes: Tensor
    scale: Tensor
    shift: Tensor
    focal: float
    before: float
    after: float

    def joints_in_image(self) -> Tensor:
        """(T, 22, 2) pixels from the middle of the picture."""
        return self._projected(pose_joints(self.rotations, self._sizes()))

    def landmarks_in_image(self) -> Tensor:
        """(T, 33, 2) pixels from the middle of the picture."""
        return self._projected(pose_landmarks(self.rotations, self._sizes()))

    def pelvis(self) -> Tensor:
        """(T, 3) metres in camera axes."""
        depth = self.focal / self.scale
        return torch.cat([self.shift / self.scale[:, None], depth[:, None]], dim=1)

    def _sizes(self) -> Tensor:
        return self.sizes.expand(len(self.rotations), -1)

    def _projected(self, points: Tensor) -> Tensor:
        camera = torch.cat([self.scale.log()[:, None], self.shift], dim=1)
        return _project(points, camera, self.focal)[0]


@dataclass(frozen=True)
class _State:
    rotations: Tensor
    camera: Tensor  # (T, 3) log scale, shift
    sizes: Tensor  # (NUM_SIZES,)

    def moved(self, frames: Tensor, sizes: Tensor) -> "_State":
        turn = axis_angle_to_matrix(frames[:, :_TURNS].unflatten(1, (22, 3)))
        return _State(
            clamp(self.rotations @ turn), self.camera + frames[:, _TURNS:], self.sizes + sizes
        )


@torch.no_grad()
def fit_clip(
    start: Tensor,
    image: Tensor,
    visibility: Tensor,
    world: Tensor,
    half: Tensor,
    focal: float,
    fps: float,
    settings: ClipFitSettings | None = None,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
    spread: Tensor | None = None,
) -> ClipFit:
    """Rotations (T, 22, 3, 3) with the root's in camera axes, image landmarks (T, 33, 2) pixels
    from the middle of the picture, visibility (T, 33; 0 in frames without a person), world
    landmarks (T, 33, 3) metres, half side of the person's square (T,) pixels -> one fit of all.

    on_step(done, steps) may raise to end it. spread: (T, 33, 3) metres, how far off the world
    landmarks are; they are then trusted by it, and not by visibility. float64, on the CPU. Raises
    ValueError for numbers that are not finite.
    """
    s = settings or ClipFitSettings()
    given = [x.detach().cpu().double() for x in (start, image, visibility, world, half)]
    if spread is not None:
        given.append(spread.detach().cpu().double())
    if not all(bool(torch.isfinite(x).all()) for x in given):
        raise ValueError("the landmarks or the start hold numbers that are not finite")
    problem = _Clip(*given, focal=focal, fps=fps, settings=s)
    state = problem.first()
    cost = before = problem.objective(state)
    damping = 1e-3
    for done in range(s.steps):
        on_step(done, s.steps)
        frames, sizes = solve(problem.linearise(state), damping)
        # a turn of more than a third of a right angle leaves what the derivatives know
        frames[:, :_TURNS] = frames[:, :_TURNS].clamp(-0.5, 0.5)
        tried = state.moved(frames, sizes)
        new_cost = problem.objective(tried)
        if new_cost >= cost:
            damping *= 10
            continue
        gained = (cost - new_cost) / max(cost, 1e-9)
        state, cost, damping = tried, new_cost, max(damping / 5, 1e-6)
        if gained < s.tolerance:
            break
    return ClipFit(
        rotations=state.rotations,
        sizes=state.sizes,
        scale=state.camera[:, 0].exp(),
        shift=state.camera[:, 1:],
        focal=focal,
        before=before,
        after=cost,
    )


def _project(points: Tensor, camera: Tensor, focal: float) -> tuple[Tensor, Tensor, Tensor]:
    """Points (T, K, 3) metres from the pelvis, camera axes -> pixels (T, K, 2), how much nearer
    than the pelvis each is (T, K, 1), and 1 / the pelvis' distance (T, 1, 1)."""
    size = camera[:, 0].exp()[:, None, None]
    k = size / focal
    nearer = 1 / (1 + k * points[..., 2:]).clamp_min(0.2)
    return (size * points[..., :2] + camera[:, None, 1:]) * nearer, nearer, k


class _Clip:
    """The objective of a clip and its Gauss-Newton model."""

    def __init__(
        self,
        start: Tensor,
        image: Tensor,
        visibility: Tensor,
        world: Tensor,
        half: Tensor,
        spread: Tensor | None = None,
        *,
        focal: float,
        fps: float,
        settings: ClipFitSettings,
    ) -> None:
        s = self.settings = settings
        self.start, self.image, self.half = clamp(start), image, half[:, None, None]
        self.focal = focal
        hips = world[:, [LEFT_HIP, RIGHT_HIP]].mean(dim=1, keepdim=True)
        self.world = world - hips
        there = (visibility.amax(dim=1, keepdim=True) > 0).to(image.dtype)
        trust = (visibility.clamp(0, 1) ** 2).clamp_min(s.least_visibility**2) * there
        less = torch.ones(NUM_LANDMARKS, dtype=image.dtype)
        less[:_FACE] = s.face
        self.image_precision = trust / (s.image * less) ** 2
        if spread is None:
            deviation = image.new_tensor([s.hint_sideways, s.hint_sideways, s.hint_depth])
            self.hint_precision = (trust / less**2)[..., None] / deviation**2
        else:
            known = 1 / (s.lifted * spread * less[:, None]) ** 2
            self.hint_precision = there[..., None] * known
        turns = torch.full((22, 3), s.prior, dtype=image.dtype)
        turns[0] = s.root
        self.turn_precision = 1 / torch.deg2rad(turns).flatten() ** 2
        sizes = torch.full((NUM_SIZES,), s.bones, dtype=image.dtype)
        sizes[0] = s.body
        self.size_precision = 1 / sizes**2
        self.fps = fps

    def first(self) -> _State:
        """The start, the mean body, and in each frame the place where it fits the landmarks."""
        points = pose_landmarks(self.start, self.start.new_zeros(len(self.start), NUM_SIZES))
        weight = (self.image_precision + 1e-9)[..., None]
        weight = weight / weight.sum(dim=1, keepdim=True)
        flat = points[..., :2]
        middle, target = ((weight * x).sum(dim=1, keepdim=True) for x in (flat, self.image))
        spread = ((weight * (self.image - target) ** 2).sum(dim=(1, 2))).sqrt()
        scale = spread / (weight * (flat - middle) ** 2).sum(dim=(1, 2)).sqrt().clamp_min(1e-6)
        scale = scale.clamp_min(1e-3)
        shift = (target - scale[:, None, None] * middle)[:, 0]
        camera = torch.cat([scale.log()[:, None], shift], dim=1)
        self.acceleration_deviation = self._deviations(scale)
        return _State(self.start, camera, self.start.new_zeros(NUM_SIZES))

    def _deviations(self, scale: Tensor) -> Tensor:
        """(69,) standard deviation of each number's second difference from frame to frame."""
        s, frame = self.settings, 1 / self.fps**2
        turns = self.start.new_tensor(_JOINT_ACCELERATION) * s.acceleration
        usual = scale.median()
        sideways, depth = s.pelvis
        camera = torch.stack(
            [depth * usual / self.focal, sideways * usual, sideways * usual]
        )  # d log(scale) is -d depth / depth
        return torch.cat([turns.repeat_interleave(3), camera]) * frame

    def _second_differences(self, state: _State) -> Tensor:
        """(T - 2, 69)"""
        turn = state.rotations[:-1].transpose(-1, -2) @ state.rotations[1:]
        speed = matrix_to_axis_angle(turn).flatten(1)
        return torch.cat([torch.diff(speed, dim=0), accelerations(state.camera)], dim=1)

    def _heaviness(self, jerky: Tensor) -> Tensor:
        """(T - 2, 69) second differences over their deviations -> the mean square of each joint's
        three numbers, three times, and the square of each camera number."""
        joints = (jerky[:, :_TURNS] ** 2).unflatten(1, (22, 3)).sum(-1).repeat_interleave(3, dim=1)
        return torch.cat([joints / 3, jerky[:, _TURNS:] ** 2], dim=1)

    def objective(self, state: _State) -> float:
        """Half the sum of squares, robust for landmarks and accelerations."""
        c2, h2 = self.settings.robust**2, self.settings.heavy**2
        sizes = state.sizes.expand(len(self.start), -1)
        points = pose_landmarks(state.rotations, sizes)
        off_image, off_hint = self._errors(points, state.camera)
        total = c2 * (torch.log1p(off_image / c2) + torch.log1p(off_hint / c2)).sum()
        total = total + (self._turned(state) ** 2 * self.turn_precision).sum()
        total = total + (state.sizes**2 * self.size_precision).sum()
        squares = self._heaviness(self._second_differences(state) / self.acceleration_deviation)
        total = total + h2 * torch.log1p(squares / h2).sum()
        return float(total / 2)

    def linearise(self, state: _State) -> FrameSystem:
        """The Gauss-Newton system at a state."""
        count = len(self.start)
        gradient = self.image.new_zeros(count, _FRAME)
        curvature = self.image.new_zeros(count, _FRAME, _FRAME)
        cross = self.image.new_zeros(count, _FRAME, NUM_SIZES)
        size_gradient = self.size_precision * state.sizes
        size_curvature = torch.diag(self.size_precision)
        for begin in range(0, count, _CHUNK):
            rows = slice(begin, begin + _CHUNK)
            slope, bend = self._landmark_terms(state, rows)
            gradient[rows] = slope[:, :_FRAME]
            curvature[rows] = bend[:, :_FRAME, :_FRAME]
            cross[rows] = bend[:, :_FRAME, _FRAME:]
            size_gradient = size_gradient + slope[:, _FRAME:].sum(dim=0)
            size_curvature = size_curvature + bend[:, _FRAME:, _FRAME:].sum(dim=0)
        gradient[:, :_TURNS] += self.turn_precision * self._turned(state)
        curvature[:, :_TURNS, :_TURNS] += torch.diag(self.turn_precision)
        jerky = self._second_differences(state)
        squares = self._heaviness(jerky / self.acceleration_deviation)
        weight = 1 / (1 + squares / self.settings.heavy**2) / self.acceleration_deviation**2
        return FrameSystem(gradient, curvature, cross, size_gradient, size_curvature, weight, jerky)

    def _landmark_terms(self, state: _State, rows: slice) -> tuple[Tensor, Tensor]:
        """Gradient (b, 77) and curvature (b, 77, 77): a frame's 69 numbers, then the sizes."""
        rotations, camera = state.rotations[rows], state.camera[rows]
        posed = differentiate_landmarks(rotations, state.sizes.expand(len(rotations), -1))
        points, half = posed.points, self.half[rows]
        by_pose = torch.cat([posed.by_turn.flatten(3), posed.by_size], dim=-1)
        flat, nearer, k = _project(points, camera, self.focal)
        size = camera[:, 0].exp()[:, None, None]
        by_point = size[..., None] * nearer[..., None] * by_pose[:, :, :2]
        by_point = by_point - (flat * k * nearer)[..., None] * by_pose[:, :, 2:]
        one = nearer[..., 0]
        zero = torch.zeros_like(one)
        by_camera = torch.stack(
            [
                (size * points[..., :2] - flat * k * points[..., 2:]) * nearer,
                torch.stack([one, zero], dim=-1),
                torch.stack([zero, one], dim=-1),
            ],
            dim=-1,
        )
        jacobian = torch.cat([by_point[..., :_TURNS], by_camera, by_point[..., _TURNS:]], dim=-1)
        off_image, off_hint = self._errors(points, camera, rows)
        c2 = self.settings.robust**2
        weight = (self.image_precision[rows] / (1 + off_image / c2))[..., None].expand(-1, -1, 2)
        slope, bend = _normal(jacobian / half[..., None], (flat - self.image[rows]) / half, weight)
        hips = [LEFT_HIP, RIGHT_HIP]
        centred = by_pose - by_pose[:, hips].mean(dim=1, keepdim=True)
        still = torch.zeros_like(centred[..., :3])
        centred = torch.cat([centred[..., :_TURNS], still, centred[..., _TURNS:]], dim=-1)
        off = points - points[:, hips].mean(dim=1, keepdim=True) - self.world[rows]
        weight = self.hint_precision[rows] / (1 + off_hint / c2)[..., None]
        more, bent = _normal(centred, off, weight)
        return slope + more, bend + bent

    def _turned(self, state: _State) -> Tensor:
        """(T, 66) radians from the start."""
        return matrix_to_axis_angle(self.start.transpose(-1, -2) @ state.rotations).flatten(1)

    def _errors(
        self, points: Tensor, camera: Tensor, rows: slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        """Squared errors over their variances, (b, 33) in the image and of the world landmarks."""
        off = (_project(points, camera, self.focal)[0] - self.image[rows]) / self.half[rows]
        off_image = (off**2).sum(dim=-1) * self.image_precision[rows]
        centred = points - points[:, [LEFT_HIP, RIGHT_HIP]].mean(dim=1, keepdim=True)
        off_hint = (centred - self.world[rows]) ** 2 * self.hint_precision[rows]
        return off_image, off_hint.sum(dim=-1)


def _normal(jacobian: Tensor, residual: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 33, X, D), (B, 33, X), (B, 33, X) -> gradient (B, D) and curvature (B, D, D)."""
    j = jacobian.flatten(1, 2)
    weighted = j * weight.flatten(1, 2)[..., None]
    return (weighted * residual.flatten(1, 2)[..., None]).sum(dim=1), j.transpose(1, 2) @ weighted
