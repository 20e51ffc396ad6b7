"""rebuild: a field from the config and tensors of an untrusted file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...errors import FormatError
from ...volume import Field, FieldInfo, OccupancyGrid

OCCUPANCY = "occupancy.words"
REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # converted to each other
FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)
LONGEST_NAME = 100  # characters of a name that are shown


class WithoutMemory(TorchFunctionMode):
    """Mode in which new tensors have a shape but no memory; `torch.tensor` of given numbers stays
    real, so that a constructor can compute with it."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in FACTORIES:
            kwargs["device"] = "meta"
        if function is nn.init.normal_:  # torch would import its compiler, which takes seconds
            return kwargs["tensor"]
        return function(*args, **kwargs)


def rebuild(
    path: Path,
    field_class: type[Field],
    config: Any,
    info: FieldInfo,
    tensors: dict[str, Tensor],
    occupancy_resolution: int = 128,
) -> Field:
    """`field_class(config, info)` holding `tensors`, which must be exactly those it needs.

    The occupancy may be missing; it is then full. Everything is checked before the field takes
    memory. Raises FormatError naming the first tensor that is missing, left over, of another
    shape or not finite.
    """
    with WithoutMemory():
        blueprint = field_class(config, info)
        blueprint.occupancy = OccupancyGrid(occupancy_resolution)
        try:
            blueprint.take_sizes({name: tensor.shape for name, tensor in tensors.items()})
        except ValueError as problem:
            raise FormatError(path, str(problem)) from None
        expected = blueprint.state_dict()
    if OCCUPANCY not in tensors:
        expected.pop(OCCUPANCY)
    check(path, expected, tensors)
    field = field_class(config, info)
    field.occupancy = OccupancyGrid(occupancy_resolution)
    field.load_state_dict(tensors, strict=OCCUPANCY in tensors)
    return field


def check(path: Path, expected: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Raises FormatError unless `tensors` are finite, with the names, shapes and kinds of
    `expected`."""
    missing, extra = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing or extra:
        kind, names = ("is missing", missing) if missing else ("is not expected", extra)
        raise FormatError(path, f"tensor {min(names)[:LONGEST_NAME]} {kind}")
    for name, blank in expected.items():
        found = tensors[name]
        if found.shape != blank.shape:
            raise FormatError(
                path, f"tensor {name} has shape {list(found.shape)}; expected {list(blank.shape)}"
            )
        both_real = found.dtype in REAL and blank.dtype in REAL
        if found.dtype != blank.dtype and not both_real:
            raise FormatError(path, f"tensor {name} holds {found.dtype}; expected {blank.dtype}")
        invalid = found.numel() - int(torch.count_nonzero(found.isfinite()))
        if invalid:
            raise FormatError(
                path, f"tensor {name} has {invalid} NaN or infinite numbers; expected none"
            )
