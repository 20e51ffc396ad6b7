"""Compiles the kernels apart from the package's build, and runs examples through a library."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import torch

from nerfconvert.kernels import KERNELS, library
from nerfconvert.kernels.dispatch import use_backend
from tests.kernels.examples import leaves_of, own

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "cuda_ext"
COMPILER = shutil.which("g++")
# How the shim orders threads and blocks: ascending, and shuffled by a seed.
ORDERS = (0, int(os.environ.get("NERFCONVERT_SHIM_SEED", "1")))
# The flags of cuda_ext/CMakeLists.txt that can change results.
EXACT = ["-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]


def compile_library(kind: str, to: Path, *flags: str, sources: list[Path] | None = None) -> Path:
    """The .cu files on the CPU shim (kind "shim"), or the CPU loops ("cpu"), as a library.

    `sources` replaces the files of the package.
    """
    pattern, language = ("*/*.cu", ["-DNC_CUDA_SHIM"]) if kind != "cpu" else ("**/*.cpp", [])
    files = sorted(map(str, sources or (SOURCES / "ops").glob(pattern)))
    include = [f"-I{SOURCES / 'include'}", f"-I{HERE}"]
    target = to / f"{kind}.so"
    command = [COMPILER, *EXACT, *flags, *language, *include, "-fPIC", "-shared", "-pthread"]
    subprocess.run([*command, "-x", "c++", *files, "-o", str(target)], check=True)
    return target


@contextmanager
def ordered(library: ctypes.CDLL, seed: int):
    """Within the block a library of kind "shim" runs threads and blocks in the order of `seed`, one
    of `ORDERS`; the same seed gives the same order every time."""
    library.shim_order(ctypes.c_uint64(seed))
    try:
        yield library
    finally:
        library.shim_order(ctypes.c_uint64(0))


@contextmanager
def through(compiled: ctypes.CDLL):
    """Within the block every op runs through the library `compiled`."""
    load = library.load_library
    library.load_library = lambda device: compiled
    try:
        with use_backend("native"):
            yield
    finally:
        library.load_library = load


def examples(name: str) -> list[tuple]:
    """A few argument lists of a kernel, float32 on the CPU."""
    make = KERNELS[name].example
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    return [make(generator, torch.device("cpu"), torch.float32) for generator in generators]


def with_sizes(name: str, size: int) -> tuple:
    """Arguments of a kernel for `size` points, unlike its example's."""
    return KERNELS[name].sized(torch.Generator().manual_seed(size), size)


def results(name: str, arguments: tuple, compiled: ctypes.CDLL) -> list[torch.Tensor]:
    """Outputs and gradients (under a cotangent of cosines) of one kernel through a library."""
    kernel = KERNELS[name]
    with through(compiled):
        filled = own(kernel, arguments)
        outputs = kernel.fast(*filled)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if not kernel.differentiable:
            return list(outputs)
        total = sum((x * _cosines(x)).sum() for x in outputs)
        return [x.detach() for x in outputs] + list(
            torch.autograd.grad(total, leaves_of(kernel, filled))
        )


def _cosines(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(x.numel(), dtype=torch.float32).cos().view(x.shape).to(x.device)
