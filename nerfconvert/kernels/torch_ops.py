"""Defines the torch ops of the compiled kernels: their schemas, shapes and gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch

LIBRARY = torch.library.Library("nerfconvert", "DEF")


def register(schema: str, implementation: Callable, fake: Callable) -> None:
    """Defines the torch op `schema` ("name(arguments) -> results"): one implementation for CPU and
    CUDA tensors, and `fake`, which gives the shapes of the results without computing them."""
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
