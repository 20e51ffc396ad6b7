"""Occupancy of any field: the cells of its box that hold density, found by querying it."""

from __future__ import annotations

import logging
import time

import torch
from torch import Tensor

from ..errors import NerfConvertError
from ..volume import RadianceField, part_that_shows, sent, wait_for
from ..volume.occupancy import dilate

log = logging.getLogger(__name__)

BATCH = 1 << 16  # points queried at once
COARSE_POINTS = 4  # per cell of the coarse grid, whose cells are twice as wide
FINE_POINTS = 2  # per cell of the fine grid, within and next to coarse cells with density
TIMED = 1 << 14  # points by which a field is timed
RIM_POINTS = 2  # that the rim takes, per occupied cell, about
HAZE = 0.01  # optical depth of the box that cells without density may hold; in solids 0.003


@torch.no_grad()
def build_occupancy(
    field: RadianceField,
    *,
    resolution: int = 128,
    threshold: float = 0.01,
) -> None:
    """Replaces the occupancy of `field` by the cells in which it has density.

    A cell counts when the opacity of one cell edge at a random point in it exceeds `threshold`, or
    less where the cells left out would show together, as those of smoke do. A grid of half the
    resolution is queried first, then the cells near those found, then, at more points, the
    neighbors of those with density. NaN counts as empty, with a warning. `resolution` is a multiple
    of 8. Raises NerfConvertError for a field without density.
    """
    if resolution % 8 or not 8 <= resolution <= 1024:
        raise ValueError(f"resolution must be a multiple of 8 in 8..1024, got {resolution}")
    device = field.device
    half = resolution // 2
    everywhere = torch.ones((half,) * 3, dtype=torch.bool, device=device)
    probe = Probe(field, resolution, threshold, torch.Generator().manual_seed(0))
    candidates = dilate(_dense_where_it_shows(probe, everywhere))
    for axis in range(3):
        candidates = candidates.repeat_interleave(2, axis)
    occupied = probe.find(candidates, FINE_POINTS)
    occupied |= probe.find_rim(occupied, torch.ones_like(occupied))
    if n_invalid := probe.n_invalid:
        log.warning("%d densities were NaN and count as empty", n_invalid)
    if not occupied.any():
        nan = f" ({n_invalid} densities were NaN)" if n_invalid else ""
        raise NerfConvertError(f"the field is empty: found no density anywhere in its box{nan}")
    field.occupancy.assign(occupied)


def _dense_where_it_shows(probe: Probe, everywhere: Tensor) -> Tensor:
    """[r, r, r] bool: cells with density, of all cells; lowers what counts as such where the others
    would hold more than `HAZE` on a way through the box."""
    corners = torch.zeros(COARSE_POINTS, 3)
    density = probe.densities(everywhere.nonzero(), corners, len(everywhere)).nan_to_num(0.0)
    box, usual = probe.field.aabb, probe.least_density

    def left_out(part: float) -> float:
        dense = (density > part * usual).any(1)
        return float(density.mean(1).where(~dense, 0.0).mean()) * min(box.size)

    if not box.contraction:  # who looks through space without end, sees haze
        probe.least_density = part_that_shows(left_out, HAZE) * usual
    return (density > probe.least_density).any(1).view_as(everywhere)


@torch.no_grad()
def refine_occupancy(
    field: RadianceField, *, threshold: float = 0.01, seconds: float | None = None
) -> None:
    """Drops the occupied cells of `field` in which it has no density itself.

    For a student with its teacher's occupancy: fewer samples to render, and no haze where both are
    empty. A field that is empty everywhere keeps its cells. Fewer points of a cell are queried
    where all of them would take more than `seconds`, and nothing is dropped where one would.
    """
    known = field.occupancy.dense()
    generator = torch.Generator().manual_seed(0)
    points = COARSE_POINTS
    if seconds is not None:
        a_point = _query_seconds(field, generator) * int(known.sum())
        points = min(points, int(seconds / max(a_point, 1e-9)) - RIM_POINTS)
    if points < 1:
        return
    probe = Probe(field, len(known), threshold, generator)
    occupied = probe.find(known, points)
    occupied |= probe.find_rim(occupied, known)
    if occupied.any():
        field.occupancy.assign(occupied)


def _query_seconds(field: RadianceField, generator: torch.Generator) -> float:
    """Seconds that one density takes, of many at once."""
    unit = torch.rand(TIMED, 3, generator=generator).to(field.device)
    begun = time.perf_counter()
    field.density_at(field.aabb.from_unit(unit))
    wait_for(field.device)
    return (time.perf_counter() - begun) / TIMED


class Probe:
    """Queries the density of a field at random points in cells."""

    def __init__(
        self,
        field: RadianceField,
        resolution: int,
        threshold: float,
        generator: torch.Generator,
    ):
        edge = min(field.aabb.size) / resolution  # world units, of the finest cells
        self.least_density = -torch.log1p(torch.tensor(-threshold)).item() / edge
        self.field, self.generator = field, generator
        self._invalid = torch.zeros((), dtype=torch.int64, device=field.device)

    @property
    def n_invalid(self) -> int:
        """How many densities were NaN; waits for the device."""
        return int(self._invalid)

    def find(self, candidates: Tensor, points: int) -> Tensor:
        """[r, r, r] bool: candidates ([r, r, r] bool) with density at one of `points` points."""
        return self._find(candidates, torch.zeros(points, 3), 1.0)

    def find_rim(self, occupied: Tensor, within: Tensor) -> Tensor:
        """[r, r, r] bool: neighbors of the `occupied` cells, among those `within`, with density in
        one of their octants."""
        octants = torch.cartesian_prod(*(torch.arange(2),) * 3) / 2
        return self._find(dilate(occupied) & within & ~occupied, octants, 0.5)

    def _find(self, candidates: Tensor, corners: Tensor, size: float) -> Tensor:
        """Candidates with density at a random point of one of the cubes of edge `size` at `corners`
        [P, 3], in units of a cell."""
        cells = candidates.nonzero()
        found = self.densities(cells, corners, len(candidates), size) > self.least_density
        occupied = torch.zeros_like(candidates)
        occupied[tuple(cells[found.any(1)].T)] = True
        return occupied

    def densities(
        self, cells: Tensor, corners: Tensor, resolution: int, size: float = 1.0
    ) -> Tensor:
        """[C, P] density in each of `cells` [C, 3] of a grid of `resolution`, at a random point of
        each of the cubes of edge `size` at `corners` [P, 3], in units of a cell."""
        points, parts = len(corners), []
        for rows in cells.split(BATCH // points):
            within = torch.rand(len(rows), points, 3, generator=self.generator) * size
            unit = (rows[:, None] + sent(corners + within, cells.device)) / resolution
            parts.append(self._query(unit.flatten(0, 1)).view(len(rows), points))
        return torch.cat(parts)

    def _query(self, unit: Tensor) -> Tensor:
        """[N] density at the points [N, 3] of the unit cube."""
        positions = self.field.aabb.from_unit(unit)
        density = self.field.density_at(positions)
        if self.field.aabb.contraction:  # whose outer cells are longer in the world
            density = density * self.field.aabb.contraction.stretch(positions)
        self._invalid += density.isnan().sum()
        return density
