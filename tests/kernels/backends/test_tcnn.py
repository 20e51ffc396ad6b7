"""tiny-cuda-nn in place of our hash grids and perceptrons.

On a GPU the package itself; here what we tell it, through stand-ins that do what its documentation
says."""

from __future__ import annotations

import itertools
import math
import sys
from types import SimpleNamespace

import pytest
import torch

from nerfconvert.errors import BackendError
from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.backends import tcnn
from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.kernels.hash_encode import (
    hash_encode_reference,
    level_layout,
    level_layout_from_scale,
)

from .grids import CPU, GRIDS, gradients, grid_arguments


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
    monkeypatch.setattr("tests.kernels.backends.test_tcnn.padded", lambda rows: -(-rows // 8) * 8)
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


@pytest.mark.needs_cuda
@pytest.mark.parametrize("sizes", GRIDS)
def test_tiny_cuda_nn_encodes_like_ours(sizes):
    pytest.importorskip("tinycudann")
    arguments = grid_arguments(level_layout(*sizes), torch.device("cuda"))
    with use_backend("tcnn", torch.device("cuda")):
        compare("hash_encode", KERNELS["hash_encode"].fast, arguments, [arguments[1]])


@pytest.mark.needs_cuda
@pytest.mark.parametrize("widths", [(32, 64, 16), (32, 64, 64, 3), (7, 16, 16, 16, 33)])
def test_tiny_cuda_nn_computes_perceptrons_like_ours(widths):
    pytest.importorskip("tinycudann")
    arguments = network_arguments(widths, torch.device("cuda"))
    with use_backend("tcnn", torch.device("cuda")):
        compare("fused_mlp", KERNELS["fused_mlp"].fast, arguments, [arguments[0], *arguments[1]])
