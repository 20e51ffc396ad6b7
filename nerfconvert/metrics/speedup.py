"""Speed-up: time of training from scratch to the conversion's PSNR, over that of the conversion."""

from __future__ import annotations

import itertools
import math
from typing import Any


def conversion_seconds(receipt: dict[str, Any]) -> float:
    """Seconds of a conversion: loading, initialization and distillation, without evaluation."""
    return receipt["time"]["load_s"] + receipt["time"]["distill_s"]


def speedup(receipt: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """The two speed-up entries of a cell, from its receipt and the document of `train`.

    Training time counts steps only, not the reading of images. Between two points of its curve PSNR
    is taken as linear in time. Where the PSNR of the conversion was never reached the whole time of
    training gives a lower bound.
    """
    wanted = receipt["quality"]["psnr_target_vs_truth"]
    seconds = conversion_seconds(receipt)
    reached = time_to_reach(wanted, training_curve(training))
    bound = reached is None
    return {
        "speedup_to_scratch_psnr": (training["seconds"] if bound else reached) / seconds,
        "speedup_is_lower_bound": bound,
    }


def training_curve(training: dict[str, Any]) -> list[tuple[float, float]]:
    """(seconds, dB against the truth) of a document of `train`; the last point is its end."""
    points = [(p["seconds"], p["psnr_vs_truth"]) for p in training["curve"]]
    return [*points, (training["seconds"], training["psnr_vs_truth"])]


def conversion_curve(receipt: dict[str, Any]) -> list[tuple[float, float]]:
    """(seconds, dB against the source) of a conversion; the first point is its initialization."""
    time, quality, key = receipt["time"], receipt["quality"], "psnr_target_vs_source"
    points = [(p["seconds"], p[key]) for p in receipt["curve"]]
    start = [(time["initialise_s"], quality["psnr_initial"])]
    return [*start, *points, (time["distill_s"], quality[key])]


def time_to_reach(psnr: float | None, points: list[tuple[float, float | None]]) -> float | None:
    """Seconds after which a curve was first at least `psnr` dB; None where it never was.

    A PSNR of None is that of equal images: infinite.
    """
    psnr = math.inf if psnr is None else psnr
    points = [(seconds, math.inf if level is None else level) for seconds, level in points]
    if points[0][1] >= psnr:
        return points[0][0]
    for (start, low), (end, high) in itertools.pairwise(points):
        if high == math.inf:
            return end
        if high >= psnr:
            return start + (end - start) * (psnr - low) / (high - low)
    return None
