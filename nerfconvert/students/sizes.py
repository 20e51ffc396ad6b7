"""Sizes of new fields, known without building any.

Imports no torch, so that `--help` stays fast.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..adapters import ARCHITECTURES, SIZES, TRAINABLE
from ..errors import UnknownNameError, UnsupportedError, UsageError

# The size of a sparse architecture grows with occupancy; without a scene, this one is assumed.
ASSUMED_OCCUPANCY = 0.05
SMALLEST_PART = 0.02  # of its parameters in the table: what a sparse scene may leave


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


def check_trainable(architecture: str, size: str) -> None:
    """Raises UnknownNameError for an architecture or a size that is not in the table,
    UnsupportedError for an architecture that is only read."""
    if architecture not in ARCHITECTURES:
        raise UnknownNameError("architecture", architecture, TRAINABLE)
    if architecture not in TRAINABLE:
        known = ", ".join(TRAINABLE)
        raise UnsupportedError(
            f"{architecture} fields can be read but not trained; choose one of {known}"
        )
    known = (*SIZES, *ARCHITECTURES[architecture].more_sizes)
    if size not in known:
        raise UnknownNameError(f"size of {architecture}", size, known)


def check_max_size(architecture: str, max_size: str | None, settings: Sequence[str]) -> None:
    """Raises UsageError where no size can fit `max_size`, as far as that is known without a scene;
    `settings` may make any size smaller."""
    limit, about = parse_bytes(max_size), ARCHITECTURES[architecture]
    if limit is None or settings:
        return
    name, count = min(about.sizes.items(), key=lambda entry: entry[1])
    least = round(4 * count * (SMALLEST_PART if about.by_scene else 1))
    if limit < least:
        raise nothing_fits(limit, architecture, name, f"at least {bytes_figure(least)}")


def nothing_fits(limit: int, architecture: str, smallest: str, takes: str) -> UsageError:
    """The error for a `--max-size` below every size."""
    return UsageError(
        f"--max-size {bytes_figure(limit)}: no size of {architecture} fits; the smallest, "
        f"{smallest}, takes {takes} (`--set` makes it smaller)"
    )


def one_size(size: str | None, max_size: str | None) -> None:
    """Raises UsageError where both are given, or `max_size` is no number of bytes."""
    if parse_bytes(max_size) is not None and size not in (None, "base"):
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
