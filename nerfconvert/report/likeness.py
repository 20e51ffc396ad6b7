"""Likeness: the figures of pictures against those of another field, or against the photographs."""

from __future__ import annotations

from typing import Any

from ..metrics.depth_error import depth_errors
from ..metrics.evaluation import Evaluation, Pictures
from ..metrics.image_metrics import known_mean, mean, per_view

NO_TRUTH = "no --data: there are no photographs to compare with"
NO_ALPHA = "the photographs have no alpha: nothing tells what they cover"
NO_COMMON_SPACE = "the two fields share no lengths: one lies in the cube of a frustum"

Views = list[dict[str, float]]  # rows of `per_view`


def against_field(
    name: str, pictures: Pictures, reference: Pictures, evaluation: Evaluation
) -> tuple[Views, dict[str, Any]]:
    """Rows per view, each with its "psnr_covered" and "depth_error", and their means over views as
    psnr_, ssim_, psnr_covered_ and depth_error_`name`. Covered is what `reference` covers."""
    views = per_view(pictures.images, reference.images, reference.opacity)
    depth = depth_errors(evaluation.cameras, pictures, reference)
    key = f"depth_error_{name}"
    if depth is None:
        return views, _means(name, views) | unknown([key], NO_COMMON_SPACE)
    for view, error in zip(views, depth, strict=True):
        view["depth_error"] = error
    return views, _means(name, views) | {key: known_mean(depth)}


def against_truth(
    name: str, pictures: Pictures, evaluation: Evaluation
) -> tuple[Views, dict[str, Any]]:
    """Rows per view, and means as psnr_, ssim_ and psnr_covered_`name`; covered is what is opaque
    in the photographs. Without photographs no rows, and None with a reason for each mean."""
    if evaluation.truth is None:
        keys = [f"{metric}_{name}" for metric in ("psnr", "ssim", "psnr_covered")]
        return [], unknown(keys, NO_TRUTH)
    views = per_view(pictures.images, evaluation.truth, evaluation.truth_opacity)
    means = _means(name, views)
    if evaluation.truth_opacity is None:
        means |= unknown([f"psnr_covered_{name}"], NO_ALPHA)
    return views, means


def worst(views: Views) -> dict[str, float] | None:
    """The view with the lowest PSNR; None of no views."""
    return min(views, key=lambda view: view["psnr"], default=None)


def unknown(keys: list[str], reason: str) -> dict[str, Any]:
    """None for each of `keys`, and the reason beside it."""
    return {k: v for key in keys for k, v in ((key, None), (f"{key}_reason", reason))}


def _means(name: str, views: Views) -> dict[str, float]:
    means = {f"{metric}_{name}": mean(v[metric] for v in views) for metric in ("psnr", "ssim")}
    if "psnr_covered" in views[0]:
        means[f"psnr_covered_{name}"] = known_mean(v["psnr_covered"] for v in views)
    return means
