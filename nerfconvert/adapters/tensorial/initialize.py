"""Sparse voxels from a teacher in closed form, no gradient step.

Density: the teacher's optical depth across a voxel, put on a scale that is linear where it matters
and logarithmic at both ends, is sampled at the vertices and then fitted by least squares to
points between them. Below zero that scale goes on, so that interpolation finds a surface between
two vertices and relu cuts it off there. Color: harmonics by least squares over directions, then
moved to be right between the vertices, too.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from ...kernels.spherical_harmonics import spherical_harmonics
from ...volume import Aabb, Pace, RadianceField, Visibility, wait_for
from ..harmonics import SEEN, fit_harmonics, seen_colors
from .color_sweeps import sweep_colors
from .density_scale import OUTSIDE, densest_around, fit_density, soft
from .filled import EMPTY, emptiness, filled
from .lattice import Lattice
from .spread import spread_colors
from .tensorial_config import MAX_VOXELS

log = logging.getLogger(__name__)

BATCH = 1 << 14  # vertices asked at once
HIDDEN = 0.02  # transmittance that no camera misses
POINTS = 4  # per vertex, to which density is fitted
FAINT = 0.01  # how little of a point must be seen for its color to count between vertices
SH_BANDS = 3  # degree 2
CHANNELS = 1 + 3 * SH_BANDS**2  # of a row: raw density, and coefficients color after color
PROBED = 1 << 12  # vertices by which the teacher is timed
SURVEY_SHARE, FINER_SHARE, DENSITY_SHARE = 0.25, 0.8, 0.4  # of the time that is left
QUERY_SHARE = 0.4  # of the time for density: the rest is for the fit
MOST_STRIDE = 8  # among directions, where colors of all of them take too long
FEW_POINTS, FEW_DIRECTIONS = 1, 1 / 4  # with which a finer lattice still beats a coarse one
GROWTH = 2.75  # of voxels, with the power of cells along an axis: 2.63 to 2.79 in four fields


@torch.no_grad()
def fit_voxels(
    teacher: RadianceField,
    visibility: Visibility,
    aabb: Aabb,
    stored: Callable[[int], Tensor],
    most: Mapping[int, int],
    first: int,
    activation: Literal["clamp", "sigmoid"],
    pace: Pace,
) -> tuple[Tensor, Tensor]:
    """Words [B^3] and table [V, 28] (raw density, coefficients) near `teacher`.

    `most` tells how many voxels a lattice may store, by the cells along an axis of all that there
    may be, and `stored` gives [cells + 1]^3 bool, where there may be density. It begins with
    `first` cells, or fewer where `pace` has no time for that, and goes on to a finer lattice, up to
    twice, while one fits `most` and what is left of `pace`. Raw density is in optical depths of a
    voxel. Kept are the vertices that hold density and are seen, and their neighbours.
    """
    fit = _Fit(teacher, visibility, activation, pace)
    lattice, chosen = fit.first_lattice(aabb, stored, [n for n in most if n <= first]), None
    while lattice:
        pace.report(f"finding voxels, {lattice.cells} a side", fit.part)
        surveyed, seen = fit.survey(lattice)
        kept = lattice.around(filled(lattice, surveyed, fit.empty) & seen)
        if chosen and len(kept.vertices) > most[lattice.cells]:
            if most[lattice.cells] == MAX_VOXELS:
                _warn_of_many(lattice.cells)
            break
        chosen, depth = kept, surveyed[kept.holds(lattice.vertices)]
        lattice = fit.finer(chosen, depth, most)
    around = densest_around(chosen, depth)
    sampled = soft(depth, around)
    raw = fit.density(chosen, sampled, around)  # first: its points take as much as the table
    table = fit.colors(chosen, depth, sampled > 0)
    table[:, 0] = raw
    return chosen.words, table


def _warn_of_many(cells: int) -> None:
    """Tells that a lattice of so many `cells` along an axis is too large."""
    hint = f"; perhaps --set resolution={3 * cells // 4} fits" if cells > 256 else ""
    log.warning("%d voxels a side would be too many: half of them%s", cells, hint)


def expected(kept: Lattice, cells: int) -> float:
    """How many voxels a lattice of `cells` along an axis will keep where a coarser keeps these."""
    return len(kept.vertices) * (cells / kept.cells) ** GROWTH


class _Fit:
    """Queries of the teacher for a start, what they cost, and what that leaves time for."""

    def __init__(
        self,
        teacher: RadianceField,
        visibility: Visibility,
        activation: Literal["clamp", "sigmoid"],
        pace: Pace,
    ):
        self.teacher, self.visibility, self.activation = teacher, visibility, activation
        self.pace = pace
        self.per_query = self.per_color = 0.0  # seconds a density, and all colors of a vertex
        self.empty = EMPTY  # as `emptiness` finds it

    @property
    def part(self) -> float:
        """Finished part of the start, of its time; without a limit nobody knows."""
        return min(1.0, self.pace.spent / self.pace.seconds) if self.pace.seconds else 0.0

    def first_lattice(
        self, aabb: Aabb, stored: Callable[[int], Tensor], sizes: list[int]
    ) -> Lattice:
        """The finest of `sizes`, cells along an axis, that there is time to survey."""
        *coarser, cells = sizes
        lattice = Lattice.of(aabb, stored(cells))
        if self.pace.limited:
            self.depth(lattice, lattice.vertices[:PROBED])
        while coarser and len(lattice.vertices) * self.per_query > SURVEY_SHARE * self.pace.left:
            lattice = Lattice.of(aabb, stored(coarser.pop()))
        return lattice

    def depth(self, lattice: Lattice, points: Tensor) -> Tensor:
        """Optical depth [N] of a voxel with the density at points [N, 3]; NaN counts as empty."""
        begun, parts = self.pace.spent, []
        for part in points.split(BATCH):
            parts.append(self.teacher.density_at(lattice.world(part)))
            self.pace.report("querying densities", self.part)
        if not parts:
            return points.new_zeros(0)
        wait_for(points.device)
        self.per_query = (self.pace.spent - begun) / len(points)
        return torch.cat(parts).nan_to_num(0.0) * lattice.edge

    def survey(self, lattice: Lattice) -> tuple[Tensor, Tensor]:
        """Optical depth [V] of a voxel at each vertex, and whether any camera sees it [V]."""
        depth = self.depth(lattice, lattice.vertices)
        self.empty = emptiness(lattice, depth)
        seen = filled(lattice, depth, self.empty)
        for rows in seen.nonzero()[:, 0].split(BATCH):
            places = lattice.world(lattice.vertices[rows])
            seen[rows] = self.visibility.transmittance(places).amax(1) > HIDDEN
        return depth, seen

    def finer(self, kept: Lattice, depth: Tensor, most: Mapping[int, int]) -> Lattice | None:
        """The finest lattice, up to twice as fine as the one of which `kept` was kept with optical
        `depth` [V], that is expected to fit `most` and for which there is time."""
        self.time_colors(kept, depth)
        for cells in sorted(most, reverse=True):
            if not kept.cells < cells <= 2 * kept.cells:
                continue
            if most[cells] < MAX_VOXELS and expected(kept, cells) > most[cells]:
                continue
            lattice = kept.finer(cells)
            if not self.pace.limited or self.cost(kept, depth, lattice) < (
                FINER_SHARE * self.pace.left
            ):
                return lattice
        return None

    def time_colors(self, kept: Lattice, depth: Tensor) -> None:
        """Measures what the colors of a vertex take, at some of those with optical `depth` [V]."""
        rows = filled(kept, depth, self.empty).nonzero()[:PROBED, 0]
        if self.pace.limited and len(rows):
            begun = self.pace.spent
            self.fit_colors(kept, rows)
            wait_for(rows.device)
            self.per_color = (self.pace.spent - begun) / len(rows)

    def cost(self, kept: Lattice, depth: Tensor, finer: Lattice) -> float:
        """Seconds that a `finer` lattice takes with few points and directions, where `kept` was
        kept of a coarser one with optical `depth` [V]."""
        times = expected(kept, finer.cells) / max(1, len(kept.vertices))
        cost = len(finer.vertices) * self.per_query
        cost += times * len(depth) * FEW_POINTS * self.per_query
        colored = times * int(filled(kept, depth, self.empty).sum())
        return cost + colored * FEW_DIRECTIONS * self.per_color

    def density(self, lattice: Lattice, raw: Tensor, around: Tensor) -> Tensor:
        """Raw density [V]: regularised least squares over random points around the vertices that
        are not plainly outside, by conjugate gradients from `raw`, the vertices' own samples."""
        points, end = POINTS, math.inf
        if self.pace.limited:
            allowed = DENSITY_SHARE * self.pace.left
            query = max(1e-9, len(raw) * self.per_query)
            points = int(min(POINTS, QUERY_SHARE * allowed / query))
            end = self.pace.spent + allowed
        if not points:
            return raw
        generator = torch.Generator().manual_seed(0)
        inside = raw > OUTSIDE * around
        centers, near = lattice.vertices[inside], around[inside].repeat(points)
        points = torch.rand(points, *centers.shape, generator=generator).to(centers.device)
        points = points.add_(centers).sub_(0.5).clamp_(0, lattice.cells).view(-1, 3)
        wanted = soft(self.depth(lattice, points), near)
        bounds = OUTSIDE * near, lambda: self.pace.spent >= end
        return fit_density(lattice, raw, points, wanted, *bounds)

    def colors(self, lattice: Lattice, depth: Tensor, dense: Tensor) -> Tensor:
        """Table [V, 28] with the coefficients of the vertices that are seen to have density; the
        others take their neighbours'. Around `dense` ones [V] they are fitted between vertices,
        too. The first column is left to density."""
        weight = depth.new_zeros(len(depth))
        table = depth.new_zeros(len(depth), CHANNELS)
        rows = filled(lattice, depth, self.empty).nonzero()[:, 0]
        wanted = len(rows) * self.per_color
        if self.pace.limited and wanted > self.pace.left:
            stride = math.ceil(min(wanted / max(self.pace.left, 1e-3), MOST_STRIDE))
            self.visibility = every(self.visibility, stride)
        for part in rows.split(BATCH):
            table[part, 1:], transmittance = self.fit_colors(lattice, part)
            weight[part] = _shown(depth[part], transmittance)
            self.pace.report("querying colors", self.part)
        spread_colors(lattice, table, weight)
        rows = ((weight > FAINT) & dense).nonzero()[:, 0]
        sweep_colors(lattice, table, rows, functools.partial(self.colors_seen, lattice), self.late)
        return table

    def late(self) -> bool:
        """Whether the time is over."""
        return self.pace.limited and not self.pace.left

    def fit_colors(self, lattice: Lattice, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [N, 27] of the vertices `rows` [N], and their transmittance [N, K]."""
        positions = lattice.world(lattice.vertices[rows])
        transmittance = self.visibility.transmittance(positions)
        return self.harmonics(self.teacher.encode(positions), transmittance), transmittance

    def harmonics(self, features: Tensor, transmittance: Tensor) -> Tensor:
        """Coefficients [N, 27] of points with `features` [N, F] and `transmittance` [N, K]."""
        basis = spherical_harmonics(self.visibility.directions, SH_BANDS)
        given = features, self.visibility.directions, transmittance
        rgb, counted = seen_colors(self.teacher, *given)
        return fit_harmonics(basis, rgb, counted, self.activation).flatten(1)

    def colors_seen(self, lattice: Lattice, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Those of `points` [N, 3] that are seen to have density, their coefficients, and how much
        of them is seen, for `sweep_colors`."""
        self.pace.report("querying colors", self.part)
        positions = lattice.world(points)
        transmittance = self.visibility.transmittance(positions)
        features = self.teacher.encode(positions)
        depth = self.teacher.density(features).nan_to_num(0.0) * lattice.edge
        shown = _shown(depth, transmittance)
        rows = (shown > FAINT).nonzero()[:, 0]
        return points[rows], self.harmonics(features[rows], transmittance[rows]), shown[rows]


def every(visibility: Visibility, stride: int) -> Visibility:
    """`visibility` along each `stride`-th of its directions only."""
    return Visibility(
        directions=visibility.directions[::stride],
        transmittance=lambda positions: visibility.transmittance(positions)[:, ::stride],
    )


def _shown(depth: Tensor, transmittance: Tensor) -> Tensor:
    """[N] how much of points with optical `depth` [N] of a voxel cameras see: the opacity times the
    mean of `transmittance` [N, K]; 0 where none sees them."""
    shown = -torch.expm1(-depth) * transmittance.mean(1)
    return shown.where(transmittance.amax(1) > SEEN, 0.0)
