"""build_occupancy: cells with density are found, empty ones are not."""

from __future__ import annotations

import logging

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.errors import NerfConvertError
from nerfconvert.renderer.occupancy import build_occupancy, refine_occupancy
from nerfconvert.volume import Aabb, FieldInfo
from nerfconvert.volume.nan_masked import NanMaskedField

INFO = FieldInfo(aabb=Aabb((-1.0, -1.0, -1.0), (1.0, 3.0, 1.0)))


def bodies(*primitives: dict) -> AnalyticField:
    return AnalyticField(AnalyticConfig(primitives=primitives), INFO)


def box(center, size, density=50.0) -> dict:
    return {
        "kind": "box",
        "center": center,
        "size": size,
        "density": density,
        "color": (1.0, 1.0, 1.0),
        "softness": 1e-3,
    }


def cell_centers(resolution: int) -> torch.Tensor:
    ticks = (torch.arange(resolution) + 0.5) / resolution
    grid = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1)
    return INFO.aabb.from_unit(grid)


@pytest.mark.parametrize("resolution", [32, 64])
def test_marks_the_body_and_its_neighbours(resolution):
    center, size = torch.tensor([0.2, 1.5, -0.3]), torch.tensor([0.3, 0.4, 0.25])
    field = bodies(box(center.tolist(), size.tolist()))
    build_occupancy(field, resolution=resolution)
    assert field.occupancy.resolution == resolution
    cell = torch.tensor(INFO.aabb.size) / resolution
    beyond = ((cell_centers(resolution) - center).abs() - size) / cell  # in cells
    inside, outside = (beyond < -0.6).all(-1), (beyond > 2.1).any(-1)
    dense = field.occupancy.dense()
    assert dense[inside].all()
    assert not dense[outside].any()
    assert inside.any()


def test_thin_rods_are_not_lost():
    """A rod half a cell thick, far from everything else."""
    field = bodies(box((0.0, 1.0, 0.0), (0.008, 1.5, 0.008), 300.0))
    build_occupancy(field, resolution=128)
    along = torch.zeros(200, 3)
    along[:, 1] = torch.linspace(-0.45, 2.45, 200)
    found = field.occupancy.query(INFO.aabb.to_unit(along)).float().mean()
    assert found > 0.9


def test_threshold_is_an_opacity():
    """Fog through one cell edge is 1 - exp(-density * edge) opaque."""
    edge = 2.0 / 32
    for density, expected in ((0.3, True), (0.1, False)):  # opacity 0.0186 and 0.0062
        field = bodies(box((0.0, 1.0, 0.0), (0.25, 0.25, 0.25), density))
        assert (density * edge > 0.01) == expected
        if expected:
            build_occupancy(field, resolution=32)
            assert field.occupancy.fraction() == 0.25**3 / 2  # of a box twice as long as wide
        else:
            with pytest.raises(NerfConvertError, match="empty"):
                build_occupancy(field, resolution=32)
            assert field.occupancy.fraction() == 1
            build_occupancy(field, resolution=32, threshold=0.005)


def test_faint_cells_count_where_they_show_together():
    """Fog that fills the box, of which no cell shows: it is 18 % opaque from side to side."""
    field = bodies(box((0.0, 1.0, 0.0), (5.0, 5.0, 5.0), 0.1))
    build_occupancy(field, resolution=32)
    assert field.occupancy.fraction() == 1


def test_smoke_around_a_body_is_kept():
    smoke, body = (0.9, 1.8, 0.9), box((0.0, 1.0, 0.0), (0.2, 0.2, 0.2))
    field = bodies(body, box((0.0, 1.0, 0.0), smoke, 0.05))
    build_occupancy(field, resolution=32)
    inside = ((cell_centers(32) - torch.tensor([0.0, 1.0, 0.0])).abs() < torch.tensor(smoke)).all(
        -1
    )
    assert torch.equal(field.occupancy.dense() & inside, inside)


def test_repeats_itself_and_asks_only_near_what_it_found():
    field = NanMaskedField(bodies(box((0.0, 1.0, 0.0), (0.3, 0.3, 0.3))))
    build_occupancy(field, resolution=32)
    asked = field.asked["densities"]
    first = field.occupancy.dense()
    build_occupancy(field, resolution=32)
    assert torch.equal(field.occupancy.dense(), first)
    assert 4 * 16**3 < asked < 2 * 32**3


def test_nan_counts_as_empty(caplog):
    field = MlpField(MlpConfig(depth=1, width=8, skips=(), density_shift=50.0), INFO)
    with torch.no_grad():
        field.density_layer.weight.zero_()
        field.density_layer.weight[0, 0] = torch.nan
    with pytest.raises(NerfConvertError, match=r"empty.*2048 densities were NaN"):
        build_occupancy(field, resolution=16)
    mixed = AnalyticField(bodies(box((0.0, 1.0, 0.0), (0.3, 0.3, 0.3))).config, INFO)
    mixed.peak[0] = torch.inf  # infinite in the middle, infinity times zero far away
    with caplog.at_level(logging.WARNING):
        build_occupancy(mixed, resolution=16)
    assert mixed.occupancy.query(torch.tensor([[0.5, 0.5, 0.5]])).all()
    assert "NaN" in caplog.text


@pytest.mark.parametrize("resolution", [0, 12, 2048])
def test_wrong_resolution(resolution):
    with pytest.raises(ValueError, match="resolution"):
        build_occupancy(bodies(), resolution=resolution)


def test_refining_keeps_what_has_density_and_its_neighbours_only():
    field = bodies(box((0.0, 1.0, 0.0), (0.2, 0.4, 0.2)))
    field.occupancy.assign(torch.ones(32, 32, 32, dtype=torch.bool))
    refine_occupancy(field)
    cells = field.occupancy.dense().nonzero()
    assert cells.amin() >= 16 - 6  # 0.2 of each half edge is 3.2 cells, and a neighbour
    assert cells.amax() <= 15 + 6
    assert field.occupancy.query(torch.full((1, 3), 0.5)).all()


def test_without_time_refining_drops_nothing():
    field = bodies(box((0.0, 1.0, 0.0), (0.2, 0.4, 0.2)))
    field.occupancy.assign(torch.ones(32, 32, 32, dtype=torch.bool))
    refine_occupancy(field, seconds=0.0)
    assert field.occupancy.dense().all()
    refine_occupancy(field, seconds=1e6)
    assert not field.occupancy.dense().all()
