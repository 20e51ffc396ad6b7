"""Marching through unbounded space: its lattice by a loop, its light by dense sampling."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.renderer.cone_march import ANGLE, cone_march
from nerfconvert.renderer.image import query, render_rays, render_samples
from nerfconvert.renderer.march import march_and_query
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.volume import Aabb, Contraction, FieldInfo, OccupancyGrid, Rays

BOX = Aabb((-2.0,) * 3, (2.0,) * 3, Contraction("inf"))


def rays(n: int = 40) -> Rays:
    draw = torch.randn(2, n, 3, generator=torch.Generator().manual_seed(6))
    return Rays.of(draw[0] * 0.4, draw[1])


def by_loop(box: Aabb, grid: OccupancyGrid, ray: Rays, step: float, jitter: float) -> list[tuple]:
    """(start, length) of the kept segments of one ray, one after the other."""
    near, far = (float(x) for x in box.intersect(ray.origins, ray.directions))
    near, far = max(near, float(ray.near)), min(far, float(ray.far))
    t, kept = near + jitter * max(step, ANGLE * near), []
    while t < far:
        length = max(step, ANGLE * t)
        middle = ray.origins + (t + length / 2) * ray.directions
        if t + length / 2 < far and bool(grid.query(box.to_unit(middle))):
            kept.append((t, length))
        t += length
    return kept


@pytest.mark.parametrize("near", [0.0, 0.7, 20.0])
def test_segments_are_those_of_a_loop(near, generator):
    grid = OccupancyGrid(8)
    grid.assign(torch.rand(8, 8, 8, generator=generator) < 0.5)
    some = Rays.of(rays(6).origins, rays(6).directions, near, 300.0)
    jitter = torch.rand(6, generator=generator)
    found = cone_march(BOX, grid, some, 0.02, jitter)
    for i in range(6):
        expected = by_loop(BOX, grid, some[i : i + 1], 0.02, float(jitter[i]))
        mine = slice(int(found.offsets[i]), int(found.offsets[i + 1]))
        starts, lengths = torch.tensor(expected).view(-1, 2).unbind(1)
        assert len(found.t_starts[mine]) == pytest.approx(len(starts), abs=2)
        if len(found.t_starts[mine]) == len(starts):
            torch.testing.assert_close(found.t_starts[mine], starts, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found.deltas[mine], lengths, rtol=1e-3, atol=1e-4)
        assert bool((found.ray_indices[mine] == i).all())


def test_segments_join_up_and_reach_the_end():
    full = OccupancyGrid(4)
    found = cone_march(BOX, full, rays(1), 0.01)
    ends = found.t_starts + found.deltas
    torch.testing.assert_close(found.t_starts[1:], ends[:-1], rtol=1e-5, atol=1e-6)
    assert float(ends[-1]) > 9000
    assert float((found.deltas / (found.t_starts + 1)).max()) < 0.02


def test_no_rays_and_rays_that_end_before_they_begin():
    full = OccupancyGrid(4)
    assert len(cone_march(BOX, full, rays(0), 0.01)) == 0
    none = Rays.of(rays(3).origins, rays(3).directions, 5.0, 4.0)
    found = cone_march(BOX, full, none, 0.01)
    assert len(found) == 0
    assert found.offsets.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_light_is_that_of_dense_sampling(norm):
    """A blob at the center, and a large faint one far out, which contraction makes small."""
    near = {"kind": "blob", "center": (0.2, 0, 0), "size": (0.3, 0.2, 0.3), "density": 3.0}
    far = {"kind": "blob", "center": (40.0, 5, 0), "size": (9, 12, 8), "density": 0.08}
    bodies = ({**near, "color": (1.0, 0.2, 0.1)}, {**far, "color": (0.1, 0.3, 1.0)})
    box = Aabb((-2.0,) * 3, (2.0,) * 3, Contraction(norm))
    field = AnalyticField(AnalyticConfig(primitives=bodies), FieldInfo(aabb=box))
    build_occupancy(field, resolution=64, threshold=1e-4)
    assert 0 < field.occupancy.fraction() < 0.5
    aim = torch.tensor([[1.0, 0.1, 0.0], [-1.0, 0.0, 0.0], [1.0, 0.0, 0.1], [0.9, 0.3, 0.1]])
    some = Rays.of(torch.tensor([[-3.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0], [1, 0, 0]]), aim)
    t = torch.linspace(0, 150, 150_001, dtype=torch.float64)
    middle, length = (t[1:] + t[:-1]) / 2, t.diff()
    seen = render_rays(field, some, step=0.01, background=0.0)
    for i in range(4):
        places = some.origins[i].double() + middle[:, None] * some.directions[i].double()
        features = field.encode(places.float())
        depth = field.density(features).double() * length
        weights = torch.exp(-(depth.cumsum(0) - depth)) * -torch.expm1(-depth)
        view = some.directions[i].expand(len(places), 3)
        color = (weights[:, None] * field.color(features, view)).sum(0)
        assert float(seen.opacity[i]) == pytest.approx(float(weights.sum()), abs=5e-3)
        torch.testing.assert_close(seen.rgb[i].double(), color, rtol=0, atol=5e-3)
    assert float(seen.opacity[:3].min()) > 0.3


def test_a_ray_ends_behind_what_is_opaque_and_sees_the_same():
    """Queries in sections give what a query of all samples at once gives."""
    wall = {"kind": "blob", "center": (3.0, 0, 0), "size": (0.5, 3, 3), "density": 40.0}
    field = AnalyticField(
        AnalyticConfig(primitives=({**wall, "color": (1.0, 0.2, 0.1)},)), FieldInfo(aabb=BOX)
    )
    some = Rays.of(torch.zeros(3, 3), torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0.5, 1, 0]]))
    queried = march_and_query(field, some, 0.01)
    whole = cone_march(BOX, field.occupancy, some, 0.01)
    density, rgb = query(field, some, whole)
    seen = render_samples(density, rgb, whole, 0.0)
    mine = render_samples(queried.density, queried.rgb, queried.samples, 0.0)
    torch.testing.assert_close(mine.rgb, seen.rgb, rtol=0, atol=3e-3)  # faint ones are gray
    torch.testing.assert_close(mine.opacity, seen.opacity, rtol=0, atol=1e-3)
    counts = [samples.offsets.diff() for samples in (queried.samples, whole)]
    assert int(counts[0][0]) < 0.6 * int(counts[1][0])  # behind the wall
    assert int(counts[0][1]) == int(counts[1][1])  # past it
