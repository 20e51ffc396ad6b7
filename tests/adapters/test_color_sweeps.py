"""Sweeps move colors of vertices towards what lies between them."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.adapters.tensorial import color_sweeps
from nerfconvert.adapters.tensorial.color_sweeps import MOST, TETHER, sweep_colors
from nerfconvert.adapters.tensorial.lattice import Lattice
from nerfconvert.volume import Aabb

CELLS = 8
LATTICE = Lattice.of(Aabb((0, 0, 0), (1, 1, 1)), torch.ones((CELLS + 1,) * 3, dtype=torch.bool))
ALL = torch.arange(len(LATTICE.vertices))
SLOPES = torch.linspace(-1, 1, 81).view(3, 27)


def planes(points: torch.Tensor) -> torch.Tensor:
    """Coefficients [N, 27] that interpolation can give everywhere."""
    return points @ SLOPES + 0.5


def told(points: torch.Tensor):
    return points, planes(points), torch.full((len(points),), 0.2)


def never() -> bool:
    return False


def test_what_is_right_between_the_vertices_stays():
    table = torch.cat([torch.ones(len(ALL), 1), planes(LATTICE.vertices)], 1)
    before = table.clone()
    sweep_colors(LATTICE, table, ALL, told, never)
    torch.testing.assert_close(table, before, atol=2e-5, rtol=1e-5)


def test_a_sweep_moves_each_vertex_by_the_mean_error_around_it(monkeypatch):
    """Against a loop over points and their eight vertices."""
    monkeypatch.setattr(color_sweeps, "SWEEPS", 1)
    asked, table = [], torch.randn(len(ALL), 28, generator=torch.Generator().manual_seed(3))

    def half_told(points: torch.Tensor):
        kept = points[::2]
        asked.append(kept)
        return kept, planes(kept), 2 * MOST * kept[:, 0] / CELLS

    start = table.clone()
    sweep_colors(LATTICE, table, ALL, half_told, never)
    number = {tuple(v): k for k, v in enumerate(LATTICE.vertices.long().tolist())}
    moves, total = torch.zeros(len(ALL), 27), torch.full((len(ALL),), TETHER)
    for point in torch.cat(asked):
        corner = point.floor().clamp(max=CELLS - 1)
        parts = [(1 - f, f) for f in (point - corner).tolist()]
        weights = {
            number[tuple((corner.long() + torch.tensor([x, y, z])).tolist())]: a * b * c
            for x, a in enumerate(parts[0])
            for y, b in enumerate(parts[1])
            for z, c in enumerate(parts[2])
        }
        share = min(MOST, 2 * MOST * float(point[0]) / CELLS)
        error = planes(point[None])[0] - sum(w * start[v, 1:] for v, w in weights.items())
        for v, w in weights.items():
            moves[v] += share * w * error
            total[v] += share * w
    expected = start[:, 1:] + moves / total[:, None]
    torch.testing.assert_close(table[:, 1:], expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(table[:, 0], start[:, 0])


def test_sweeps_come_near_to_what_they_are_told():
    table = torch.zeros(len(ALL), 28)
    sweep_colors(LATTICE, table, ALL, told, never)
    wanted = planes(LATTICE.vertices)
    left = (table[:, 1:] - wanted).square().mean() / wanted.square().mean()
    assert float(left) < 0.02


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_vertices_that_nobody_asks_about_keep_their_colors(part):
    """And all do where there is no time."""
    table = torch.zeros(len(ALL), 28)
    rows = (LATTICE.vertices[:, 0] < part * CELLS - 1).nonzero()[:, 0]
    sweep_colors(LATTICE, table, rows if part else ALL, told, never if part else (lambda: True))
    far = LATTICE.vertices[:, 0] > part * CELLS
    assert not table[far].any()
    assert bool(table[rows].any()) == bool(part)
