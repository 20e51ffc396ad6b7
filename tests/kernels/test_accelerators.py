"""tiny-cuda-nn, nerfacc and half precision in place of our kernels.

On a GPU the packages themselves; here what we tell them, through stand-ins that do what their
documentation says."""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
from types import SimpleNamespace

import pytest
import torch

from nerfconvert.errors import BackendError, UnknownNameError
from nerfconvert.kernels import KERNELS, backend
from nerfconvert.kernels.accelerators import ACCELERATORS, half, nerfacc, tcnn, use_accelerator
from nerfconvert.kernels.hash_encode import (
    hash_encode_reference,
    level_layout,
    level_layout_from_scale,
)
from nerfconvert.volume import OccupancyGrid
from tests.cuda_ext.sizes import march_arguments

CPU = torch.device("cpu")


def padded(rows: int) -> int:
    return -(-rows // 16) * 16


class Encoding(torch.nn.Module):
    """tinycudann.Encoding by our reference."""

    def __init__(self, dimensions: int, config: dict):
        super().__init__()
        assert dimensions == 3
        self.width = config["n_features_per_level"]
        names = "n_levels", "base_resolution", "per_level_scale", "log2_hashmap_size"
        self.layout = level_layout_from_scale(*(config[name] for name in names))
        self.params = torch.nn.Parameter(torch.zeros(int(self.layout[0][-1]) * self.width))

    def forward(self, unit):
        return hash_encode_reference(unit, self.params.view(-1, self.width), *self.layout).half()


class Network(torch.nn.Module):
    """tinycudann.Network: matrices [out, in] in one row, inputs padded with ones to 16."""

    def __init__(self, inputs: int, outputs: int, config: dict):
        super().__init__()
        self.outputs = outputs
        hidden = [config["n_neurons"]] * config["n_hidden_layers"]
        self.shapes = list(itertools.pairwise([padded(inputs), *hidden, padded(outputs)]))
        self.params = torch.nn.Parameter(torch.zeros(sum(a * b for a, b in self.shapes)))

    def forward(self, x):
        x = torch.nn.functional.pad(x, (0, self.shapes[0][0] - x.shape[1]), value=1.0)
        parts = self.params.split([a * b for a, b in self.shapes])
        for layer, (part, (inputs, outputs)) in enumerate(zip(parts, self.shapes, strict=True)):
            x = (x if layer == 0 else x.relu()) @ part.view(outputs, inputs).T
        return x[:, : self.outputs].half()


@pytest.fixture
def tinycudann(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "tinycudann", SimpleNamespace(Encoding=Encoding, Network=Network)
    )
    tcnn._network.cache_clear()
    yield
    tcnn._network.cache_clear()


def gradients(outputs, leaves):
    cotangent = torch.linspace(-1, 1, outputs.numel()).view(outputs.shape).to(outputs)
    return torch.autograd.grad(outputs, leaves, cotangent)


def assert_rounded(got, want):
    """Equal to what half precision tells, and of the same kind."""
    assert got.dtype == want.dtype
    scale = float(want.detach().abs().max())
    torch.testing.assert_close(got, want, rtol=2e-3, atol=2e-3 * scale)


def compare(name: str, function, arguments, leaves) -> None:
    got, want = function(*arguments), KERNELS[name].reference(*arguments)
    assert_rounded(got, want)
    for mine, theirs in zip(gradients(got, leaves), gradients(want, leaves), strict=True):
        assert_rounded(mine, theirs)


GRIDS = [(16, 16, 512, 18), (16, 16, 2048, 19), (5, 7, 33, 10), (1, 4, 4, 8), (3, 4, 4, 20)]


def grid_arguments(layout, device=CPU) -> tuple:
    unit = 1.2 * torch.rand(300, 3) - 0.1
    table = torch.randn(int(layout[0][-1]), 2)
    layout = [x.to(device) for x in layout]
    return unit.to(device), table.to(device).requires_grad_(), *layout


@pytest.mark.parametrize("sizes", GRIDS)
def test_grid_of_tiny_cuda_nn(tinycudann, sizes):
    layout = level_layout(*sizes)
    config = tcnn.grid_config(*layout, 2)
    assert config["n_levels"] == sizes[0]
    assert config["log2_hashmap_size"] <= sizes[3]
    arguments = grid_arguments(layout)
    compare("hash_encode", tcnn.hash_encode, arguments, [arguments[1]])


def test_a_grid_that_tiny_cuda_nn_has_not():
    offsets, resolutions, scales = level_layout(3, 4, 16, 12)
    with pytest.raises(BackendError, match="no grid of these resolutions"):
        tcnn.grid_config(offsets, resolutions, scales * torch.tensor([1, 1.3, 1]), 2)


def network_arguments(widths, device=CPU) -> tuple:
    weights = [torch.randn(o, i) / math.sqrt(i) for i, o in itertools.pairwise(widths)]
    weights = [weight.to(device).requires_grad_() for weight in weights]
    return torch.randn(200, widths[0], device=device, requires_grad=True), weights, None


@pytest.mark.parametrize("widths", [(32, 64, 16), (32, 64, 64, 3), (7, 16, 16, 16, 33)])
def test_perceptron_of_tiny_cuda_nn(tinycudann, widths):
    arguments = network_arguments(widths)
    compare("fused_mlp", tcnn.fused_mlp, arguments, [arguments[0], *arguments[1]])


def test_another_layout_of_tiny_cuda_nn_is_refused(tinycudann, monkeypatch):
    monkeypatch.setattr("tests.kernels.test_accelerators.padded", lambda rows: -(-rows // 8) * 8)
    with pytest.raises(BackendError, match="has 2560 parameters, ours 3072"):
        tcnn.fused_mlp(*network_arguments((32, 64, 3)))


def test_what_tiny_cuda_nn_cannot_compute_is_left_to_ours():
    for widths in ((32, 16), (32, 48, 16), (32, 64, 32, 16)):
        assert tcnn.fused_mlp(*network_arguments(widths)) is None
    inputs, weights, _ = network_arguments((32, 64, 16))
    assert tcnn.fused_mlp(inputs[:0], weights, None) is None
    assert tcnn.fused_mlp(inputs, weights, [torch.zeros(64), torch.zeros(16)]) is None
    unit, table, *layout = grid_arguments(level_layout(2, 4, 16, 8))
    assert tcnn.hash_encode(unit, table[:, :1].repeat(1, 3), *layout) is None


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
    *arguments, _ = march_arguments(torch.Generator().manual_seed(3), 40, 2)
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


def test_half_follows_the_table():
    table = torch.nn.Parameter(torch.randn(5, 2))
    first = half.in_half(table)
    assert torch.equal(first, table.detach().half())
    assert half.in_half(table) is first
    with torch.no_grad():
        table.add_(1.0)
    assert torch.equal(half.in_half(table), table.detach().half())


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


def test_foreign_kernels_run_where_they_can(monkeypatch):
    """In place of ours for float32 on a device; not on the CPU, in float64, or after the block."""
    asked = []
    arguments = KERNELS["hash_encode"].example(torch.Generator(), CPU, torch.float32)
    mine = {"hash_encode": lambda *given: asked.append(given)}
    with backend.use_kernels("mine", mine):
        assert backend.backend_info()["foreign"] == "mine"
        KERNELS["hash_encode"].fast(*arguments)
        assert not asked
        away = [x.to("meta") for x in arguments]
        assert backend.foreign("hash_encode", *away) is None
        assert len(asked) == 1
        assert backend.foreign("hash_encode", away[0].double()) is None
        assert backend.foreign("march", *away) is None
    assert backend.foreign("hash_encode", *away) is None
    assert len(asked) == 1
    assert backend.backend_info()["foreign"] is None


@pytest.mark.parametrize("name", ["tcnn", "nerfacc"])
def test_an_absent_package_is_named(name, monkeypatch):
    find = importlib.util.find_spec
    package = ACCELERATORS[name].package
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == package else find(n))
    told = rf"{package}, which is not installed: .*pip install"
    with pytest.raises(BackendError, match=told), use_accelerator(name, torch.device("cuda")):
        pass


def test_accelerators_need_cuda(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    told = "CUDA only, got --device cpu"
    for name in ACCELERATORS:
        with pytest.raises(BackendError, match=told), use_accelerator(name, CPU):
            pass


def test_an_unknown_backend():
    with pytest.raises(UnknownNameError, match="did you mean 'tcnn'"), use_accelerator("tcn", CPU):
        pass


@pytest.mark.needs_cuda
@pytest.mark.parametrize("sizes", GRIDS)
def test_half_tables_are_rounded_tables(sizes):
    """The values bit for bit, whose gradients are those of the table itself."""
    unit, table, *layout = grid_arguments(level_layout(*sizes), torch.device("cuda"))
    rounded = table.detach().half().float().requires_grad_()
    want = KERNELS["hash_encode"].fast(unit, rounded, *layout)
    with use_accelerator("half", torch.device("cuda")):
        got = KERNELS["hash_encode"].fast(unit, table, *layout)
    assert torch.equal(got, want)
    mine, theirs = gradients(got, [table])[0], gradients(want, [rounded])[0]
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.needs_cuda
@pytest.mark.parametrize("sizes", GRIDS)
def test_tiny_cuda_nn_encodes_like_ours(sizes):
    pytest.importorskip("tinycudann")
    arguments = grid_arguments(level_layout(*sizes), torch.device("cuda"))
    with use_accelerator("tcnn", torch.device("cuda")):
        compare("hash_encode", KERNELS["hash_encode"].fast, arguments, [arguments[1]])


@pytest.mark.needs_cuda
@pytest.mark.parametrize("widths", [(32, 64, 16), (32, 64, 64, 3), (7, 16, 16, 16, 33)])
def test_tiny_cuda_nn_computes_perceptrons_like_ours(widths):
    pytest.importorskip("tinycudann")
    arguments = network_arguments(widths, torch.device("cuda"))
    with use_accelerator("tcnn", torch.device("cuda")):
        compare("fused_mlp", KERNELS["fused_mlp"].fast, arguments, [arguments[0], *arguments[1]])


def skip_without_nerfacc() -> None:
    """Also where its CUDA part is not compiled: it would be now, for minutes."""
    pytest.importorskip("nerfacc")
    if importlib.util.find_spec("nerfacc.csrc") is None:
        pytest.skip("nerfacc is installed without its CUDA part")


@pytest.mark.needs_cuda
def test_nerfacc_marches_like_ours():
    skip_without_nerfacc()
    *arguments, step = march_arguments(torch.Generator().manual_seed(3), 2000)
    arguments = [x.cuda() for x in arguments]
    with use_accelerator("nerfacc", torch.device("cuda")):
        found = KERNELS["march"].fast(*arguments, step)
    marched_alike(found, KERNELS["march"].fast(*arguments, step), step)


@pytest.mark.needs_cuda
def test_nerfacc_composites_like_ours(generator):
    skip_without_nerfacc()
    composited_alike(torch.device("cuda"), generator)
