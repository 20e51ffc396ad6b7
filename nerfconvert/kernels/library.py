"""Finds the compiled kernels and loads them.

The libraries depend on neither torch nor Python: plain C functions `nc_<function>_<f32|f64>` over
raw pointers, called through ctypes. `nerfconvert_cpu_<level>` exists once per instruction-set level
(`base`, and on x86-64 also `v3` = AVX2, `v4` = AVX-512, `bf16` = AVX512-BF16, `amx` = AMX too; the
last two alone have networks in bfloat16); the best one that this processor supports is loaded, or
that of the environment variable NERFCONVERT_LEVEL. `nerfconvert_cuda` has the same functions for
CUDA, float32 only.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import sysconfig
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import BackendError

LEVELS = ("base", "v3", "v4", "bf16", "amx")
SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}


def symbol(function: str, like: Tensor) -> str:
    """The name in C of a compiled function for the dtype of `like`."""
    return f"nc_{function}_{SUFFIXES[like.dtype]}"


def has_function(function: str, like: Tensor) -> bool:
    """Whether the function is compiled for the dtype and device of `like`."""
    return hasattr(load_library(like.device.type), symbol(function, like))


@functools.cache
def load_library(device_type: str, level: str | None = None) -> ctypes.CDLL | None:
    """The compiled library for "cpu" or "cuda", or None where it is not built.

    `level` selects one instruction-set level instead of the best (tests compare them).
    """
    if device_type == "cuda":
        return _open("nerfconvert_cuda")
    if device_type != "cpu":
        return None
    best = supported_level()
    if best is None:
        return None
    supported = LEVELS[: min(LEVELS.index(best), LEVELS.index(highest_level())) + 1]
    wanted = [level] if level else reversed(supported)
    opened = (_open(f"nerfconvert_cpu_{name}") for name in wanted if name in supported)
    return next((library for library in opened if library is not None), None)


def highest_level() -> str:
    """The best instruction-set level that may be loaded: NERFCONVERT_LEVEL, by default the best of
    all. Raises BackendError for a level that there is not."""
    asked = os.environ.get("NERFCONVERT_LEVEL", LEVELS[-1])
    if asked not in LEVELS:
        raise BackendError(f"NERFCONVERT_LEVEL must be one of {', '.join(LEVELS)}, got '{asked}'")
    return asked


def supported_level() -> str | None:
    """The best instruction-set level that this processor supports; None where nothing is built."""
    base = _open("nerfconvert_cpu_base")
    return LEVELS[base.nc_isa_level()] if base else None


@functools.cache
def _open(stem: str) -> ctypes.CDLL | None:
    for folder in library_folders():
        path = folder / f"{stem}.so"
        if path.is_file():
            _share_openmp()
            return ctypes.CDLL(str(path))
    return None


@functools.cache
def _share_openmp() -> None:
    """Loads OpenMP unless torch has loaded it already; kernels then share its threads."""
    if not hasattr(ctypes.CDLL(None), "GOMP_parallel"):
        with contextlib.suppress(OSError):
            ctypes.CDLL("libgomp.so.1", ctypes.RTLD_GLOBAL)


def library_folders() -> list[Path]:
    """Folders of compiled libraries: beside the sources, or in site-packages (editable)."""
    package = __name__.split(".")[0]
    spec = importlib.util.find_spec(package)
    roots = [Path(root) for root in (spec.submodule_search_locations or []) if root]
    roots += [Path(sysconfig.get_path(key)) / package for key in ("platlib", "purelib")]
    return list(dict.fromkeys(root / "_native" for root in roots))


def library_info() -> dict[str, Any]:
    """The compiled libraries on this machine, as plain values."""
    cpu, cuda = load_library("cpu"), load_library("cuda")
    return {
        "cpu_library": cpu._name if cpu else None,
        "isa_level": Path(cpu._name).stem.rpartition("_")[2] if cpu else None,
        "isa_supported": supported_level(),
        "openmp": bool(cpu.nc_has_openmp()) if cpu else None,
        "cuda_library": cuda._name if cuda else None,
    }
