# SPDX-License-Identifier: Apache-2.0
"""Linear systems of frames that are coupled through their second differences.

Letters: T frames, D numbers a frame, Z numbers that all frames share.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FrameSystem:
    """A Gauss-Newton model: half x'Hx + g'x of the frames' own terms, plus half the weighted
    squares of second differences.

    gradient: (T, D); curvature: (T, D, D); cross: (T, D, Z) between a frame and the shared;
    shared_gradient: (Z,); shared_curvature: (Z, Z). weight, jerky: (T - 2, D) of the second
    differences, and what they are now.
    """

    gradient: Tensor
    curvature: Tensor
    cross: Tensor
    shared_gradient: Tensor
    shared_curvature: Tensor
    weight: Tensor
    jerky: Tensor


def accelerations(x: Tensor) -> Tensor:
    """(T, D) -> (T - 2, D) second differences; none of fewer than three frames."""
    return torch.diff(x, n=2, dim=0) if len(x) > 2 else x[:0]


def spread_back(a: Tensor, frames: int) -> Tensor:
    """The transpose of `accelerations`: (T - 2, D) -> (T, D)."""
    out = a.new_zeros(frames, a.shape[1])
    if len(a):
        out[:-2] += a
        out[1:-1] -= 2 * a
        out[2:] += a
    return out


def solve(
    system: FrameSystem, damping: float, rounds: int = 80, tolerance: float = 1e-3
) -> tuple[Tensor, Tensor]:
    """-> the step (T, D) and (Z,) to the minimum, each curvature's diagonal raised by `damping`.

    Conjugate gradients, preconditioned by the frames' own curvatures.
    """
    frames = len(system.gradient)
    diagonal = torch.diagonal(system.curvature, dim1=1, dim2=2)
    own = system.curvature + torch.diag_embed(damping * diagonal)
    shared = system.shared_curvature * (
        1 + damping * torch.eye(len(system.shared_curvature), dtype=own.dtype)
    )
    bound = _diagonal_of_squares(system.weight, frames)
    # a frame that shows nobody is held by its neighbours alone
    factor = torch.linalg.cholesky(own + torch.diag_embed(bound + 1e-9))
    shared_factor = torch.linalg.cholesky(shared)

    def times(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        y = (own @ x[..., None])[..., 0] + system.cross @ z
        y = y + spread_back(system.weight * accelerations(x), frames)
        return y, torch.einsum("tdz,td->z", system.cross, x) + shared @ z

    def preconditioned(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.cholesky_solve(x[..., None], factor)[..., 0]
        return y, torch.cholesky_solve(z[:, None], shared_factor)[:, 0]

    rest = -(system.gradient + spread_back(system.weight * system.jerky, frames))
    rest_shared = -system.shared_gradient
    x, z = torch.zeros_like(rest), torch.zeros_like(rest_shared)
    y, w = preconditioned(rest, rest_shared)
    way, way_shared = y, w
    power = first = (rest * y).sum() + (rest_shared * w).sum()
    for _ in range(rounds):
        if float(power) <= tolerance**2 * float(first):
            break
        moved, moved_shared = times(way, way_shared)
        length = power / ((way * moved).sum() + (way_shared * moved_shared).sum())
        x, z = x + length * way, z + length * way_shared
        rest, rest_shared = rest - length * moved, rest_shared - length * moved_shared
        y, w = preconditioned(rest, rest_shared)
        before, power = power, (rest * y).sum() + (rest_shared * w).sum()
        way, way_shared = y + power / before * way, w + power / before * way_shared
    return x, z


def _diagonal_of_squares(weight: Tensor, frames: int) -> Tensor:
    """(T - 2, D) weights of second differences -> (T, D) the diagonal of their curvature."""
    out = weight.new_zeros(frames, weight.shape[1])
    if len(weight):
        out[:-2] += weight
        out[1:-1] += 4 * weight
        out[2:] += weight
    return out
