"""Tensors that reach a GPU without that the CPU waits for what is queued there."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def constant(values: tuple, like: Tensor) -> Tensor:
    """Numbers, or tuples of them, with the dtype and device of `like`; nobody changes it in place.

    Off the CPU it is made once: a copy of numbers waits for all work before it.
    """
    if like.device.type == "cpu":
        return like.new_tensor(values)
    return _made_once(values, like.dtype, like.device)


@functools.lru_cache(maxsize=256)
def _made_once(values: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def wait_for(device: torch.device) -> None:
    """Returns when a GPU has done all that it was asked for, so that a clock tells what follows."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """`tensor` on `device`. From the CPU it comes through pinned memory, after what is queued
    there; towards the CPU all of it is there when this returns."""
    if tensor.device.type != "cpu":
        return tensor.to(device)
    pinned = tensor.pin_memory() if torch.device(device).type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)
