"""Hash tables in half precision: the .cu file through the shim, and how a number is widened."""

from __future__ import annotations

import ctypes
import itertools

import pytest
import torch

from nerfconvert.distiller import ray_buffer
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.recipes import DEFAULT
from nerfconvert.kernels import KERNELS, library
from nerfconvert.kernels.backends import half
from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.renderer import visibility
from nerfconvert.renderer.occupancy import build_occupancy
from tests.pretend_cuda import pretend_cuda
from tests.test_device import VIEWS, student_on, teacher_on, tiny_batches

from .compiled import COMPILER, ORDERS, SOURCES, compile_library, ordered, through, with_sizes


@pytest.fixture
def cpu() -> ctypes.CDLL:
    return library.load_library("cpu") or pytest.skip("the kernels are not compiled here")


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> ctypes.CDLL:
    """The .cu file of hash grids, on the CPU."""
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA shim with")
    source, to = SOURCES / "ops" / "hash_encode" / "hash_encode.cu", tmp_path_factory.mktemp("half")
    return ctypes.CDLL(str(compile_library("shim", to, "-O1", sources=[source])))


def test_half_tables(cpu, shim):
    """Equal to the CPU library on the rounded table, with its gradients: for numbers of every
    magnitude that half precision has, among them those below its normal ones, and infinity."""
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


@pytest.mark.parametrize("first", [0, 1], ids=["aligned", "between"])
@pytest.mark.parametrize("rounded", [False, True], ids=["float", "half"])
def test_two_features_are_one_load(cpu, shim, first, rounded):
    """Tables of two features, as most grids have, bit for bit; also where a table begins in the
    middle of two."""
    unit, table, *layout = with_sizes("hash_encode", 129)
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(2 * len(table) + 1, generator=generator).half().float()
    table = numbers[first:][: 2 * len(table)].view(-1, 2)
    look_up = half.hash_encode if rounded else KERNELS["hash_encode"].fast
    with through(shim):
        got = look_up(unit, table, *layout)
    with through(cpu):
        want = KERNELS["hash_encode"].fast(unit, table, *layout)
    assert torch.equal(got, want)


class Both:
    """Functions of one library, else of another."""

    def __init__(self, first: ctypes.CDLL, second: ctypes.CDLL):
        self._libraries = first, second

    def __getattr__(self, name: str):
        first, second = self._libraries
        return getattr(first, name) if hasattr(first, name) else getattr(second, name)


@pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")
@pytest.mark.parametrize("recipe", [DEFAULT, "pvd"])
def test_training_reads_the_table_that_it_trains(cpu, shim, recipe, monkeypatch):
    """Each step in half precision sees what the step before it made."""
    both = Both(cpu, shim)
    monkeypatch.setattr(library, "load_library", lambda device: both)
    monkeypatch.setattr(ray_buffer, "CHUNK_RAYS", 512)
    monkeypatch.setattr(visibility, "MOST_POINTS", 1 << 14)
    config, read, rounded = DistillConfig(seconds=None, steps=3, memory_mb=16), [], half.in_half

    def seen(table):
        found = rounded(table)
        read.append((table._version, torch.equal(found, table.detach().half())))
        return found

    monkeypatch.setattr(half, "in_half", seen)
    with pretend_cuda() as device:
        tiny_batches(device, monkeypatch)
        teacher, student = teacher_on(device), student_on(device)
        build_occupancy(student, resolution=16)  # as coarse as the teacher's: quickly carried over
        with use_backend("half", device):
            distill(teacher, student, VIEWS, config, recipe=recipe)
    assert len({version for version, _ in read}) > 2
    assert all(same for _, same in read)


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
