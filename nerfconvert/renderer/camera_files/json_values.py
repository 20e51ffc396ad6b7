"""Values of a JSON file that nobody vouches for: read with a limit, each checked when used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import FormatError

MOST_BYTES = 64 << 20  # of a file; parsed it takes several times as much


def read_document(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises FormatError."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise FormatError(file, f"not a file of cameras: it is larger than {MOST_BYTES} bytes")
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(file, f"not a JSON file: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise FormatError(file, f"expected a JSON object, got {type(document).__name__}")
    return document


def names_key(path: Path, key: str) -> bool:
    """Whether `path` is a file in which the quoted `key` stands."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return False
        return f'"{key}"'.encode() in path.read_bytes()
    except OSError:
        return False


def number(file: Path, values: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """The finite number `key`. Raises FormatError."""
    value = values.get(key, default)
    try:
        if not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    except OverflowError:
        value = "an integer that is too large"
    raise FormatError(file, f"'{key}' must be a finite number, got {str(value)[:80]}")


def numbers(file: Path, values: Mapping[str, Any], key: str, count: int) -> list[float]:
    """The list of `count` finite numbers `key`. Raises FormatError."""
    found = values.get(key)
    if not isinstance(found, list) or len(found) != count:
        raise FormatError(file, f"'{key}' must be {count} numbers, got {str(found)[:80]}")
    return [number(file, {key: value}, key) for value in found]


def objects(file: Path, document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list `key`, not empty, of objects. Raises FormatError."""
    found = document.get(key)
    if not isinstance(found, list) or not found:
        raise FormatError(file, f"expected a list '{key}' with at least one camera, found none")
    for index, value in enumerate(found):
        if not isinstance(value, dict):
            raise FormatError(file, f"entry {index} of '{key}' is no object")
    return found
