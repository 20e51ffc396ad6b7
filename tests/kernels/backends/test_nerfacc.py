"""nerfacc in place of our march and compositing.

On a GPU the package itself; here what we tell it, through stand-ins that do what its documentation
says."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch

from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.backends import nerfacc
from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.volume import OccupancyGrid

from .grids import CPU


def traverse_grids(origins, directions, cells, boxes, near_planes, far_planes, step_size):
    """nerfacc.traverse_grids on one grid: steps added up, kept where their middle is occupied."""
    (low, high), size = boxes.view(2, 3), cells.shape[1]
    values, rays, counts = [], [], []
    for ray in range(len(origins)):
        t, before = near_planes[ray].clone(), len(values)
        while t + 0.5 * step_size < min(float(far_planes[ray]), 20.0):
            middle = t + 0.5 * step_size
            cell = ((origins[ray] + middle * directions[ray] - low) / (high - low) * size).floor()
            if bool(((cell >= 0) & (cell < size)).all()) and cells[0][tuple(cell.long())]:
                values.append(middle)
                rays.append(ray)
            t = t + step_size
        counts.append(len(values) - before)
    counts = torch.tensor(counts)
    packed = torch.stack([counts.cumsum(0) - counts, counts], 1)
    samples = SimpleNamespace(
        vals=torch.stack(values), ray_indices=torch.tensor(rays), packed_info=packed
    )
    return None, samples, None


def marched_alike(got, want, step: float) -> None:
    """But for a few at borders, the same segments."""
    rays = len(want[2]) - 1
    assert got[2].shape == want[2].shape
    assert int(got[2][-1]) == len(got[0]) == len(got[1])
    counts = [x[2].diff() for x in (got, want)]
    same = (counts[0] == counts[1]).cpu()
    assert int((~same).sum()) <= 0.02 * rays
    mine, theirs = (x[0][same.to(x[1].device)[x[1]]] for x in (got, want))
    assert float((mine - theirs).abs().quantile(0.99)) < 0.05 * step


def test_march_of_nerfacc(monkeypatch):
    stand_in = SimpleNamespace(traverse_grids=traverse_grids)
    monkeypatch.setitem(sys.modules, "nerfacc", stand_in)
    *arguments, _ = KERNELS["march"].sized(torch.Generator().manual_seed(3), 40, 2)
    words = torch.full((8,), -1, dtype=torch.int64)
    words[::3] = 0x0F0F_1234_5678_9ABC
    arguments[-1] = words
    want = KERNELS["march"].reference(*arguments, 0.05)
    assert len(want[0]) > 200
    marched_alike(nerfacc.march(*arguments, 0.05), want, 0.05)


def test_cells_follow_the_words(generator):
    grid = OccupancyGrid(12)
    cells = torch.rand(12, 12, 12, generator=generator) < 0.3
    grid.assign(cells)
    words = grid.words
    assert torch.equal(nerfacc.cells_of(words), cells)
    assert nerfacc.cells_of(words) is nerfacc.cells_of(words)
    words.zero_()
    assert not nerfacc.cells_of(words).any()


def render_weight_from_density(starts, ends, density, packed_info):
    weights = []
    for first, count in packed_info.tolist():
        part = slice(first, first + count)
        optical = density[part] * (ends[part] - starts[part])
        light = torch.exp(-(optical.cumsum(0) - optical))
        weights.append(light * (1 - torch.exp(-optical)))
    return torch.cat(weights), None, None


def accumulate_along_rays(weights, values, ray_indices, n_rays):
    values = weights[:, None] if values is None else weights[:, None] * values
    return values.new_zeros(n_rays, values.shape[1]).index_add(0, ray_indices, values)


def test_composite_of_nerfacc(monkeypatch, generator):
    stand_in = SimpleNamespace(
        render_weight_from_density=render_weight_from_density,
        accumulate_along_rays=accumulate_along_rays,
    )
    monkeypatch.setitem(sys.modules, "nerfacc", stand_in)
    composited_alike(CPU, generator)


def composited_alike(device, generator) -> None:
    arguments = KERNELS["composite"].example(generator, device, torch.float32)
    leaves = [x.requires_grad_() for x in arguments[:2]]
    found = [f(*arguments) for f in (nerfacc.composite, KERNELS["composite"].reference)]
    total = [sum((x * torch.linspace(1, 2, len(x), device=device)[(...,) + (None,) * (x.ndim - 1)])
                 .sum() for x in outputs) for outputs in found]  # fmt: skip
    found = [[*outputs, *torch.autograd.grad(t, leaves)] for outputs, t in zip(found, total)]
    for mine, theirs in zip(*found, strict=True):
        assert mine.shape == theirs.shape
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=2e-5)


def skip_without_nerfacc() -> None:
    """Also where its CUDA part is not compiled: it would be now, for minutes."""
    pytest.importorskip("nerfacc")
    if importlib.util.find_spec("nerfacc.csrc") is None:
        pytest.skip("nerfacc is installed without its CUDA part")


@pytest.mark.needs_cuda
def test_nerfacc_marches_like_ours():
    skip_without_nerfacc()
    *arguments, step = KERNELS["march"].sized(torch.Generator().manual_seed(3), 2000)
    arguments = [x.cuda() for x in arguments]
    with use_backend("nerfacc", torch.device("cuda")):
        found = KERNELS["march"].fast(*arguments, step)
    marched_alike(found, KERNELS["march"].fast(*arguments, step), step)


@pytest.mark.needs_cuda
def test_nerfacc_composites_like_ours(generator):
    skip_without_nerfacc()
    composited_alike(torch.device("cuda"), generator)
