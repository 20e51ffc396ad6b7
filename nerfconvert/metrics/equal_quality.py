"""Equal quality: seconds in which conversions, and trainings, come to one PSNR.

Every point is a run of its own: one whose schedule ends with its budget is better than a longer
run was after that time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

DROPS = (3.0, 2.0, 1.0, 0.5)  # dB below the source's own PSNR against the photographs
Bound = Literal["exact", "at most", "more than"]


@dataclass(frozen=True)
class Reached:
    """A number of seconds, or a quotient of two, as far as the runs tell it."""

    value: float
    bound: Bound = "exact"


def reached(points: Sequence[tuple[float, float]], psnr: float) -> Reached | None:
    """Seconds in which runs of (seconds, dB) first come to `psnr`; None without runs.

    Between two runs PSNR is linear in the logarithm of seconds. The shortest run may be good enough
    already ("at most"), the longest not yet ("more than").
    """
    runs = sorted(points)
    if not runs:
        return None
    if runs[0][1] >= psnr:
        return Reached(runs[0][0], "at most")
    for (start, low), (end, high) in itertools.pairwise(runs):
        if high == math.inf:
            return Reached(end)
        if high >= psnr:
            return Reached(start * (end / start) ** ((psnr - low) / (high - low)))
    return Reached(runs[-1][0], "more than")


def middle(found: Sequence[Reached]) -> Reached | None:
    """The median of several seeds, the later of the two in the middle; None of none."""
    return in_order(found)[len(found) // 2] if found else None


def in_order(found: Sequence[Reached]) -> list[Reached]:
    """From the soonest to the latest: what is only bounded lies beyond its bound."""
    rank = {"at most": -1, "exact": 0, "more than": 1}
    return sorted(found, key=lambda one: (rank[one.bound], one.value))


def speedup_at(conversion: Reached | None, training: Reached | None) -> Reached | None:
    """How many times sooner the conversion is there; None where nothing is known about it."""
    if conversion is None or training is None:
        return None
    value = training.value / conversion.value
    sides = {conversion.bound, training.bound}
    if sides == {"exact"}:
        return Reached(value)
    if training.bound != "at most" and conversion.bound != "more than":
        return Reached(value, "more than")
    if training.bound != "more than" and conversion.bound != "at most":
        return Reached(value, "at most")
    return None
