"""half: hash grids with tables read in half precision, which halves the memory traffic.

Sums, gradients and the table that is trained and saved stay in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from ..dispatch import is_native
from ..hash_encode import table_gradient
from ..launch import launch
from ..torch_ops import differentiate, register
from .backend import Backend

_rounded = WeakIdKeyDictionary()  # table -> (its version, the table in half precision)


def hash_encode(
    unit: Tensor, table: Tensor, offsets: Tensor, resolutions: Tensor, scales: Tensor
) -> Tensor | None:
    """`kernels.hash_encode` of `table` rounded to half precision, bit for bit; gradients reach
    `table` as if it had not been rounded."""
    if not is_native("hash_encode_half", unit):
        return None
    layout = offsets, resolutions, scales
    return torch.ops.nerfconvert.hash_encode_half(unit, table, in_half(table), *layout)


def in_half(table: Tensor) -> Tensor:
    """`table` as float16, cached until `table` changes."""
    version, half = _rounded.get(table, (None, None))
    if version != table._version:
        half = table.detach().half().contiguous()
        _rounded[table] = table._version, half
    return half


def _forward(unit, table, half, offsets, resolutions, scales):
    levels, width = len(resolutions), half.shape[1]
    features = unit.new_empty(len(unit), levels * width)
    inputs = unit.contiguous(), half, *(x.contiguous() for x in (offsets, resolutions, scales))
    launch("hash_encode_half", unit, len(unit), levels, width, *inputs, features)
    return features


def _fake(unit, table, half, offsets, resolutions, scales):
    return unit.new_empty(unit.shape[0], resolutions.shape[0] * half.shape[1])


def _setup_context(ctx, inputs, output):
    unit, table, _, *layout = inputs
    ctx.save_for_backward(unit, *layout)
    ctx.entries = table.shape[0]


def _autograd(ctx, grad_features):
    return None, table_gradient(ctx, grad_features), None, None, None, None


register(
    "hash_encode_half(Tensor unit, Tensor table, Tensor half, Tensor offsets, Tensor resolutions, "
    "Tensor scales) -> Tensor",
    _forward,
    _fake,
)
differentiate("hash_encode_half", _autograd, _setup_context)


HALF = Backend(name="half", implementations={"hash_encode": hash_encode}, cuda_only=True)
