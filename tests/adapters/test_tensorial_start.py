"""tensorial: the start in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.adapters.tensorial.field import (
    INITIALIZED_UNIT,
    TensorialConfig,
    TensorialField,
)
from nerfconvert.formats import load, save
from nerfconvert.kernels.voxel_lookup import list_vertices
from nerfconvert.volume import Aabb, FieldInfo, Pace, Visibility

INFO = FieldInfo(aabb=Aabb((-1.0, -1.0, -1.0), (1.0, 1.0, 1.5)))


def build(**changes) -> TensorialField:
    return TensorialField(TensorialConfig(**{"resolution": 8, **changes}), INFO)


def from_above(count: int = 32) -> Visibility:
    """Fibonacci directions from the upper hemisphere; nothing hides anything."""
    i = torch.arange(count) + 0.5
    z, turn = -i / count, math.pi * (1 + 5**0.5) * i
    r = (1 - z * z).sqrt()
    ways = torch.stack([r * turn.cos(), r * turn.sin(), z], 1)
    return Visibility(
        directions=ways, transmittance=lambda places: places.new_ones(len(places), count)
    )


def ball(density: float = 200.0) -> AnalyticField:
    body = {"kind": "box", "center": (0, 0, 0.2), "size": (0.6, 0.5, 0.4), "density": density}
    colored = Primitive(**body, color=(0.9, 0.4, 0.2), softness=0.02)
    field = AnalyticField(AnalyticConfig(primitives=(colored,)), INFO)
    cells = torch.zeros(32, 32, 32, dtype=torch.bool)
    cells[4:28, 5:27, 6:22] = True
    field.occupancy.assign(cells)
    return field


@pytest.mark.parametrize("activation", ["clamp", "sigmoid"])
def test_start_is_close_to_the_teacher(activation):
    teacher = ball()
    field = build(resolution=64, color_activation=activation)
    field.occupancy.assign(teacher.occupancy.dense())
    field.initialize_from(teacher, from_above(), Pace())
    assert field.cells == 64
    assert float(field.unit) == pytest.approx(INITIALIZED_UNIT)
    assert len(field.table) < 0.21 * 65**3
    positions = torch.rand(4000, 3) * torch.tensor([1.6, 1.4, 1.2]) - torch.tensor([0.8, 0.7, 0.4])
    with torch.no_grad():
        features, truth = field.encode(positions), teacher.encode(positions)
        edge = 0.03
        alpha = 1 - torch.exp(-field.density(features) * edge)
        wanted = 1 - torch.exp(-teacher.density(truth) * edge)
        assert float((alpha - wanted).abs().mean()) < 0.06
        solid = wanted > 0.5
        ways = from_above(len(positions)).directions
        difference = field.color(features, ways) - teacher.color(truth, ways)
        assert float(difference[solid].abs().mean()) < 0.02
    assert field.table.requires_grad


def test_start_keeps_what_is_thin():
    """Smoke of optical depth 0.04 in a voxel, of 1.4 across: beside a solid that would be a rim."""
    teacher = ball(density=1.2)
    field = build(resolution=64)
    field.occupancy.assign(teacher.occupancy.dense())
    field.initialize_from(teacher, from_above(), Pace())
    positions = torch.rand(2000, 3) * torch.tensor([1.0, 0.8, 0.6]) - torch.tensor([0.5, 0.4, 0.1])
    with torch.no_grad():
        truth = teacher.density(teacher.encode(positions))
        found = field.density(field.encode(positions)) / truth
    assert float((found - 1).abs().mean()) < 0.05


def test_start_stores_what_is_seen_only():
    """Half of the box that no camera sees is left out."""
    teacher, everything = ball(), from_above()
    half = Visibility(
        directions=everything.directions,
        transmittance=lambda p: (p[:, :1] > 0).float().expand(-1, 32),
    )
    field = build(resolution=64)
    field.occupancy.assign(teacher.occupancy.dense())
    field.initialize_from(teacher, half, Pace())
    x = list_vertices(field.words)[:, 0]
    assert int(x.min()) >= 31
    field.initialize_from(teacher, everything, Pace())
    assert int(list_vertices(field.words)[:, 0].min()) < 20


def test_start_keeps_the_rim_of_smoke():
    """Most of it lies where a voxel has less depth than beside a solid counts as empty."""
    body = {"kind": "blob", "center": (0, 0, 0.2), "size": (0.3, 0.3, 0.3), "density": 1.0}
    smoke = Primitive(**body, color=(0.9, 0.4, 0.2))
    teacher = AnalyticField(AnalyticConfig(primitives=(smoke,)), INFO)
    teacher.occupancy.assign(torch.ones(32, 32, 32, dtype=torch.bool))
    field = build(resolution=64)
    field.occupancy.assign(teacher.occupancy.dense())
    field.initialize_from(teacher, from_above(), Pace())
    positions = INFO.aabb.from_unit(torch.rand(20_000, 3))
    with torch.no_grad():
        ratio = field.density_at(positions).mean() / teacher.density_at(positions).mean()
    assert 0.85 < float(ratio) < 1.03


def test_a_start_is_finer_where_little_is_filled(tmp_path):
    """Of a box of 40 by 33 by 27 voxels at 64 cells, of which a finer lattice has 330,000."""
    teacher, found = ball(), {}
    for allowed in (0, 50_000, 150_000, 1_000_000):
        field = build(resolution=64, finer_voxels=allowed)
        field.occupancy.assign(teacher.occupancy.dense())
        bound, others = field.trained_size()
        field.initialize_from(teacher, from_above(), Pace())
        assert len(field.table) * 28 <= bound
        path = tmp_path / f"{allowed}.safetensors"
        save(field, path)
        assert path.stat().st_size <= 4 * bound + others + 8192
        assert load(path).cells == field.cells
        with torch.no_grad():
            around = torch.linspace(-1, 1, 20_000)[:, None] * torch.tensor([0.7, 0.01, 0.01])
            around += torch.tensor([0.0, 0.0, 0.2])
            error = torch.exp(-0.02 * field.density_at(around))
            error -= torch.exp(-0.02 * teacher.density_at(around))
        found[allowed] = field.cells, float(error.square().mean())
    assert [cells for cells, _ in found.values()] == [64, 64, 88, 128]
    assert found[1_000_000][1] < 0.7 * found[0][1]
    assert found[1_000_000][1] < found[150_000][1] < found[0][1]
    assert found[50_000][1] == found[0][1]
