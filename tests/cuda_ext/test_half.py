"""Hash tables in half precision: the .cu file through the shim, and how a number is widened."""

from __future__ import annotations

import ctypes
import itertools

import pytest
import torch

from nerfconvert.kernels import KERNELS, library
from nerfconvert.kernels.backends import half

from .compiled import COMPILER, ORDERS, SOURCES, compile_library, ordered, through, with_sizes


def test_half_tables(tmp_path):
    """Equal to the CPU library on the rounded table, with its gradients: for numbers of every
    magnitude that half precision has, among them those below its normal ones, and infinity."""
    cpu = library.load_library("cpu")
    if cpu is None:
        pytest.skip("the kernels are not compiled here")
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA shim with")
    source = SOURCES / "ops" / "hash_encode" / "hash_encode.cu"
    shim = ctypes.CDLL(str(compile_library("shim", tmp_path, "-O1", sources=[source])))
    for size, seed in itertools.product((0, 1, 129), ORDERS):
        unit, table, *layout = with_sizes("hash_encode", size)
        table = table * 10.0 ** torch.arange(-8, 5).repeat(13)[: len(table), None]
        table[0] = torch.tensor([1e6, -0.0, 65504.0])
        with ordered(shim, seed), through(shim):
            mine = table.clone().requires_grad_()
            got = half.hash_encode(unit, mine, *layout)
            got.backward(torch.ones_like(got))
        with through(cpu):
            rounded = table.half().float().requires_grad_()
            want = KERNELS["hash_encode"].fast(unit, rounded, *layout)
            want.backward(torch.ones_like(want))
        assert torch.equal(got.nan_to_num(7.0), want.nan_to_num(7.0))
        torch.testing.assert_close(mine.grad, rounded.grad, rtol=0, atol=1e-4)


def test_every_half_is_widened_exactly(tmp_path):
    """All 65536, by the body that the CPU runs, against torch."""
    if COMPILER is None:
        pytest.skip("no g++ to compile with")
    source = tmp_path / "widen.cpp"
    source.write_text(
        '#include "portable.h"\nNC_API void widen(const nc::Half* x, float* y)'
        " { for (int i = 0; i < 65536; ++i) y[i] = nc::widened(x[i]); }"
    )
    widen = ctypes.CDLL(str(compile_library("cpu", tmp_path, "-O1", sources=[source])))
    every = torch.arange(65536).to(torch.int32).to(torch.int16)
    found = torch.empty(65536)
    widen.widen(ctypes.c_void_p(every.data_ptr()), ctypes.c_void_p(found.data_ptr()))
    want = every.view(torch.float16).float()
    assert torch.equal(found.isnan(), want.isnan())
    numbers = ~want.isnan()
    assert torch.equal(found.view(torch.int32)[numbers], want.view(torch.int32)[numbers])
