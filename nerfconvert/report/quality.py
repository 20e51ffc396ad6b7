"""Quality of a target field against its source and against the truth, and the gates on it."""

from __future__ import annotations

from typing import Any

from ..distiller.progress import Progress
from ..errors import NerfConvertError
from ..metrics.evaluation import Evaluation, Pictures
from ..metrics.image_metrics import mean_psnr
from ..options.groups import Gates
from .likeness import NO_TRUTH, against_field, against_truth, unknown, worst


class QualityError(NerfConvertError):
    """A quality gate failed; the output was written nevertheless. `receipt` holds the figures."""

    exit_code = 5

    def __init__(self, message: str, receipt: dict[str, Any]):
        super().__init__(message)
        self.receipt = receipt


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


def check_gates(gates: Gates, receipt: dict[str, Any]) -> None:
    """Raises QualityError where the receipt's figures miss a gate."""
    psnr, drop = (receipt["quality"][k] for k in ("psnr_target_vs_source", "delta_vs_truth"))
    # A PSNR of None means equal images: it is infinite.
    if gates.min_psnr is not None and psnr is not None and psnr < gates.min_psnr:
        message = f"PSNR against the source is {psnr:.2f} dB, --min-psnr asks {gates.min_psnr:g}"
        raise QualityError(message, receipt)
    if gates.max_drop is not None and drop is not None and -drop > gates.max_drop:
        message = f"PSNR lost against the truth is {-drop:.2f} dB, --max-drop {gates.max_drop:g}"
        raise QualityError(message, receipt)
