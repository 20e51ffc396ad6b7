"""check_ranges, check_flags: check types and ranges of a config's values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def check_ranges(
    config: Any,
    *,
    integers: Mapping[str, tuple[int, int]] | None = None,
    numbers: Mapping[str, tuple[float, float]] | None = None,
    choices: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Raises ValueError naming the first value of `config` of a wrong type or out of range.

    `integers` and `numbers` give (lowest, highest) by name, `choices` the names to choose from.
    """
    for kind, types, limits in (
        ("an integer", int, integers or {}),
        ("a number", int | float, numbers or {}),
    ):
        for name, (low, high) in limits.items():
            value = getattr(config, name)
            if not isinstance(value, types) or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{name} must be {kind} in {low:g}..{high:g}, got {value!r}")
    for name, known in (choices or {}).items():
        if getattr(config, name) not in known:
            known = ", ".join(known)
            raise ValueError(f"{name} must be one of {known}, got {getattr(config, name)!r}")


def check_flags(config: Any, *names: str) -> None:
    """Raises ValueError naming the first value of `config` that is not true or false."""
    for name in names:
        if not isinstance(getattr(config, name), bool):
            raise ValueError(f"{name} must be true or false, got {getattr(config, name)!r}")
