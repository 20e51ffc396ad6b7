"""Speed-up: the time in which training from scratch becomes as good, over that of converting."""

from __future__ import annotations

import itertools
from typing import Any


def conversion_seconds(receipt: dict[str, Any]) -> float:
    """Seconds of a conversion: opening the source, the start, the distillation; no evaluation."""
    return receipt["time"]["load_s"] + receipt["time"]["distill_s"]


def speedup(receipt: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """The two speed-up entries of a cell, from its receipt and the account of `train`.

    The clock of training counts steps only, not the reading of its images. Between two points of
    its curve PSNR is taken as linear in time. Where the PSNR of the conversion was never reached
    the whole time of training gives a lower bound.
    """
    wanted = receipt["quality"]["psnr_target_vs_truth"]
    seconds = conversion_seconds(receipt)
    reached = time_to_reach(wanted, training)
    bound = reached is None
    return {
        "speedup_to_scratch_psnr": (training["seconds"] if bound else reached) / seconds,
        "speedup_is_lower_bound": bound,
    }


def time_to_reach(psnr: float, training: dict[str, Any]) -> float | None:
    """Seconds after which a training was first at least `psnr` dB; None where it never was."""
    points = [(p["seconds"], p["psnr_vs_truth"]) for p in training["curve"]]
    points.append((training["seconds"], training["psnr_vs_truth"]))
    if points[0][1] >= psnr:
        return points[0][0]
    for (start, low), (end, high) in itertools.pairwise(points):
        if high >= psnr:
            return start + (end - start) * (psnr - low) / (high - low)
    return None
