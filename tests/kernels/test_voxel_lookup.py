"""voxel_lookup: closed forms, one point at a time, missing vertices, order and threads."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from nerfconvert.kernels.voxel_lookup import (
    bricks_per_axis,
    first_rows,
    list_vertices,
    pack_vertices,
    voxel_lookup,
)


def lattice(cells: int, share: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Presence [c + 1]^3, words and first rows of a random lattice."""
    stored = torch.rand((cells + 1,) * 3) < share
    words = pack_vertices(stored)
    return stored, words, first_rows(words)


def look_up_one(point, rows: dict, cells: int, width: int) -> list[float]:
    """Features of one point from a dictionary of stored vertices, with Python's doubles."""
    scaled = [x * cells for x in point]
    cell = [min(math.floor(x), cells - 1) for x in scaled]
    total = [0.0] * width
    for shift in itertools.product((0, 1), repeat=3):
        vertex = tuple(c + s for c, s in zip(cell, shift, strict=True))
        weight = 1.0
        for value, base, side in zip(scaled, cell, shift, strict=True):
            weight *= value - base if side else 1 - (value - base)
        row = rows.get(vertex, [0.0] * width)
        total = [a + weight * b for a, b in zip(total, row, strict=True)]
    return total


@pytest.mark.parametrize(("cells", "width"), [(1, 1), (3, 28), (4, 2), (11, 28), (13, 5)])
def test_against_one_point_at_a_time(backend, cells, width):
    stored, words, first = lattice(cells, 0.5)
    table = torch.randn(int(stored.sum()), width, dtype=torch.float64)
    rows = {tuple(v): row.tolist() for v, row in zip(list_vertices(words).tolist(), table)}
    assert len(rows) == len(table)
    unit = torch.rand(60, 3, dtype=torch.float64)
    unit[0], unit[1] = 0.0, 1.0
    got = voxel_lookup(unit, table, words, first, cells)
    for point, features in zip(unit.tolist(), got.tolist(), strict=True):
        assert features == pytest.approx(look_up_one(point, rows, cells, width), abs=1e-12)


@pytest.mark.parametrize("cells", [1, 4, 7, 16])
def test_packing_and_listing_are_inverse(cells):
    stored, words, first = lattice(cells, 0.3)
    assert len(words) == bricks_per_axis(cells) ** 3
    vertices = list_vertices(words)
    assert len(vertices) == int(stored.sum())
    again = torch.zeros_like(stored)
    again[tuple(vertices.T)] = True
    assert torch.equal(again, stored)
    counts = torch.tensor([int(word).bit_count() for word in (words & (2**62 - 1)).tolist()])
    counts += ((words >> 62) & 1) + ((words >> 63) & 1)
    assert torch.equal(first, counts.cumsum(0) - counts)


def test_full_words_count_64():
    words = torch.full((8,), -1)
    assert first_rows(words).tolist() == [64 * i for i in range(8)]


def test_linear_function_is_reproduced(backend):
    cells = 10
    stored, words, first = lattice(cells, 1.1)
    slope = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]).double()
    table = list_vertices(words).double() / cells @ slope.T + 0.25
    assert len(table) == stored.numel()
    unit = torch.rand(300, 3, dtype=torch.float64)
    unit[:2] = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    got = voxel_lookup(unit, table, words, first, cells)
    torch.testing.assert_close(got, unit @ slope.T + 0.25, rtol=0, atol=1e-12)


def test_a_missing_vertex_is_zero(backend):
    cells = 5
    stored = torch.zeros((cells + 1,) * 3, dtype=torch.bool)
    stored[2, 3, 4] = True
    words = pack_vertices(stored)
    table = torch.tensor([[8.0, 1.0]])
    vertex = torch.tensor([2.0, 3.0, 4.0])
    shifts = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [-0.5, 0.5, 0.5], [1, 0, 0], [-1.5, 0, 0]])
    got = voxel_lookup((vertex + shifts) / cells, table, words, first_rows(words), cells)
    torch.testing.assert_close(got[:, 0], torch.tensor([8.0, 4.0, 1.0, 0.0, 0.0]))
    assert not voxel_lookup(torch.rand(9, 3) * 0.3, table, words, first_rows(words), cells).any()


def test_nothing_is_stored(backend):
    words = torch.zeros(8, dtype=torch.int64)
    table = torch.zeros(0, 28, requires_grad=True)
    got = voxel_lookup(torch.rand(40, 3), table, words, first_rows(words), 7)
    assert got.shape == (40, 28)
    assert not got.any()
    got.sum().backward()
    assert table.grad.shape == (0, 28)


def test_rows_beyond_the_table_are_missing(backend):
    """Words that promise more than there is, and first rows of another lattice."""
    cells = 6
    words = torch.full((8,), -1)
    table = torch.ones(100, 28)
    inside = voxel_lookup(torch.zeros(1, 3), table, words, first_rows(words), cells)
    assert torch.equal(inside, torch.ones(1, 28))
    assert not voxel_lookup(torch.ones(1, 3), table, words, first_rows(words), cells).any()
    for first in (torch.full((8,), -(1 << 62)), torch.full((8,), 1 << 62), torch.full((8,), -1)):
        got = voxel_lookup(torch.rand(200, 3), table, words, first, cells)
        assert bool(((got >= 0) & (got <= 1.001)).all())


def test_outside_is_clamped_and_nan_is_zero(backend):
    _, words, first = lattice(9, 1.1)
    table = torch.randn(1000, 28)
    bad = torch.tensor([[-3.0, 0.5, 2.0], [math.nan, 0.5, 0.2], [math.inf, -math.inf, 1e38]])
    good = torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.5, 0.2], [1.0, 0.0, 1.0]])
    got = voxel_lookup(bad, table, words, first, 9)
    assert torch.equal(got, voxel_lookup(good, table, words, first, 9))


@pytest.mark.parametrize("width", [28, 3])
def test_gradient_sums_in_one_order(compiled, width):
    """The same bits for any number of threads; every point spreads weight one."""
    _, words, first = lattice(21, 1.1)
    table = torch.randn(22**3, width, requires_grad=True)
    unit, cotangent = torch.rand(20_000, 3), torch.randn(20_000, width)
    before, gradients = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            out = voxel_lookup(unit, table, words, first, 21)
            gradients += torch.autograd.grad(out, table, cotangent)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(g, gradients[0]) for g in gradients)
    torch.testing.assert_close(gradients[0].sum(0), cotangent.sum(0), rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": torch.zeros(2, 2)}, "unit must be"),
        ({"table": torch.zeros(4)}, "table must be"),
        ({"words": torch.zeros(27, dtype=torch.int64)}, "words must be"),
        ({"first": torch.zeros(8)}, "first must be torch.int64"),
        ({"cells": 0}, "cells must be"),
        ({"cells": 4.0}, "cells must be"),
        ({"cells": 2049}, "cells must be"),
    ],
)
def test_wrong_arguments(change, message):
    words = torch.zeros(8, dtype=torch.int64)
    arguments = {
        "unit": torch.rand(5, 3),
        "table": torch.zeros(3, 28),
        "words": words,
        "first": words,
        "cells": 4,
    }
    with pytest.raises(ValueError, match=message):
        voxel_lookup(**arguments | change)


@pytest.mark.parametrize("points", [0, 1, 5000])
@pytest.mark.parametrize("width", [28, 3])
def test_a_sparse_gradient_has_the_touched_rows(compiled, width, points):
    """The very values of the dense one, and no row without a point near it."""
    _, words, first = lattice(21, 0.3)
    rows = int(first[-1])  # those of the last brick lie beyond the table
    table = torch.randn(rows, width, requires_grad=True)
    unit, cotangent = 0.4 * torch.rand(points, 3), torch.randn(points, width)
    sparse, dense = (
        torch.autograd.grad(voxel_lookup(unit, table, words, first, 21, how), table, cotangent)[0]
        for how in (True, False)
    )
    assert sparse.is_coalesced()
    assert torch.equal(sparse.to_dense(), dense)
    touched = dense.any(1).nonzero()[:, 0]
    assert torch.equal(sparse.indices()[0], touched)
    assert len(touched) < 0.2 * rows
