"""Occupancy in snapshots of instant-ngp: which cells it has, read and written."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.formats import load, save
from nerfconvert.volume import Aabb, FieldInfo
from tests.formats.ngp_snapshots import read, tiny_snapshot, write


def test_occupancy_is_read(tmp_path):
    """Morton order: the lowest bit is the cube's x, which is the world's y."""
    content = tiny_snapshot()
    grid = np.zeros(128**3, np.float16)
    grid[0b001_010_100] = 1.0  # x: bits 0, 3, 6; y: 1, 4, 7; z: 2, 5, 8 = cell (4, 2, 1)
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    bits = [0b001_010_100 >> k & 1 for k in range(9)]
    x, y, z = (sum(bits[axis + 3 * k] << k for k in range(3)) for axis in range(3))
    assert (x, y, z) == (4, 2, 1) or (x, y, z) == (1, 2, 4)
    dense = load(tmp_path / "base.ingp").occupancy.dense()
    assert dense.nonzero().tolist() == [[z, x, y]]


def test_cells_below_the_mean_are_empty(tmp_path):
    """Occupied is above the mean of the first cascade, and above 0.01 at any rate."""
    content = tiny_snapshot()
    grid = np.full(128**3, -1, np.float16)  # never seen
    grid[:1000] = [*[0.001] * 500, *[0.02] * 500]
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    assert load(tmp_path / "base.ingp").occupancy.dense().sum() == 1000
    grid[:1000], grid[1000:] = 0.005, 0.02
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    assert load(tmp_path / "base.ingp").occupancy.dense().sum() == 128**3 - 1000


def test_cascades_are_joined(tmp_path):
    """The first cascade is the middle eighth of a cube of edge 2, the second all of it."""
    content = tiny_snapshot(aabb_scale=2, mitsuba=True)
    grid = np.zeros((2, 128**3), np.float16)
    grid[0, 0] = grid[1, -1] = 1.0
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    found = load(tmp_path / "base.ingp").occupancy.dense().nonzero().tolist()
    assert found == [[32, 32, 32], [127, 127, 127]]


@pytest.mark.parametrize("empty", [b"", None])
def test_without_occupancy_everything_may_be_occupied(empty, tmp_path):
    content = tiny_snapshot()
    content["snapshot"]["density_grid_binary"] = empty
    if empty is None:
        del content["snapshot"]["density_grid_binary"]
    write(tmp_path / "base.ingp", content)
    assert load(tmp_path / "base.ingp").occupancy.fraction() == 1


@pytest.mark.parametrize("shift", [0.0, math.log(2)])
def test_occupancy_survives(shift, tmp_path):
    cube = FieldInfo(aabb=Aabb((-1.0, -0.5, 0.25), (1.0, 1.5, 2.25)))
    field = HashgridField(
        HashgridConfig(n_levels=2, log2_table_size=8, density_shift=shift, axes="yzx"), cube
    )
    field.occupancy.assign(torch.rand(128, 128, 128) < 0.01)
    save(field, tmp_path / "field.ingp")
    assert torch.equal(load(tmp_path / "field.ingp").occupancy.words, field.occupancy.words)


def test_a_box_that_is_no_cube(tmp_path):
    """Nothing is occupied in the rest of the program's cube; nothing inside is lost."""
    info = FieldInfo(aabb=Aabb((0.0, 0.0, 0.0), (1.0, 2.0, 4.0)))
    field = HashgridField(HashgridConfig(n_levels=2, log2_table_size=8, axes="yzx"), info)
    save(field, tmp_path / "field.ingp")
    content = read(tmp_path / "field.ingp")
    grid = np.frombuffer(content["snapshot"]["density_grid_binary"], np.float16)
    assert grid.astype(int).sum() == 128**3 / 8
    assert content["snapshot"]["render_aabb"] == {"min": [0, 0, 0], "max": [0.5, 1.0, 0.25]}
    assert load(tmp_path / "field.ingp").occupancy.fraction() == 1
    del content["nerfconvert"]  # without our note the box is the cube
    write(tmp_path / "field.ingp", content)
    again = load(tmp_path / "field.ingp")
    assert again.aabb == Aabb((0.0, 0.0, 0.0), (4.0, 4.0, 4.0))
    assert again.occupancy.fraction() == pytest.approx(1 / 8)


def test_a_cell_that_is_hardly_occupied_is_left_out(tmp_path):
    """What lies beside occupied cells may be anything. Box: 1 by 1 by 1.6, cube: 1.6."""
    info = FieldInfo(aabb=Aabb((0.0, 0.0, 0.0), (1.0, 1.0, 1.6)))
    field = HashgridField(HashgridConfig(n_levels=2, log2_table_size=8), info)
    dense = torch.zeros(128, 128, 128, dtype=torch.bool)
    dense[8:20, 5, :] = True  # y: 5 to 6 of 128 is 3.125 to 3.75 of the cube's 128
    dense[8:20, 11, :] = True  # 6.875 to 7.5: an eighth of one cell, half of the next
    field.occupancy.assign(dense)
    save(field, tmp_path / "field.ingp")
    del (content := read(tmp_path / "field.ingp"))["nerfconvert"]
    write(tmp_path / "field.ingp", content)
    found = load(tmp_path / "field.ingp").occupancy.dense()
    x, y, _ = found.nonzero().unique(dim=0).unbind(1)
    assert sorted(set(y.tolist())) == [3, 7]
    assert sorted(set(x.tolist())) == [5, 6, 7, 8, 9, 10, 11]  # 12 is half in x, half in y
