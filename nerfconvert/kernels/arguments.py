"""Checks of kernel arguments: ValueError with the argument's name, what it must be, what it is."""

from __future__ import annotations

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.float64)
MAX_VALUES = 1 << 31  # in a tensor with one row per point: the reach of 32-bit indices


def check_shape(name: str, tensor: Tensor, *shape: int | str) -> None:
    """Raises unless `tensor` has this shape; a string is a free size, named for the message."""
    fits = tensor.ndim == len(shape) and all(
        isinstance(want, str) or want == size for want, size in zip(shape, tensor.shape)
    )
    if not fits:
        wanted = ", ".join(str(size) for size in shape)
        raise ValueError(f"{name} must be [{wanted}], got {list(tensor.shape)}")


def check_float(name: str, tensor: Tensor) -> None:
    """Raises unless `tensor` is float32 or float64."""
    if tensor.dtype not in FLOATS:
        raise ValueError(f"{name} must be float32 or float64, got {tensor.dtype}")


def check_like(name: str, tensor: Tensor, first_name: str, first: Tensor) -> None:
    """Raises unless `tensor` has the dtype and device of `first`."""
    if tensor.dtype != first.dtype or tensor.device != first.device:
        raise ValueError(
            f"{name} must be {first.dtype} on {first.device} like {first_name}, "
            f"got {tensor.dtype} on {tensor.device}"
        )


def check_integer(name: str, tensor: Tensor, first: Tensor) -> None:
    """Raises unless `tensor` is int64 on the device of `first`."""
    if tensor.dtype != torch.int64 or tensor.device != first.device:
        raise ValueError(
            f"{name} must be torch.int64 on {first.device}, got {tensor.dtype} on {tensor.device}"
        )


def check_count(name: str, tensor: Tensor, width: int) -> None:
    """Raises where a result with `width` values for each row of `tensor` would be too large."""
    most = (MAX_VALUES - 1) // max(width, 1)
    if tensor.shape[0] > most:
        raise ValueError(
            f"{name} must be at most {most} rows, of {width} values each in the result, "
            f"got {tensor.shape[0]}; ask in parts"
        )
