"""The .cu files themselves, run on the CPU through the shim, against the CPU library: threads in
ascending order and in a shuffled one."""

from __future__ import annotations

import ctypes
import itertools

import pytest
import torch

from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.library import load_library

from .compiled import (
    COMPILER,
    ORDERS,
    SOURCES,
    compile_library,
    examples,
    ordered,
    results,
    with_sizes,
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA shim with")
    folder = tmp_path_factory.mktemp("shim")
    return ctypes.CDLL(str(compile_library("shim", folder, "-O1")))


@pytest.fixture(params=ORDERS, ids=lambda seed: f"seed{seed}")
def shim(compiled, request):
    with ordered(compiled, request.param) as library:
        yield library


@pytest.mark.parametrize("name", list(KERNELS))
def test_cuda_sources_match_the_cpu_library(shim, name):
    cpu = load_library("cpu")
    if cpu is None:
        pytest.skip("the kernels are not compiled here")
    for arguments in examples(name):
        assert_same(name, results(name, arguments, shim), results(name, arguments, cpu))


def assert_same(name: str, cuda: list[torch.Tensor], host: list[torch.Tensor]) -> None:
    """What the kernel says is exact bit for bit, all else within 2e-5 of the largest value."""
    kernel = KERNELS[name]
    exact = len(host) if kernel.exact_gradients else kernel.exact_outputs
    for i, (got, want) in enumerate(zip(cuda, host, strict=True)):
        assert got.dtype == want.dtype
        scale = 0.0 if i < exact or not want.numel() else 2e-5 * max(1.0, float(want.abs().max()))
        torch.testing.assert_close(got, want, rtol=0, atol=scale)


@pytest.mark.parametrize("widths", [(7, 5), (33, 97, 3), (4, 200, 130, 1)])
def test_fused_mlp_blocks(shim, widths):
    """Every block size of the CUDA kernel, more points than one block, without biases."""
    make = torch.Generator().manual_seed(1)
    pairs = itertools.pairwise(widths)
    weights = [torch.randn(o, i, generator=make) / i**0.5 for i, o in pairs]
    arguments = torch.randn(41, widths[0], generator=make), weights, None
    got = results("fused_mlp", arguments, shim)
    doubles = arguments[0].double().requires_grad_(), [w.double().requires_grad_() for w in weights]
    exact = KERNELS["fused_mlp"].reference(*doubles)
    cotangent = torch.arange(exact.numel()).float().cos().view(exact.shape).double()
    wanted = torch.autograd.grad(exact, [doubles[0], *doubles[1]], cotangent)
    for mine, want in zip(got, (exact.detach(), *wanted), strict=True):
        torch.testing.assert_close(mine.double(), want, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("size", [0, 1, 3, 129, 300])
@pytest.mark.parametrize("name", list(KERNELS))
def test_sizes(shim, name, size):
    """None, one, and more than a block with a remainder; march and hash equal bit for bit."""
    cpu = load_library("cpu")
    if cpu is None:
        pytest.skip("the kernels are not compiled here")
    arguments = with_sizes(name, size)
    assert_same(name, results(name, arguments, shim), results(name, arguments, cpu))


def test_march_sizes_have_samples(shim):
    """The comparison above is not one of nothing with nothing."""
    arguments = KERNELS["march"].sized(torch.Generator().manual_seed(1), 300)
    counts = results("march", arguments, shim)
    assert 300 < len(counts[0])
    assert int((counts[2].diff() > 0).sum()) > 50


def test_every_op_has_its_sources():
    for name in KERNELS:
        folder = SOURCES / "ops" / name
        assert {f"{name}.{end}" for end in ("h", "cpp", "cu")} <= {x.name for x in folder.iterdir()}
