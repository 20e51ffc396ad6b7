"""factor_lookup: one point at a time, separable functions, torch's grid_sample, threads."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import grid_sample

from nerfconvert.kernels.factor_lookup import LINE_AXES, PLANE_AXES, factor_lookup

SIZES = (5, 13, 2)


def factors(sizes, width, dtype=torch.float64) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Random planes and lines for samples along x, y, z."""
    planes = [torch.randn(sizes[a], sizes[b], width, dtype=dtype) for a, b in PLANE_AXES]
    return planes, [torch.randn(sizes[axis], width, dtype=dtype) for axis in LINE_AXES]


def line_at(line: list, x: float) -> list[float]:
    """A list of rows, or of lists of rows, interpolated at x in [0, 1], with Python's doubles."""
    position = x * (len(line) - 1)
    cell = min(math.floor(position), len(line) - 2)
    t = position - cell
    return [a * (1 - t) + b * t for a, b in zip(line[cell], line[cell + 1], strict=True)]


def product_at(point, planes, lines) -> list[float]:
    """Features of one point."""
    on_lines = [line_at(line, point[axis]) for line, axis in zip(lines, LINE_AXES, strict=True)]
    if not planes:
        return [a * b * c for a, b, c in zip(*on_lines, strict=True)]
    features = []
    for plane, axes, on_line in zip(planes, PLANE_AXES, on_lines, strict=True):
        rows = [line_at(row, point[axes[1]]) for row in plane]
        on_plane = line_at(rows, point[axes[0]])
        features += [a * b for a, b in zip(on_plane, on_line, strict=True)]
    return features


@pytest.mark.parametrize("with_planes", [True, False])
@pytest.mark.parametrize(("width", "summed"), [(1, 0), (8, 3), (13, 0), (13, 8), (40, 40)])
def test_against_one_point_at_a_time(backend, with_planes, width, summed):
    planes, lines = factors(SIZES, width)
    planes = planes if with_planes else []
    unit = torch.rand(50, 3, dtype=torch.float64)
    unit[0], unit[1] = 0.0, 1.0
    sums, products = (x.tolist() for x in factor_lookup(unit, planes, lines, summed))
    plain = [p.tolist() for p in planes], [x.tolist() for x in lines]
    for point, total, rest in zip(unit.tolist(), sums, products, strict=True):
        wanted = unit.new_tensor(product_at(point, *plain)).unflatten(0, (-1, width))
        assert total == pytest.approx(float(wanted[:, :summed].sum()), abs=1e-12)
        assert rest == pytest.approx(wanted[:, summed:].flatten().tolist(), abs=1e-12)


def test_against_grid_sample(backend):
    """TensoRF's own way of sampling: planes [1, C, second, first], lines [1, C, samples, 1]."""
    planes, lines = factors((7, 4, 9), 6)
    unit = torch.rand(80, 3, dtype=torch.float64)
    signed = 2 * unit - 1
    wanted = []
    for plane, (a, b), line, c in zip(planes, PLANE_AXES, lines, LINE_AXES, strict=True):
        grid = torch.stack([signed[:, a], signed[:, b]], -1)[None, :, None]
        ends = torch.stack([torch.zeros_like(signed[:, c]), signed[:, c]], -1)[None, :, None]
        on_plane = grid_sample(plane.permute(2, 1, 0)[None], grid, align_corners=True)
        on_line = grid_sample(line.T[None, :, :, None], ends, align_corners=True)
        wanted.append((on_plane * on_line)[0, :, :, 0].T)
    _, got = factor_lookup(unit, planes, lines, 0)
    torch.testing.assert_close(got, torch.cat(wanted, 1), rtol=0, atol=1e-12)


def test_separable_function_is_exact(backend):
    """Linear in each coordinate: lines of samples reproduce x * y * z, planes and lines too."""
    ramps = [torch.linspace(0, 1, n, dtype=torch.float64)[:, None] for n in SIZES]
    lines = [ramps[axis] for axis in LINE_AXES]
    planes = [ramps[a][:, None] * ramps[b][None] for a, b in PLANE_AXES]
    unit = torch.rand(200, 3, dtype=torch.float64)
    wanted = unit.prod(1, keepdim=True)
    torch.testing.assert_close(factor_lookup(unit, [], lines, 0)[1], wanted, rtol=0, atol=1e-14)
    _, got = factor_lookup(unit, planes, lines, 0)
    torch.testing.assert_close(got, wanted.expand(-1, 3), rtol=0, atol=1e-14)


def test_outside_is_clamped_and_nan_is_zero(backend):
    planes, lines = factors(SIZES, 9, torch.float32)
    bad = torch.tensor([[-3.0, 0.5, 2.0], [math.nan, 0.5, 0.2], [math.inf, -math.inf, 1e38]])
    good = torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.5, 0.2], [1.0, 0.0, 1.0]])
    for got, wanted in zip(*(factor_lookup(x, planes, lines, 4) for x in (bad, good)), strict=True):
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("with_planes", [True, False])
@pytest.mark.parametrize("summed", [0, 2, 5])
def test_gradients(backend, with_planes, summed):
    """Of sums and of products, where there are both and where there is one of them."""
    planes, lines = factors(SIZES, 5)
    leaves = [x.requires_grad_() for x in (*(planes if with_planes else []), *lines)]
    unit = torch.rand(30, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda *x: factor_lookup(unit, list(x[:-3]), list(x[-3:]), summed), leaves
    )


def test_sums_alone_have_gradients(backend):
    """A field whose colors were not asked for."""
    planes, lines = factors(SIZES, 5)
    leaves = [x.requires_grad_() for x in (*planes, *lines)]
    unit = torch.rand(30, 3, dtype=torch.float64)
    got = torch.autograd.grad(factor_lookup(unit, planes, lines, 2)[0].sum(), leaves)
    products = factor_lookup(unit, planes, lines, 0)[1].unflatten(1, (3, 5))
    wanted = torch.autograd.grad(products[..., :2].sum(), leaves)
    for mine, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_gradients_repeat_for_a_number_of_threads(threads):
    planes, lines = factors((40, 33, 50), 16, torch.float32)
    leaves = [x.requires_grad_() for x in (*planes, *lines)]
    unit, cotangents = torch.rand(4000, 3), (torch.randn(4000), torch.randn(4000, 36))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        runs = [
            torch.autograd.grad(factor_lookup(unit, planes, lines, 4), leaves, cotangents)
            for _ in range(3)
        ]
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in runs[1:] for a, b in zip(runs[0], other, strict=True))


def test_gradients_of_few_planes_only(backend):
    """Factors that need no gradient get none."""
    planes, lines = factors(SIZES, 3)
    planes[1].requires_grad_()
    unit = torch.rand(9, 3, dtype=torch.float64)
    factor_lookup(unit, planes, lines, 1)[1].sum().backward()
    assert bool(planes[1].grad.any())
    assert planes[0].grad is None
    assert lines[0].grad is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lines": []}, "lines must be 3"),
        ({"planes": [torch.zeros(5, 13, 3)]}, "planes 3 or none"),
        ({"lines": [torch.zeros(1, 3), torch.zeros(13, 3), torch.zeros(5, 3)]}, "2 to .* rows"),
        ({"lines": [torch.zeros(2, 3), torch.zeros(13, 4), torch.zeros(5, 3)]}, r"lines\[1\] must"),
        ({"unit": torch.rand(4, 2)}, "unit must be"),
        ({"summed": 4}, "summed must be 0 to 3, got 4"),
        ({"summed": -1}, "summed must be 0 to 3"),
    ],
)
def test_wrong_arguments(change, message):
    planes, lines = factors(SIZES, 3, torch.float32)
    arguments = {"unit": torch.rand(4, 3), "planes": planes, "lines": lines, "summed": 1}
    with pytest.raises(ValueError, match=message):
        factor_lookup(**arguments | change)
