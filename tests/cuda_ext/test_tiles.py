"""fused_mlp as processors with AMX compute it, its instructions in software: against float64
products of rounded terms, and against the level without AMX."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import torch

from nerfconvert.kernels import library
from nerfconvert.kernels.fused_mlp import fused_mlp
from nerfconvert.kernels.precision import bfloat16_allowed
from tests.kernels.test_fused_mlp_bfloat16 import NETWORKS, assert_values_and_gradients, network

from .compiled import COMPILER, HERE, SOURCES, compile_library, through
from .test_sanitizers import SANITIZE, sanitizer_runtime, watched

NAMES = ("fused_mlp.cpp", "bfloat.cpp", "bfloat_backward.cpp")
AVX512 = [f"-mavx512{part}" for part in ("f", "bw", "cd", "dq", "vl", "bf16")]
SOFTWARE = ("-DNC_AMX", "-include", str(HERE / "software_tiles.h"))
SMALL = [  # rows, and pairs of them, that do and do not fill registers; beside some, too
    ((3, 1), 0, ()),
    ((64, 64, 64, 32), 0, ()),
    ((30, 40, 48, 64), 34, (0, 2)),
]
WIDE = [*NETWORKS, *SMALL[1:], ((256, 256, 256), 63, (1,))]
# Values and gradients of networks, through the library of a path.
EXERCISE = """
import ctypes, sys
import torch
from nerfconvert.kernels.fused_mlp import fused_mlp
from nerfconvert.kernels.precision import bfloat16_allowed
from tests.cuda_ext.compiled import through
from tests.cuda_ext.test_tiles import SMALL, network
with through(ctypes.CDLL(sys.argv[1])), bfloat16_allowed():
    for widths, more, at in SMALL:
        inputs, weights, biases, beside = network(widths, more, at, rows=257)
        out = fused_mlp(inputs, weights, biases, beside, at)
        torch.autograd.grad(out.sum(), [inputs, *weights, *biases])
print("done")
"""


@pytest.fixture(autouse=True, scope="module")
def _capable():
    if COMPILER is None:
        pytest.skip("no g++ to compile the kernels with")
    if library.supported_level() not in ("bf16", "amx"):
        pytest.skip("this processor has no AVX512-BF16, or the kernels are not compiled")


def compiled(folder: Path, *flags: str) -> Path:
    """The networks for AVX512-BF16."""
    sources = [SOURCES / "ops" / "fused_mlp" / name for name in NAMES]
    return compile_library("cpu", folder, "-mavx2", "-mfma", *AVX512, *flags, sources=sources)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    target = compiled(tmp_path_factory.mktemp("tiles"), "-O1", "-fopenmp", *SOFTWARE)
    return ctypes.CDLL(str(target))


@pytest.mark.parametrize("flags", [(), SOFTWARE], ids=["vectors", "tiles"])
def test_no_sanitizer_complains(flags, tmp_path):
    runtime = sanitizer_runtime()
    if runtime is None:
        pytest.skip("no g++ with an address sanitizer")
    done = watched(EXERCISE, runtime, str(compiled(tmp_path, *SANITIZE, *flags)))
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.split() == ["done"]


@pytest.mark.parametrize(("widths", "more", "at"), WIDE, ids=str)
@pytest.mark.parametrize(("bias", "last_relu"), [(True, False), (False, True)])
def test_values_and_gradients(tiles, widths, more, at, bias, last_relu):
    with through(tiles), bfloat16_allowed():
        assert_values_and_gradients(widths, more, at, bias, last_relu)


def test_near_the_level_without_tiles(tiles):
    """One layer rounds nothing between: only the order of its sums differs."""
    inputs, weights, biases, beside = network((96, 64), 31, (0,))
    results = []
    for level in (tiles, library.load_library("cpu", "bf16")):
        with through(level), bfloat16_allowed():
            out = fused_mlp(inputs, weights, biases, beside, (0,))
            grads = torch.autograd.grad(out.sin().sum(), [inputs, *weights, *biases])
            results.append([out.detach(), *grads])
    for got, want in zip(*results, strict=True):
        scale = float(want.abs().max())
        assert float((got - want).abs().max()) < 2**-8 * scale
        assert float((got - want).abs().mean()) < 1e-4 * scale


def test_points_do_not_meet_and_not_a_number_passes(tiles):
    inputs, weights, biases, _ = network((63, 256, 256, 7), 0, ())
    with through(tiles), bfloat16_allowed():
        clean = fused_mlp(inputs, weights, biases)
        with torch.no_grad():
            inputs[41, 3] = torch.nan
        out = fused_mlp(inputs, weights, biases)
    others = torch.arange(len(out)) != 41
    assert bool(out[41].isnan().all())
    assert torch.equal(out[others], clean[others])
