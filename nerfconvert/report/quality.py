"""Quality of a target field against its source and against the truth."""

from __future__ import annotations

from typing import Any

from ..distiller.progress import Progress
from ..metrics.evaluation import Evaluation, Pictures
from ..metrics.image_metrics import mean_psnr
from .likeness import NO_TRUTH, against_field, against_truth, unknown, worst


def quality(
    evaluation: Evaluation, before: Pictures, after: Pictures, psnr_initial: float | None
) -> dict[str, Any]:
    """The `quality` block of a receipt. `before` are the source's views, `after` the target's."""
    views, like_source = against_field("target_vs_source", after, before, evaluation)
    block = {
        "views": len(views),
        "resolution": evaluation.resolution,
        "psnr_initial": psnr_initial,
        **like_source,
        "worst_view": worst(views),
        "per_view": views,
        **against_truth("source_vs_truth", before, evaluation)[1],
        **against_truth("target_vs_truth", after, evaluation)[1],
    }
    if evaluation.truth is None:
        return block | unknown(["delta_vs_truth"], NO_TRUTH)
    delta = block["psnr_target_vs_truth"] - block["psnr_source_vs_truth"]
    return block | {"delta_vs_truth": delta}


def render_speed(before: Pictures, after: Pictures) -> dict[str, float]:
    """The `render` block of a receipt: median seconds per held-out view."""
    return {
        "source_s_per_frame": before.seconds_per_frame,
        "target_s_per_frame": after.seconds_per_frame,
    }


def curve_point(
    progress: Progress, now: Pictures, before: Pictures, evaluation: Evaluation
) -> dict[str, float]:
    """One entry of a receipt's `curve`: the target's PSNR in dB, and after what of distillation."""
    point = {**progress.counts(), "psnr_target_vs_source": mean_psnr(now.images, before.images)}
    if evaluation.truth is not None:
        point["psnr_target_vs_truth"] = mean_psnr(now.images, evaluation.truth)
    return point
