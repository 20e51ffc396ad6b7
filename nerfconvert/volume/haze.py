"""Haze: what is so thin everywhere that no place of it seems to count, while together it shows."""

from __future__ import annotations

from collections.abc import Callable

PARTS = 1.0, 1 / 8, 1 / 64  # of the usual threshold


def part_that_shows(left_out: Callable[[float], float], most: float) -> float:
    """The largest of `PARTS` of a threshold of density by which no more than `most` is left out.

    `left_out` tells, for a part, how much optical depth lies below it on a way through the box, on
    average; the smallest part is taken where all leave out more.
    """
    return next((part for part in PARTS if left_out(part) <= most), PARTS[-1])
