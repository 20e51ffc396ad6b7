"""Timings that can be trusted: warm-ups first, the device waited for, the median of several."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def median_seconds(run: Callable[[], object], *, repeats: int = 3, warmups: int = 2) -> float:
    """Median wall-clock seconds of `repeats` calls of `run`, after `warmups` that do not count."""
    if repeats < 1 or warmups < 0:
        raise ValueError(f"repeats must be >= 1 and warmups >= 0, got {repeats} and {warmups}")
    for _ in range(warmups):
        run()
    return statistics.median(seconds_of(run) for _ in range(repeats))


def seconds_of(run: Callable[[], object]) -> float:
    """Wall-clock seconds of one call; on CUDA the queued work is waited for on both sides."""
    _wait()
    start = time.perf_counter()
    run()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def settled_median(seconds: list[float], *, warmups: int = 2) -> float:
    """Median of timings in the order they were taken; the first `warmups` do not count where at
    least three remain without them."""
    if not seconds:
        raise ValueError("seconds must hold at least one timing, got none")
    return statistics.median(seconds[warmups:] if len(seconds) >= warmups + 3 else seconds)
