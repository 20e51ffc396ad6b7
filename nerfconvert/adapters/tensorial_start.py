"""Sparse voxels from a teacher in closed form, no gradient step.

Density: the teacher's optical depth across a voxel, put on a scale that is linear where it matters
and logarithmic at both ends, is sampled at the vertices and then fitted by least squares to
points between them. Below zero that scale goes on, so that interpolation finds a surface between
two vertices and relu cuts it off there. Color: harmonics by least squares over directions.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..kernels.spherical_harmonics import spherical_harmonics
from ..kernels.voxel_lookup import first_rows, list_vertices, pack_vertices, voxel_lookup
from ..volume import Aabb, RadianceField, Sight

log = logging.getLogger(__name__)

MAX_VOXELS = 1 << 23  # 0.9 GB of parameters
BATCH = 1 << 14  # vertices asked at once; their colors are asked in every direction
EMPTY = 0.01  # optical depth of a voxel below which nothing is stored
HIDDEN = 0.02  # share of light that no camera misses
THIN, SOLID = 0.2, 1.0  # optical depths of a voxel between which its raw density is linear
OUTSIDE, DEEPEST = -1.6, 8.0  # bounds of raw density, as optical depths
POINTS = 4  # per vertex, to which density is fitted
TETHER = 0.3  # weight of a vertex's own sample beside the points around it
ITERATIONS = 8  # of conjugate gradients
RIDGE = 0.02  # weight of the mean color beside a vertex's directions
FAINT = 1e-3  # weight of a direction that does not see the vertex
GAUSS_NEWTON = 2  # steps through the sigmoid
FILLINGS = 4  # voxels that color spreads into what is empty or hidden


def voxel_edge(aabb: Aabb, cells: int) -> float:
    """World units; the geometric mean of the three edges."""
    return math.prod(aabb.size) ** (1 / 3) / cells


@dataclass(frozen=True)
class Lattice:
    """Stored vertices, over the unit cube of `aabb`."""

    aabb: Aabb
    cells: int
    words: Tensor
    first: Tensor
    vertices: Tensor  # [V, 3] float

    @staticmethod
    def of(aabb: Aabb, stored: Tensor) -> Lattice:
        """From [cells + 1]^3 bool."""
        words = pack_vertices(stored)
        vertices = list_vertices(words).to(torch.float32)
        return Lattice(aabb, len(stored) - 1, words, first_rows(words), vertices)

    @property
    def edge(self) -> float:
        return voxel_edge(self.aabb, self.cells)

    def around(self, chosen: Tensor) -> Lattice:
        """Only the `chosen` [V] vertices and their neighbours; all where none is chosen."""
        if not chosen.any():
            return self
        stored, grown = self._dense(self.vertices), self._dense(self.vertices[chosen])
        for axis in range(3):
            before, after = grown.narrow(axis, 0, self.cells), grown.narrow(axis, 1, self.cells)
            middle = grown.clone()
            middle.narrow(axis, 1, self.cells).logical_or_(before)
            middle.narrow(axis, 0, self.cells).logical_or_(after)
            grown = middle
        return Lattice.of(self.aabb, grown & stored)

    def holds(self, vertices: Tensor) -> Tensor:
        """[N] bool: are integer `vertices` [N, 3] stored."""
        return self._dense(self.vertices)[tuple(vertices.long().T)]

    def doubled(self) -> Lattice:
        """Twice as fine, with the vertices at or between those stored here."""
        stored = self._dense(self.vertices)
        index = torch.arange(2 * self.cells + 1, device=stored.device)
        for axis in range(3):
            low = stored.index_select(axis, index // 2)
            stored = low | stored.index_select(axis, (index + 1) // 2)
        return Lattice.of(self.aabb, stored)

    def _dense(self, vertices: Tensor) -> Tensor:
        """[cells + 1]^3 bool: True at `vertices` [N, 3]."""
        dense = torch.zeros((self.cells + 1,) * 3, dtype=torch.bool, device=vertices.device)
        dense[tuple(vertices.long().T)] = True
        return dense

    def world(self, points: Tensor) -> Tensor:
        """World positions of points [N, 3] in units of cells."""
        return self.aabb.from_unit(points / self.cells)

    def look_up(self, table: Tensor, points: Tensor) -> Tensor:
        """Interpolated rows [N, C] of [V, C] at points [N, 3] in units of cells."""
        return voxel_lookup(points / self.cells, table, self.words, self.first, self.cells)


@torch.no_grad()
def fit_voxels(
    teacher: RadianceField,
    sight: Sight,
    aabb: Aabb,
    stored: Tensor,
    doublings: int,
    activation: Literal["clamp", "sigmoid"],
) -> tuple[Tensor, Tensor, Tensor]:
    """(words [B^3], raw [V], coefficients [V, 27]) near `teacher`.

    `stored` ([cells + 1]^3 bool) is where there may be density; the lattice is finer by
    `doublings`, or by as many as fit `MAX_VOXELS`. `raw` is in optical depths of a voxel. Kept are
    the vertices that hold density and are seen, and their neighbours.
    """
    lattice = Lattice.of(aabb, stored)
    for level in range(doublings + 1):
        surveyed, seen = _survey(teacher, sight, lattice)
        kept = lattice.around((surveyed > EMPTY) & seen)
        if level and len(kept.vertices) > MAX_VOXELS:
            log.warning("%d voxels a side would be too many; started with half", lattice.cells)
            break
        chosen, depth = kept, surveyed[kept.holds(lattice.vertices)]
        if level < doublings:
            lattice = kept.doubled()
    raw = _fit_density(teacher, chosen, depth)
    return chosen.words, raw, _fit_colors(teacher, sight, chosen, depth, activation)


def _survey(teacher: RadianceField, sight: Sight, lattice: Lattice) -> tuple[Tensor, Tensor]:
    """Optical depth [V] of a voxel at each vertex, and whether any camera sees it [V]."""
    depth = _depth(teacher, lattice, lattice.vertices)
    seen = depth > EMPTY
    for rows in seen.nonzero()[:, 0].split(BATCH):
        seen[rows] = sight.visible(lattice.world(lattice.vertices[rows])).amax(1) > HIDDEN
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
    centers = lattice.vertices[raw > OUTSIDE].repeat(POINTS, 1)
    shifts = torch.rand(centers.shape, generator=generator).to(centers.device) - 0.5
    points = (centers + shifts).clamp(0, lattice.cells)
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
    teacher: RadianceField, sight: Sight, lattice: Lattice, depth: Tensor, activation: str
) -> Tensor:
    """Coefficients [V, 27] of the vertices with density; the others take their neighbours'."""
    basis = spherical_harmonics(sight.directions, 3)
    weight = depth.new_zeros(len(depth))
    table = depth.new_zeros(len(depth), 3 * basis.shape[1])
    for rows in (depth > EMPTY).nonzero()[:, 0].split(BATCH):
        positions = lattice.world(lattice.vertices[rows])
        light = sight.visible(positions)
        rgb = _colors(teacher, teacher.encode(positions), sight.directions)
        table[rows] = fit_harmonics(basis, rgb, light + FAINT, activation).flatten(1)
        weight[rows] = -torch.expm1(-depth[rows]) * light.mean(1)
    return _fill(lattice, table, weight)


def _colors(teacher: RadianceField, features: Tensor, directions: Tensor) -> Tensor:
    """[N, K, 3] of features [N, F] in every direction [K, 3]."""
    parts = []
    for some in features.split(max(1, (1 << 16) // len(directions))):
        repeated = some.repeat_interleave(len(directions), 0)
        rgb = teacher.color(repeated, directions.repeat(len(some), 1))
        parts.append(rgb.nan_to_num(0.5).view(len(some), -1, 3))
    return torch.cat(parts)


def fit_harmonics(
    basis: Tensor, rgb: Tensor, weight: Tensor, activation: Literal["clamp", "sigmoid"]
) -> Tensor:
    """Coefficients [N, 3, B] of colors [N, K, 3] in directions with `basis` [K, B] and positive
    `weight` [N, K]; through the sigmoid by Gauss-Newton steps."""
    weight = weight / weight.sum(1, keepdim=True)
    if activation == "clamp":
        return _least_squares(basis, rgb - 0.5, weight)
    target = rgb.clamp(0.02, 0.98).logit()
    found = _least_squares(basis, target, weight)
    flat = rgb.transpose(1, 2).reshape(-1, rgb.shape[1])  # [3N, K]: each color on its own
    shared = weight.repeat_interleave(3, 0)
    for _ in range(GAUSS_NEWTON):
        raw = (found.flatten(0, 1) @ basis.T).clamp(-6, 6)
        shown = raw.sigmoid()
        slope = shown * (1 - shown)
        wanted = raw + ((flat - shown) / slope).clamp(-2, 2)
        found = _least_squares(basis, wanted[..., None], shared * (4 * slope).square())
        found = found.view(len(rgb), 3, -1)
    return found


def _least_squares(basis: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """[N, C, B] for targets [N, K, C], weights [N, K]; a ridge draws towards the mean target."""
    n, count = len(target), basis.shape[1]
    mean = (weight[..., None] * target).sum(1) / weight.sum(1, keepdim=True)
    products = (basis[:, :, None] * basis[:, None]).flatten(1)
    gram = (weight @ products).view(n, count, count)
    gram += RIDGE * torch.eye(count, dtype=gram.dtype, device=gram.device)
    rest = weight[..., None] * (target - mean[:, None])
    right = (rest.transpose(1, 2).reshape(-1, len(basis)) @ basis).view(n, -1, count)
    found = torch.linalg.solve(gram, right.transpose(1, 2)).transpose(1, 2).contiguous()
    found[..., 0] += mean / basis[0, 0]  # the first harmonic is constant
    return found


def _fill(lattice: Lattice, table: Tensor, weight: Tensor) -> Tensor:
    """[V, C] where rows of weight 0 are replaced by the weighted mean of those around them.

    Look-ups half a cell away to all eight sides average over the 26 neighbours.
    """
    weighed = torch.cat([weight[:, None], table * weight[:, None]], 1)
    mean = weighed[:, 1:].sum(0) / weight.sum().clamp_min(1e-12)
    sides = torch.cartesian_prod(*[weight.new_tensor([-0.5, 0.5])] * 3)
    unknown = (weight <= 0).nonzero()[:, 0]
    for _ in range(FILLINGS):
        around = sum(lattice.look_up(weighed, lattice.vertices[unknown] + s) for s in sides)
        found = around[:, 0] > 0
        rows, around = unknown[found], around[found]
        table[rows] = around[:, 1:] / around[:, :1]
        weighed[rows] = 1e-3 * around / around[:, :1]  # weak beside what was fitted
        unknown = unknown[~found]
    table[unknown] = mean
    return table
