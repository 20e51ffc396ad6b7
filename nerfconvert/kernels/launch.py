"""Calls a compiled function on tensors, after checking the arguments against its C prototype."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import torch
from torch import Tensor

from ..errors import BackendError
from . import library

KINDS = {ctypes.c_int64: "int64", ctypes.c_double: "double"}
FAILURES = {1: "offsets do not describe the samples", 2: "out of memory"}


def launch(name: str, like: Tensor, *arguments: Any) -> None:
    """Calls `nc_<name>_<dtype>` of the library for `like`'s device on raw pointers.

    Tensors must be contiguous; a list becomes an array of their pointers or of its numbers, an
    empty one a null pointer. A CPU library gets the number of threads as its last argument, CUDA
    the current stream. Raises BackendError where the function is missing, takes other arguments or
    reports a failure.
    """
    loaded, symbol = library.load_library(like.device.type), library.symbol(name, like)
    function = getattr(loaded, symbol, None)
    if function is None:
        raise BackendError(f"no compiled {symbol} for {like.device.type}")
    given = [_to_c(argument) for argument in arguments]
    _check(symbol, _compiled_arguments(loaded, symbol), given)
    if like.device.type == "cuda":
        with torch.cuda.device(like.device):
            stream = torch.cuda.current_stream(like.device).cuda_stream
            status = function(*given, ctypes.c_void_p(stream))
        why = f"CUDA error {status}"
    else:
        status = function(*given, ctypes.c_int64(torch.get_num_threads()))
        why = FAILURES.get(status, f"status {status}")
    if status:
        raise BackendError(f"{symbol}: {why}")


def _to_c(argument: Any) -> Any:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, list):
        return _array(argument)
    if isinstance(argument, (bool, int)):
        return ctypes.c_int64(argument)
    if isinstance(argument, float):
        return ctypes.c_double(argument)
    return argument


def _array(values: list[Tensor] | list[int]) -> Any:
    """A C array of the tensors' addresses, or of the numbers as int64."""
    if not values:
        return ctypes.c_void_p(None)
    if isinstance(values[0], Tensor):
        return (ctypes.c_void_p * len(values))(*(tensor.data_ptr() for tensor in values))
    return (ctypes.c_int64 * len(values))(*values)


def _check(symbol: str, arguments: tuple[tuple[str, str], ...], given: list[Any]) -> None:
    if len(given) != len(arguments):
        names = ", ".join(name for _, name in arguments)
        raise BackendError(f"{symbol} takes {len(arguments)} arguments ({names}), got {len(given)}")
    for (kind, name), value in zip(arguments, given):
        if kind_of(value) != kind:
            raise BackendError(f"{symbol}: {name} must be {kind}, got {kind_of(value)}")


def kind_of(value: Any) -> str:
    """The C type of an argument: int64, double or pointer."""
    return KINDS.get(type(value), "pointer")


@functools.cache
def _compiled_arguments(loaded: ctypes.CDLL, symbol: str) -> tuple[tuple[str, str], ...]:
    """Kind and name of each argument of a function but the last (threads or stream)."""
    tell = getattr(loaded, f"{symbol}_arguments", None)
    if tell is None:
        raise BackendError(f"{loaded._name} was built from other sources: build the kernels again")
    tell.restype = ctypes.c_char_p
    return parse_arguments(symbol, tell().decode())


def parse_arguments(function: str, text: str) -> tuple[tuple[str, str], ...]:
    """Kind and name of each argument of a C prototype: of "const T* unit", "pointer" and "unit".

    Raises BackendError, naming `function`, for an argument of a type that `launch` cannot pass.
    """
    kinds = {"int64_t": "int64", "double": "double"}
    found = []
    for argument in text.split(","):
        declared, _, name = argument.strip().rpartition(" ")
        kind = "pointer" if "*" in argument else kinds.get(declared.strip())
        if kind is None:
            raise BackendError(
                f"{function}: argument '{argument.strip()}' must be int64_t, double or a pointer"
            )
        found.append((kind, name.strip("*")))
    return tuple(found)
