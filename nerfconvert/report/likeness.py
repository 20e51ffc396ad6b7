"""Likeness: the figures of pictures against those of another field, or against the photographs."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..metrics.depth_error import depth_errors
from ..metrics.evaluation import Evaluation, Pictures
from ..metrics.image_metrics import known_mean, mean, per_view
from ..metrics.lpips import Lpips, missing

NO_TRUTH = "no --data: there are no photographs to compare with"
NO_ALPHA = "the photographs have no alpha: nothing tells what they cover"
NO_COMMON_SPACE = "the two fields share no lengths: one lies in the cube of a frustum"

IMAGE_FIGURES = ("psnr", "ssim", "psnr_covered", "lpips")
Views = list[dict[str, float]]  # rows of `per_view`


def against_field(
    name: str, pictures: Pictures, reference: Pictures, evaluation: Evaluation
) -> tuple[Views, dict[str, Any]]:
    """Rows per view, each with its "psnr_covered" and "depth_error", and their means over views as
    psnr_, ssim_, psnr_covered_, lpips_ and depth_error_`name`. Covered is what `reference`
    covers."""
    views = per_view(pictures.images, reference.images, reference.opacity)
    means = _means(name, views) | _lpips(name, pictures.images, reference.images)
    depth = depth_errors(evaluation.cameras, pictures, reference)
    key = f"depth_error_{name}"
    if depth is None:
        return views, means | unknown([key], NO_COMMON_SPACE)
    for view, error in zip(views, depth, strict=True):
        view["depth_error"] = error
    return views, means | {key: known_mean(depth)}


def against_truth(
    name: str, pictures: Pictures, evaluation: Evaluation
) -> tuple[Views, dict[str, Any]]:
    """Rows per view, and means as psnr_, ssim_, psnr_covered_ and lpips_`name`; covered is what is
    opaque in the photographs. Without photographs no rows, and None with a reason for each mean."""
    if evaluation.truth is None:
        keys = [f"{metric}_{name}" for metric in IMAGE_FIGURES]
        return [], unknown(keys, NO_TRUTH)
    views = per_view(pictures.images, evaluation.truth, evaluation.truth_opacity)
    means = _means(name, views) | _lpips(name, pictures.images, evaluation.truth)
    if evaluation.truth_opacity is None:
        means |= unknown([f"psnr_covered_{name}"], NO_ALPHA)
    return views, means


def worst(views: Views) -> dict[str, float] | None:
    """The view with the lowest PSNR; None of no views."""
    return min(views, key=lambda view: view["psnr"], default=None)


def unknown(keys: list[str], reason: str) -> dict[str, Any]:
    """None for each of `keys`, and the reason beside it."""
    return {k: v for key in keys for k, v in ((key, None), (f"{key}_reason", reason))}


def _lpips(name: str, images: Tensor, references: Tensor) -> dict[str, Any]:
    """The mean LPIPS, or None with the reason where its weights are not on disk."""
    if reason := missing():
        return unknown([f"lpips_{name}"], reason)
    distance = Lpips()
    return {f"lpips_{name}": mean(distance(a, b) for a, b in zip(images, references, strict=True))}


def _means(name: str, views: Views) -> dict[str, float]:
    means = {f"{metric}_{name}": mean(v[metric] for v in views) for metric in ("psnr", "ssim")}
    if "psnr_covered" in views[0]:
        means[f"psnr_covered_{name}"] = known_mean(v["psnr_covered"] for v in views)
    return means
