"""Chooses which backend runs a kernel."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from ..errors import BackendError
from . import library
from .backends import BACKENDS
from .backends.backend import Backend

LOGGER = logging.getLogger(__name__)

_asked: ContextVar[tuple[Backend, ...]] = ContextVar("nerfconvert_backends", default=())


@contextlib.contextmanager
def use_backend(name: str, device: torch.device | None = None) -> Iterator[None]:
    """Context in which kernels run through the backend `name`.

    What it cannot compute runs through the backend of the enclosing context, finally through
    `native` or, where that is not compiled, `reference`. "native" requires compiled kernels: a
    missing one raises BackendError. Raises UnknownNameError, and BackendError where the backend's
    package is missing or broken or it does not run on `device`.
    """
    backend = BACKENDS[name]
    backend.require(device)
    token = _asked.set((backend, *_asked.get()))
    try:
        yield
    finally:
        _asked.reset(token)


def dispatch(kernel: str, *arguments: Any) -> Any:
    """Result of `kernel` on `arguments`, the first a tensor, by the innermost backend of
    `use_backend` that can compute it."""
    for backend in (*_asked.get(), *_always()):
        found = backend.run(kernel, arguments)
        if found is not None:
            return found
    raise AssertionError(f"no reference of '{kernel}'")


@functools.cache
def _always() -> tuple[Backend, ...]:
    return BACKENDS["native"], BACKENDS["reference"]


def is_native(kernel: str, like: Tensor) -> bool:
    """Whether `kernel` is compiled for tensors like `like`; if not, warns once per kind of device.

    Raises BackendError where a missing kernel is required: by `use_backend("native")` or
    NERFCONVERT_REQUIRE_NATIVE=1.
    """
    if library.has_function(kernel, like):
        return True
    demanded = any(backend.name == "native" for backend in _asked.get())
    if demanded or os.environ.get("NERFCONVERT_REQUIRE_NATIVE") == "1":
        folders = ", ".join(map(str, library.library_folders()))
        raise BackendError(
            f"no compiled kernel '{kernel}' for {like.dtype} on {like.device.type}; "
            f"looked in {folders}"
        )
    _warn_once(like.device.type)
    return False


@functools.cache
def _warn_once(device_type: str) -> None:
    LOGGER.warning(
        "no kernels are compiled for %s: torch references run, many times slower, and a budget in "
        "seconds buys as much less; `nerfconvert doctor` says how to get them",
        device_type,
    )


def backend_info() -> dict[str, Any]:
    """What runs the kernels on this machine, as plain values, for `doctor` and reports."""
    asked = _asked.get()
    return {
        **library.library_info(),
        "threads": torch.get_num_threads(),
        "backend": asked[0].name if asked else None,
        "cuda_device": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "require_native": os.environ.get("NERFCONVERT_REQUIRE_NATIVE") == "1",
    }
