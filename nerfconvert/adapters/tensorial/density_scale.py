"""The scale of raw density, and its fit to points between vertices by least squares.

The scale is that of optical depth across a voxel where it matters and logarithmic at both ends.
What is thin depends on what lies around it: beside a solid a depth of 0.2 is the rim of a surface,
in smoke it is the smoke.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .lattice import Lattice

THIN, SOLID = 0.2, 1.0  # optical depths of a voxel between which its raw density is linear
OUTSIDE, DEEPEST = -1.6, 8.0  # bounds of raw density, as optical depths
AROUND = 2  # voxels that the rim of a surface is wide
LEAST_AROUND = 0.01  # of `around`: below that nothing shows
TETHER = 0.3  # weight of a vertex's own sample beside the points around it
ITERATIONS = 8  # of conjugate gradients


def soft(depth: Tensor, around: Tensor) -> Tensor:
    """Optical depth on the scale of raw density: d between THIN * around and SOLID, logarithms
    beyond; `around` is the `densest_around` of each."""
    depth, thin = depth.clamp_min(1e-8), THIN * around
    low = thin * (1 + (depth / thin).log())
    high = SOLID * (1 + (depth / SOLID).log())
    soft = torch.where(depth < thin, low, torch.where(depth > SOLID, high, depth))
    return torch.maximum(soft, OUTSIDE * around).clamp(max=DEEPEST)


def densest_around(lattice: Lattice, depth: Tensor) -> Tensor:
    """The highest optical `depth` [V] of each vertex and those up to `AROUND` beside it,
    `LEAST_AROUND` to SOLID."""
    around = depth.clamp(LEAST_AROUND, SOLID)
    for axis in (0, 1, 2) * AROUND:
        beside = torch.zeros(3, device=depth.device)
        beside[axis] = 1.0
        sides = [
            lattice.look_up(around[:, None], lattice.vertices + side)[:, 0]
            for side in (beside, -beside)
        ]
        around = torch.stack([around, *sides]).amax(0)
    return around


def fit_density(
    lattice: Lattice,
    raw: Tensor,
    points: Tensor,
    wanted: Tensor,
    outside: Tensor,
    late: Callable[[], bool],
) -> Tensor:
    """`raw` density [V], moved so that it is `wanted` [N] between vertices, at `points` [N, 3];
    nearly so where it gets `late`. Lower than `outside` [N] is as good as `outside`."""
    column = raw[:, None].clone().requires_grad_()
    with torch.enable_grad():
        at_points = lattice.look_up(column, points)[:, 0]
    error = wanted - at_points.detach()
    # what lies beyond the bounds already is as good as at them
    beyond = ((wanted >= DEEPEST) & (error < 0)) | ((wanted <= outside) & (error > 0))
    counts = (~beyond).to(raw.dtype)

    def spread(values: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(at_points, column, values, retain_graph=True)
        return gradient[:, 0]

    def apply(direction: Tensor) -> Tensor:
        return spread(counts * lattice.look_up(direction[:, None], points)[:, 0]) + (
            TETHER * direction
        )

    return raw + _conjugate_gradients(apply, spread(counts * error), late)


def _conjugate_gradients(
    apply: Callable[[Tensor], Tensor], right: Tensor, late: Callable[[], bool]
) -> Tensor:
    """x [V] with apply(x) = right, nearly; `apply` is symmetric and positive."""
    solution, residual, direction = torch.zeros_like(right), right.clone(), right
    square = residual @ residual
    for _ in range(ITERATIONS):
        if square < 1e-20 or late():
            break
        applied = apply(direction)
        rate = square / (direction @ applied)
        solution += rate * direction
        residual -= rate * applied
        before, square = square, residual @ residual
        direction = residual + square / before * direction
    return solution
