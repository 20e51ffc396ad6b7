"""Crop files: a box of the world as JSON, which `view` exports and `render` takes.

Imports no torch. Layout: ``{"schema": "nerfconvert.crop/1", "min": [x, y, z], "max": [x, y, z]}``,
in world units of the field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from ..errors import FormatError, told_of
from ..files import write_json

SCHEMA = "nerfconvert.crop/1"
LARGEST = 1 << 16  # bytes of a file
Corner = tuple[float, float, float]


def write_crop(path: Path, low: Sequence[float], high: Sequence[float]) -> None:
    """Writes the box between two corners. Raises NerfConvertError where that cannot be."""
    document = {"schema": SCHEMA, "min": [float(x) for x in low], "max": [float(x) for x in high]}
    with told_of(path):
        write_json(path, document)


def read_crop(path: Path) -> tuple[Corner, Corner]:
    """(low, high) corners of the box in a crop file. Raises FormatError."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size:,} bytes, expected a few hundred")
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError(f'expected a JSON object with "schema": "{SCHEMA}"')
        low, high = (_corner(document, name) for name in ("min", "max"))
        if not all(a < b for a, b in zip(low, high)):
            raise ValueError(f"expected min < max on each axis, found {low} and {high}")
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(path, f"not a crop box: {error}") from error
    return low, high


def _corner(document: dict, name: str) -> Corner:
    values = document.get(name)
    numbers = isinstance(values, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < 1e9 for x in values
    )
    if not numbers or len(values) != 3 or not all(map(math.isfinite, values)):
        raise ValueError(f"'{name}' must be three numbers, found {str(values)[:60]}")
    return tuple(float(x) for x in values)
