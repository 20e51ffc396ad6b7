"""hash_encode: tiny-cuda-nn's layout, one point at a time; interpolation."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.kernels.hash_encode import (
    hash_encode,
    level_layout,
    level_layout_from_scale,
    torch_ngp_layout,
)


def encode_one(point, table, first, entries, resolution, scale) -> list[float]:
    """Features of one point in one level, with Python's integers and doubles."""
    p = [x * scale + 0.5 for x in point]
    cell = [math.floor(x) for x in p]
    total = [0.0] * table.shape[1]
    for corner in range(8):
        bits = [corner & 1, corner >> 1 & 1, corner >> 2 & 1]
        x, y, z = (c + b for c, b in zip(cell, bits, strict=True))
        if resolution**3 <= entries:
            index = x + y * resolution + z * resolution * resolution
        else:
            index = (x ^ (y * 2654435761) ^ (z * 805459861)) % 2**32
        weight = 1.0
        for value, base, bit in zip(p, cell, bits, strict=True):
            weight *= value - base if bit else 1 - (value - base)
        row = table[first + index % entries].tolist()
        total = [a + weight * b for a, b in zip(total, row, strict=True)]
    return total


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_against_one_point_at_a_time(backend, width):
    generator = torch.Generator().manual_seed(width)
    offsets, resolutions, scales = level_layout(5, 3, 70, 10)
    offsets = offsets.clone()
    offsets[-1] -= 27  # the last level is hashed over a size that is no power of two
    table = torch.randn(int(offsets[-1]), width, generator=generator, dtype=torch.float64)
    unit = torch.rand(70, 3, generator=generator, dtype=torch.float64)
    unit[0], unit[1] = 0.0, 1.0  # vertex `resolution` of a dense level wraps
    got = hash_encode(unit, table, offsets, resolutions, scales)
    for i, point in enumerate(unit.tolist()):
        want = []
        for level, (size, scale) in enumerate(zip(resolutions.tolist(), scales.tolist())):
            first, end = offsets[level : level + 2].tolist()
            want += encode_one(point, table, first, end - first, size, scale)
        assert got[i].tolist() == pytest.approx(want, abs=1e-12)


def test_layout_of_known_files():
    """Entry counts of instant-ngp's base configuration: 6,098,120 rows, five dense levels."""
    offsets, resolutions, _ = level_layout_from_scale(16, 16, 1.381913, 19)
    assert int(offsets[-1]) == 6_098_120
    assert resolutions[:5].tolist() == [16, 23, 31, 43, 59]
    offsets, resolutions, _ = level_layout(16, 16, 2048, 19)
    assert int(offsets[-1]) == 6_098_120
    assert int(resolutions[-1]) == 2048


def test_layout_rounds_entries_up_to_eight():
    offsets, resolutions, scales = level_layout(2, 3, 5, 19)
    assert resolutions.tolist() == [3, 5]
    assert offsets.tolist() == [0, 32, 32 + 128]
    assert scales.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("bound", "rows"),
    [(1, 6_119_864), (2, 6_328_848), (4, 6_554_024), (8, 6_664_784), (16, 6_837_544)],
)
def test_torch_ngp_layout_of_known_files(bound, rows):
    offsets, strides, scales = torch_ngp_layout(16, 16, 2048 * bound, 19)
    assert int(offsets[-1]) == rows
    assert strides[0] == 17
    assert scales[0] == 15


def test_torch_ngp_layout_against_one_point_at_a_time(backend):
    """A dense level has stride resolution + 1, so that no index wraps."""
    layout = torch_ngp_layout(4, 4, 30, 10)
    offsets, strides, scales = layout
    assert strides.tolist()[0] == 5
    assert int(strides[0]) ** 3 <= int(offsets[1]) < (int(strides[0]) + 1) ** 3
    table = torch.randn(int(offsets[-1]), 2, dtype=torch.float64)
    unit = torch.rand(50, 3, dtype=torch.float64)
    unit[0], unit[1] = 0.0, 1.0
    got = hash_encode(unit, table, *layout)
    for i, point in enumerate(unit.tolist()):
        want = []
        for level in range(4):
            first, end = offsets[level : level + 2].tolist()
            stride, scale = int(strides[level]), float(scales[level])
            want += encode_one(point, table, first, end - first, stride, scale)
        assert got[i].tolist() == pytest.approx(want, abs=1e-12)


def test_linear_field_is_reproduced(backend):
    """A dense level whose entries are linear in their vertex interpolates linearly."""
    n = 9
    offsets, resolutions, scales = level_layout(1, n, n, 19)
    vertex = torch.arange(int(offsets[-1]))
    vertices = torch.stack([vertex % n, vertex // n % n, vertex // n**2], 1).double()
    table = (vertices @ torch.tensor([1.0, -2.0, 0.5]).double())[:, None]
    unit = torch.rand(200, 3, dtype=torch.float64) * 0.9
    got = hash_encode(unit, table, offsets, resolutions, scales)[:, 0]
    want = (unit * (n - 1) + 0.5) @ torch.tensor([1.0, -2.0, 0.5]).double()
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)


def test_outside_is_clamped(backend):
    layout = level_layout(3, 4, 16, 8)
    table = torch.randn(int(layout[0][-1]), 2)
    outside = torch.tensor([[-3.0, 0.5, 2.0], [1.0 + 1e-6, -1e-6, 0.5]])
    got = hash_encode(outside, table, *layout)
    assert torch.equal(got, hash_encode(outside.clamp(0, 1), table, *layout))


def test_many_points_are_deterministic(backend):
    layout = level_layout(6, 4, 64, 10)
    table = torch.randn(int(layout[0][-1]), 2, requires_grad=True)
    unit = torch.rand(3000, 3)
    cotangent = torch.randn(3000, 12)
    grads = [
        torch.autograd.grad(hash_encode(unit, table, *layout), table, cotangent)[0]
        for _ in range(2)
    ]
    assert torch.equal(*grads)
    # every point spreads weight one a level: the gradient sums to the cotangents
    torch.testing.assert_close(
        grads[0].sum(0), cotangent.view(3000, 6, 2).sum((0, 1)), rtol=0, atol=0.02
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": torch.zeros(2, 2)}, "unit must be"),
        ({"table": torch.zeros(4)}, "table must be"),
        ({"scales": torch.zeros(3)}, "scales must be"),
        ({"offsets": torch.tensor([0, 8], dtype=torch.int32)}, "offsets must be torch.int64"),
    ],
)
def test_wrong_arguments(change, message):
    offsets, resolutions, scales = level_layout(1, 4, 4, 9)
    arguments = {
        "unit": torch.rand(5, 3),
        "table": torch.zeros(int(offsets[-1]), 2),
        "offsets": offsets,
        "resolutions": resolutions,
        "scales": scales,
    }
    with pytest.raises(ValueError, match=message):
        hash_encode(**arguments | change)


@pytest.mark.parametrize(
    ("offsets", "resolution", "scale"),
    [
        (63, 4, 3.0),
        (64, 4, 9.0),
        (64, 0, 0.0),
        (64, 4, math.nan),
        (64, 4, -0.6),
        (64, 1 << 40, 1e12),
        (64, 4, math.inf),
    ],
)
def test_layout_that_would_leave_the_table(backend, offsets, resolution, scale):
    if backend == "reference":
        pytest.skip("indexing a tensor checks itself")
    layout = torch.tensor([0, offsets]), torch.tensor([resolution]), torch.tensor([scale])
    with pytest.raises(ValueError, match=r"offsets must ascend|scales must fit"):
        hash_encode(torch.rand(5, 3), torch.zeros(64, 2), *layout)


@pytest.mark.parametrize(
    ("resolution", "entries", "scale", "fits"),
    # The vertex at x = y = z = 1 is v (1 + r + r^2) with v = floor(scale + 0.5) + 1. It wraps once.
    [
        (2, 8, 1.49, True),
        (2, 8, 1.5, False),
        (2, 11, 1.5, True),
        (1, 1, 0.0, False),
        (1, 8, 0.0, True),
    ],
)
def test_a_dense_level_wraps_once(backend, resolution, entries, scale, fits):
    layout = torch.tensor([0, entries]), torch.tensor([resolution]), torch.tensor([scale])
    table = torch.arange(1.0, entries + 1)[:, None].double()
    corner = torch.ones(1, 3, dtype=torch.float64)
    if backend == "native" and not fits:
        with pytest.raises(ValueError, match="scales must fit"):
            hash_encode(corner, table, *layout)
        return
    want = encode_one([1.0] * 3, table, 0, entries, resolution, float(layout[2]))
    assert hash_encode(corner, table, *layout)[0].tolist() == pytest.approx(want, abs=1e-12)


def test_coarsest_level_of_one_cell(backend):
    """base_resolution 1: a single cell, scale 0, every point halfway between its corners."""
    layout = level_layout(2, 1, 4, 9)
    assert layout[1].tolist() == [1, 4]
    table = torch.randn(int(layout[0][-1]), 2, dtype=torch.float64)
    got = hash_encode(torch.rand(9, 3, dtype=torch.float64), table, *layout)
    want = encode_one([0.3] * 3, table, 0, 8, 1, 0.0)
    torch.testing.assert_close(got[:, :2], torch.tensor([want] * 9, dtype=torch.float64))


def test_not_a_number_counts_as_zero(backend):
    layout = level_layout(3, 4, 16, 8)
    table = torch.randn(int(layout[0][-1]), 2, requires_grad=True)
    bad = torch.tensor([[math.nan, 0.5, 0.2], [math.inf, -math.inf, 1e38]])
    good = torch.tensor([[0.0, 0.5, 0.2], [1.0, 0.0, 1.0]])
    got, want = hash_encode(bad, table, *layout), hash_encode(good, table, *layout)
    assert torch.equal(got, want)
    assert torch.equal(*(torch.autograd.grad(x.sum(), table)[0] for x in (got, want)))


def test_layout_arguments():
    with pytest.raises(ValueError, match="finest_resolution"):
        level_layout(4, 16, 8, 19)
    for layout in (level_layout, torch_ngp_layout):
        with pytest.raises(ValueError, match="n_levels"):
            layout(0, 16, 32, 19)
    with pytest.raises(ValueError, match="finest_resolution"):
        torch_ngp_layout(4, 16, 8, 19)
