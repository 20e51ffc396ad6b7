"""Finds the compiled kernels, chooses between them and the references, and calls them.

The libraries know nothing of torch or Python: plain C functions `nc_<op>_<f32|f64>` over raw
pointers, called through ctypes. `nerfconvert_cpu_<level>` exists once per instruction-set level
(`base`, and on x86-64 also `v3` = AVX2 and `v4` = AVX-512); the best one that this processor runs
is loaded. `nerfconvert_cuda` has the same functions for CUDA, float32 only.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import logging
import os
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import BackendError

LOGGER = logging.getLogger(__name__)
LIBRARY = torch.library.Library("nerfconvert", "DEF")
LEVELS = ("base", "v3", "v4")
SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}
FAILURES = {1: "offsets do not describe the samples", 2: "out of memory"}

_forced: ContextVar[str | None] = ContextVar("nerfconvert_backend", default=None)
_foreign: ContextVar[tuple[str | None, Mapping[str, Callable]]] = ContextVar(
    "nerfconvert_foreign", default=(None, {})
)


@contextlib.contextmanager
def use_backend(name: Literal["native", "reference"]) -> Iterator[None]:
    """Within the block every kernel runs compiled, or BackendError; or by its reference."""
    if name not in ("native", "reference"):
        raise ValueError(f"backend must be 'native' or 'reference', got '{name}'")
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


@contextlib.contextmanager
def use_kernels(name: str, kernels: Mapping[str, Callable]) -> Iterator[None]:
    """Within the block these functions, by name of the kernel, run in place of ours on CUDA; `name`
    is whose they are."""
    token = _foreign.set((name, kernels))
    try:
        yield
    finally:
        _foreign.reset(token)


def foreign(kernel: str, *arguments: Any) -> Any:
    """The results of `kernel` by a function of `use_kernels`, or None where ours is to run."""
    function = _foreign.get()[1].get(kernel)
    like = arguments[0]
    if function is None or like.dtype != torch.float32 or like.device.type == "cpu":
        return None
    return function(*arguments)


def register(schema: str, implementation: Callable, fake: Callable) -> None:
    """Defines the torch op `schema` ("name(arguments) -> results"): one implementation for CPU
    and CUDA tensors, and `fake`, which tells the shapes of the results without computing them."""
    name = schema.partition("(")[0]
    LIBRARY.define(schema)
    for device in ("CPU", "CUDA"):
        LIBRARY.impl(name, implementation, device)
    torch.library.register_fake(f"nerfconvert::{name}", fake, lib=LIBRARY)


def differentiate(name: str, backward: Callable, setup_context: Callable) -> None:
    """Makes the torch op `name` differentiable; `backward` calls an op of its own."""
    torch.library.register_autograd(
        f"nerfconvert::{name}", backward, setup_context=setup_context, lib=LIBRARY
    )


def is_native(kernel: str, like: Tensor) -> bool:
    """Does `kernel` run compiled for tensors like this one? Logs the first fall-back.

    Raises BackendError where the compiled kernel is demanded (`use_backend("native")` or
    NERFCONVERT_REQUIRE_NATIVE=1) and missing.
    """
    if _forced.get() == "reference":
        return False
    symbol = f"nc_{kernel}_{SUFFIXES[like.dtype]}"
    library = load_library(like.device.type)
    if library is not None and hasattr(library, symbol):
        return True
    missing = f"no compiled kernel '{kernel}' for {like.dtype} on {like.device.type}"
    if _forced.get() == "native" or os.environ.get("NERFCONVERT_REQUIRE_NATIVE") == "1":
        raise BackendError(f"{missing}; looked in {', '.join(map(str, library_folders()))}")
    _warn_once(like.device.type)
    return False


@functools.cache
def _warn_once(device_type: str) -> None:
    LOGGER.warning("kernels not compiled for %s: the slower torch references run", device_type)


def launch(function: str, like: Tensor, *arguments: Tensor | int | float | None) -> None:
    """Calls `nc_<function>_<dtype>` of the library for `like`'s device on raw pointers.

    A CPU library gets the number of threads as its last argument, CUDA the current stream.
    Tensors must be contiguous. Raises BackendError when the function reports a failure.
    """
    library = load_library(like.device.type)
    symbol = f"nc_{function}_{SUFFIXES[like.dtype]}"
    if library is None or not hasattr(library, symbol):
        raise BackendError(f"no compiled {symbol} for {like.device.type}")
    converted = [_to_c(argument) for argument in arguments]
    if like.device.type == "cuda":
        with torch.cuda.device(like.device):
            stream = torch.cuda.current_stream(like.device).cuda_stream
            status = getattr(library, symbol)(*converted, ctypes.c_void_p(stream))
        why = f"CUDA error {status}"
    else:
        status = getattr(library, symbol)(*converted, ctypes.c_int64(torch.get_num_threads()))
        why = FAILURES.get(status, f"status {status}")
    if status:
        raise BackendError(f"{symbol}: {why}")


def _to_c(argument: Any) -> Any:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, (bool, int)):
        return ctypes.c_int64(argument)
    if isinstance(argument, float):
        return ctypes.c_double(argument)
    return argument


@functools.cache
def load_library(device_type: str, level: str | None = None) -> ctypes.CDLL | None:
    """The compiled library for "cpu" or "cuda", or None where it is not built.

    `level` asks for one instruction-set level instead of the best (tests compare them).
    """
    if device_type == "cuda":
        return _open("nerfconvert_cuda")
    if device_type != "cpu":
        return None
    base = _open("nerfconvert_cpu_base")
    if base is None:
        return None
    supported = LEVELS[: base.nc_isa_level() + 1]
    wanted = [level] if level else reversed(supported)
    opened = (_open(f"nerfconvert_cpu_{name}") for name in wanted if name in supported)
    return next((library for library in opened if library is not None), None)


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
    """Makes an OpenMP runtime visible: torch's own where it is, so that both share its threads."""
    if not hasattr(ctypes.CDLL(None), "GOMP_parallel"):
        with contextlib.suppress(OSError):
            ctypes.CDLL("libgomp.so.1", ctypes.RTLD_GLOBAL)


def library_folders() -> list[Path]:
    """Where compiled libraries may lie: beside the sources, or in site-packages (editable)."""
    package = __name__.split(".")[0]
    spec = importlib.util.find_spec(package)
    roots = [Path(root) for root in (spec.submodule_search_locations or []) if root]
    roots += [Path(sysconfig.get_path(key)) / package for key in ("platlib", "purelib")]
    return list(dict.fromkeys(root / "_native" for root in roots))


def backend_info() -> dict[str, Any]:
    """What runs the kernels here: plain values, for `doctor` and reports."""
    base = _open("nerfconvert_cpu_base")
    cpu = load_library("cpu")
    cuda = load_library("cuda")
    return {
        "cpu_library": cpu._name if cpu else None,
        "isa_level": Path(cpu._name).stem.rpartition("_")[2] if cpu else None,
        "isa_supported": LEVELS[base.nc_isa_level()] if base else None,
        "openmp": bool(cpu.nc_has_openmp()) if cpu else None,
        "threads": torch.get_num_threads(),
        "cuda_library": cuda._name if cuda else None,
        "foreign": _foreign.get()[0],
        "cuda_device": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "require_native": os.environ.get("NERFCONVERT_REQUIRE_NATIVE") == "1",
    }
