"""rebuild: a field from a config and tensors that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FormatError
from ..volume import FieldInfo, OccupancyGrid, RadianceField

OCCUPANCY = "occupancy.words"


def rebuild(
    path: Path,
    field_class: type[RadianceField],
    config: Any,
    info: FieldInfo,
    tensors: dict[str, Tensor],
    occupancy_resolution: int = 128,
) -> RadianceField:
    """`field_class(config, info)` holding `tensors`, which must be exactly those it needs.

    The occupancy may be missing; it is then full. Everything is checked before the field takes
    memory. Raises FormatError naming the first tensor that is missing, left over, of another
    shape or not finite.
    """
    with torch.device("meta"):
        blueprint = field_class(config, info)
        blueprint.occupancy = OccupancyGrid(occupancy_resolution)
        expected = {name: tuple(t.shape) for name, t in blueprint.state_dict().items()}
    if OCCUPANCY not in tensors:
        expected.pop(OCCUPANCY)
    check(path, expected, tensors)
    field = field_class(config, info)
    field.occupancy = OccupancyGrid(occupancy_resolution)
    field.load_state_dict(tensors, strict=OCCUPANCY in tensors)
    return field


def check(path: Path, expected: dict[str, tuple[int, ...]], tensors: dict[str, Tensor]) -> None:
    """Raises FormatError unless `tensors` have the expected names and shapes and are finite."""
    missing, extra = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing or extra:
        kind, names = ("is missing", missing) if missing else ("is not expected", extra)
        raise FormatError(path, f"tensor {min(names)} {kind}")
    for name, shape in expected.items():
        found = tensors[name]
        if tuple(found.shape) != shape:
            raise FormatError(
                path, f"tensor {name} has shape {list(found.shape)}; expected {list(shape)}"
            )
        if found.is_floating_point() and not found.isfinite().all():
            count = int((~found.isfinite()).sum())
            raise FormatError(
                path, f"tensor {name} has {count} NaN or infinite numbers; expected none"
            )
