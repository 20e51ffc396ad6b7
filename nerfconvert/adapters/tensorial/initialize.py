"""Sparse voxels from a teacher in closed form, no gradient step.

Density: the teacher's optical depth across a voxel, put on a scale that is linear where it matters
and logarithmic at both ends, is sampled at the vertices and then fitted by least squares to
points between them. Below zero that scale goes on, so that interpolation finds a surface between
two vertices and relu cuts it off there. Color: harmonics by least squares over directions.
"""

from __future__ import annotations

import logging
from typing import Literal

import torch
from torch import Tensor

from ...kernels.spherical_harmonics import spherical_harmonics
from ...volume import Aabb, RadianceField, Visibility
from ..harmonics import SEEN, fit_harmonics, seen_colors
from .lattice import Lattice

log = logging.getLogger(__name__)

MAX_VOXELS = 1 << 23  # 0.9 GB of parameters
BATCH = 1 << 14  # vertices asked at once
EMPTY = 0.01  # optical depth of a voxel below which nothing is stored
HIDDEN = 0.02  # transmittance that no camera misses
THIN, SOLID = 0.2, 1.0  # optical depths of a voxel between which its raw density is linear
OUTSIDE, DEEPEST = -1.6, 8.0  # bounds of raw density, as optical depths
POINTS = 4  # per vertex, to which density is fitted
TETHER = 0.3  # weight of a vertex's own sample beside the points around it
ITERATIONS = 8  # of conjugate gradients
WEAK = 1e-3  # weight of a color that came from neighbours, beside one that was fitted
FILLINGS = 4  # voxels that color spreads into what is empty or hidden


@torch.no_grad()
def fit_voxels(
    teacher: RadianceField,
    visibility: Visibility,
    aabb: Aabb,
    stored: Tensor,
    doublings: int,
    activation: Literal["clamp", "sigmoid"],
) -> tuple[Tensor, Tensor]:
    """Words [B^3] and table [V, 28] (raw density, coefficients) near `teacher`.

    `stored` ([cells + 1]^3 bool) is where there may be density; the lattice is finer by
    `doublings`, or by as many as fit `MAX_VOXELS`. Raw density is in optical depths of a voxel.
    Kept are the vertices that hold density and are seen, and their neighbours.
    """
    lattice = Lattice.of(aabb, stored)
    for level in range(doublings + 1):
        surveyed, seen = _survey(teacher, visibility, lattice)
        kept = lattice.around((surveyed > EMPTY) & seen)
        if level and len(kept.vertices) > MAX_VOXELS:
            cells = lattice.cells
            hint = f"; perhaps --set resolution={3 * cells // 4} fits" if cells > 256 else ""
            log.warning("%d voxels a side would be too many: half of them%s", cells, hint)
            break
        chosen, depth = kept, surveyed[kept.holds(lattice.vertices)]
        if level < doublings:
            lattice = kept.doubled()
    raw = _fit_density(teacher, chosen, depth)  # first: its points take as much as the table
    table = _fit_colors(teacher, visibility, chosen, depth, activation)
    table[:, 0] = raw
    return chosen.words, table


def _survey(
    teacher: RadianceField, visibility: Visibility, lattice: Lattice
) -> tuple[Tensor, Tensor]:
    """Optical depth [V] of a voxel at each vertex, and whether any camera sees it [V]."""
    depth = _depth(teacher, lattice, lattice.vertices)
    seen = depth > EMPTY
    for rows in seen.nonzero()[:, 0].split(BATCH):
        seen[rows] = (
            visibility.transmittance(lattice.world(lattice.vertices[rows])).amax(1) > HIDDEN
        )
    return depth, seen


def _depth(teacher: RadianceField, lattice: Lattice, points: Tensor) -> Tensor:
    """Optical depth [N] of a voxel with the density at points [N, 3]; NaN counts as empty."""
    parts = [teacher.density(teacher.encode(lattice.world(p))) for p in points.split(BATCH)]
    return torch.cat(parts).nan_to_num(0.0) * lattice.edge if parts else points.new_zeros(0)


def _soft(depth: Tensor) -> Tensor:
    """Optical depth on the scale of raw density: d between THIN and SOLID, logarithms beyond."""
    depth = depth.clamp_min(1e-8)
    low = THIN * (1 + (depth / THIN).log())
    high = SOLID * (1 + (depth / SOLID).log())
    soft = torch.where(depth < THIN, low, torch.where(depth > SOLID, high, depth))
    return soft.clamp(OUTSIDE, DEEPEST)


def _fit_density(teacher: RadianceField, lattice: Lattice, depth: Tensor) -> Tensor:
    """Raw density [V]: regularised least squares over random points around the vertices that are
    not plainly outside, by conjugate gradients from the vertices' own samples."""
    raw = _soft(depth)
    generator = torch.Generator().manual_seed(0)
    centers = lattice.vertices[raw > OUTSIDE]
    points = torch.rand(POINTS, *centers.shape, generator=generator).to(centers.device)
    points = points.add_(centers).sub_(0.5).clamp_(0, lattice.cells).view(-1, 3)
    wanted = _soft(_depth(teacher, lattice, points))
    column = raw[:, None].clone().requires_grad_()
    with torch.enable_grad():
        at_points = lattice.look_up(column, points)[:, 0]
    error = wanted - at_points.detach()
    # what lies beyond the bounds already is as good as at them
    beyond = ((wanted >= DEEPEST) & (error < 0)) | ((wanted <= OUTSIDE) & (error > 0))
    counts = (~beyond).to(raw.dtype)

    def spread(values: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(at_points, column, values, retain_graph=True)
        return gradient[:, 0]

    def apply(direction: Tensor) -> Tensor:
        return spread(counts * lattice.look_up(direction[:, None], points)[:, 0]) + (
            TETHER * direction
        )

    return raw + _conjugate_gradients(apply, spread(counts * error))


def _conjugate_gradients(apply, right: Tensor) -> Tensor:
    """x [V] with apply(x) = right, nearly; `apply` is symmetric and positive."""
    solution, residual, direction = torch.zeros_like(right), right.clone(), right
    square = residual @ residual
    for _ in range(ITERATIONS):
        if square < 1e-20:
            break
        applied = apply(direction)
        rate = square / (direction @ applied)
        solution += rate * direction
        residual -= rate * applied
        before, square = square, residual @ residual
        direction = residual + square / before * direction
    return solution


def _fit_colors(
    teacher: RadianceField, visibility: Visibility, lattice: Lattice, depth: Tensor, activation: str
) -> Tensor:
    """Table [V, 28] with the coefficients of the vertices that are seen to have density; the others
    take their neighbours'. The first column is left to density."""
    basis = spherical_harmonics(visibility.directions, 3)
    weight = depth.new_zeros(len(depth))
    table = depth.new_zeros(len(depth), 1 + 3 * basis.shape[1])
    for rows in (depth > EMPTY).nonzero()[:, 0].split(BATCH):
        positions = lattice.world(lattice.vertices[rows])
        transmittance = visibility.transmittance(positions)
        rgb, counted = seen_colors(
            teacher, teacher.encode(positions), visibility.directions, transmittance
        )
        table[rows, 1:] = fit_harmonics(basis, rgb, counted, activation).flatten(1)
        seen = -torch.expm1(-depth[rows]) * transmittance.mean(1)
        weight[rows] = seen.where(transmittance.amax(1) > SEEN, 0.0)
    _fill(lattice, table, weight)
    return table


def _fill(lattice: Lattice, table: Tensor, weight: Tensor) -> None:
    """Replaces the coefficients in rows of `table` [V, 28] whose `weight` [V] is 0 by the weighted
    mean of those around them.

    Look-ups half a cell away to all eight sides average over the 26 neighbours. Meanwhile rows are
    weighed, in place, with their weights in the first column.
    """
    table.mul_(weight[:, None])[:, 0] = weight
    mean = table[:, 1:].sum(0) / weight.sum().clamp_min(1e-12)
    sides = torch.cartesian_prod(*[weight.new_tensor([-0.5, 0.5])] * 3)
    unknown = (weight <= 0).nonzero()[:, 0]
    for _ in range(FILLINGS):
        left = []
        for rows in unknown.split(4 * BATCH):
            around = sum(lattice.look_up(table, lattice.vertices[rows] + s) for s in sides)
            found = around[:, 0] > 0
            table[rows[found]] = WEAK * around[found] / around[found, :1]
            left.append(rows[~found])
        unknown = torch.cat(left) if left else unknown
    for rows in table.split(BATCH):
        rows[:, 1:] /= rows[:, :1]
    table[unknown, 1:] = mean
