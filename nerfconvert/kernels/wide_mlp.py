"""fused_mlp of wide networks on CUDA: a matrix product a layer, on tensor cores where training
allows them. The kernel of our own has none, and is for the narrow networks of hash grids."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

WIDE = 128  # from here on a product fills a GPU by itself
MAX_INPUTS = 256  # that our kernel takes on CUDA


def is_wide(inputs: Tensor, weights: list[Tensor]) -> bool:
    """Whether a network is for `layer_by_layer`: on CUDA, in float32, with a layer that is wide, or
    with more inputs than the kernel takes."""
    on_cuda = inputs.device.type == "cuda" and inputs.dtype == torch.float32
    wide = max(len(weight) for weight in weights) >= WIDE or inputs.shape[1] > MAX_INPUTS
    return on_cuda and wide


def layer_by_layer(
    inputs: Tensor,
    weights: list[Tensor],
    biases: list[Tensor] | None,
    beside: Tensor | None,
    at: tuple[int, ...],
    last_relu: bool,
    dtype: torch.dtype,
) -> Tensor:
    """`fused_mlp` by torch, between the layers in `dtype`; what a narrow last layer sums up, the
    densities and colors of a network, stays in that of the parameters."""
    hidden, last = inputs.to(dtype), len(weights) - 1
    beside = None if beside is None else beside.to(dtype)
    for layer, weight in enumerate(weights):
        bias = biases[layer] if biases else None
        if layer in at:
            hidden = torch.cat([hidden, beside], 1)
        if layer == last and len(weight) < WIDE:
            hidden = hidden.to(weight.dtype)
        hidden = linear(hidden, weight.to(hidden.dtype), _as(bias, hidden.dtype))
        if layer < last or last_relu:
            hidden = hidden.relu()
    return hidden.to(inputs.dtype)


def _as(bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if bias is None else bias.to(dtype)
