"""Sizes of new fields, known without building any.

Imports no torch, so that `--help` stays fast.
"""

from __future__ import annotations

import re

from ..adapters import ARCHITECTURES, TRAINABLE
from ..errors import UsageError

# The size of a sparse architecture grows with occupancy; without a scene, this one is assumed.
ASSUMED_OCCUPANCY = 0.05


def rounded(count: int) -> str:
    """A count as short text: '834k', '6.1M', '12M'."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if count >= scale:
            value = count / scale
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return str(count)


def parameters_help() -> str:
    """One line for `--help`: every architecture with the parameters of its sizes."""
    return "; ".join(
        f"{name} {', '.join(rounded(count) for count in ARCHITECTURES[name].sizes.values())}"
        for name in TRAINABLE
    )


def one_size(size: str, max_size: str | None) -> None:
    """Raises UsageError where both are given, or `max_size` is no number of bytes."""
    if parse_bytes(max_size) is not None and size != "base":
        raise UsageError("give --size or --max-size, not both")


def parse_bytes(text: str | None) -> int | None:
    """Bytes of '5MB', '1.5 GB', '300kB', '4MiB' or a plain number. Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmg])(i?))?b?", text.strip().lower())
    if not match:
        raise UsageError(f"--max-size must look like 5MB, got '{text}'")
    scale = (1024 if match[3] else 1000) ** (" kmg".index(match[2]) if match[2] else 0)
    return int(float(match[1]) * scale)


def bytes_figure(count: int | None) -> str:
    """A file size in the largest unit that leaves at least one digit before the point."""
    if count is None:
        return "–"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count} B"
