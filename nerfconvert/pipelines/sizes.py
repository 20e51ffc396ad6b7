"""Sizes of new fields, known without building any.

Imports no torch, so that `--help` stays fast.
"""

from __future__ import annotations

import re

from ..errors import UsageError

# A sparse architecture grows with what its scene fills; figures without a scene assume this part.
ASSUMED_OCCUPANCY = 0.05
SIZES = ("small", "base", "large")  # presets of other names are those of foreign programs

# Parameters once trained, in a cube; a test counts them.
PARAMETERS: dict[str, dict[str, int]] = {
    "mlp": {"small": 84_548, "base": 595_844, "large": 2_305_796},
    "hashgrid": {"small": 891_584, "base": 5_789_216, "large": 22_705_728},
    "tensorial": {"small": 3_261_636, "base": 24_041_836, "large": 184_218_300},
    "vm": {"small": 1_786_831, "base": 9_870_235, "large": 30_807_859},
    "cp": {"small": 183_859, "base": 590_947, "large": 1_174_723},
}


def rounded(count: int) -> str:
    """'834k', '6.1M', '12M'."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if count >= scale:
            value = count / scale
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return str(count)


def parameters_help() -> str:
    """One line for `--help`: every architecture with the parameters of its sizes."""
    return "; ".join(
        f"{architecture} {', '.join(rounded(counts[size]) for size in SIZES)}"
        for architecture, counts in PARAMETERS.items()
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
