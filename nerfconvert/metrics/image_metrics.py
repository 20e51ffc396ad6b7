"""Image metrics by the protocol of nerfbaselines for NeRF-Synthetic.

Both images are rounded to 8 bits; PSNR has data range 1 and is averaged over images, not over
pooled squared errors; SSIM uses an 11x11 Gaussian window (sigma 1.5) and valid borders.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # pixels
COVERED = 0.5  # opacity over which a pixel shows the scene, not the background

PROTOCOL = {
    "color_space": "sRGB",
    "rounding": "both images to 8 bits",
    "mean": "arithmetic, over images",
}


def rounded(image: Tensor) -> Tensor:
    """`image` in [0, 1], float64 with each value at the nearest of 256 levels."""
    return (image.clamp(0, 1) * 255).round().double() / 255


def psnr(image: Tensor, reference: Tensor, where: Tensor | None = None) -> float:
    """PSNR in dB, -10 log10(mean squared error), of one image [H, W, 3] in [0, 1]; infinite where
    the images are equal. Of the pixels `where` [H, W] bool alone, if given: NaN of none."""
    _check(image, reference)
    squared = (rounded(image) - rounded(reference)).square()
    error = float((squared if where is None else squared[where]).mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: Tensor, reference: Tensor) -> float:
    """SSIM in [-1, 1] of one image [H, W, 3]; NaN where a side is smaller than the window."""
    _check(image, reference)
    if min(image.shape[:2]) < SSIM_WINDOW:
        return math.nan
    from pytorch_msssim import ssim as windowed

    pair = [rounded(x).permute(2, 0, 1)[None].contiguous() for x in (image, reference)]
    taps = torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2
    window = torch.exp(-0.5 * (taps / SSIM_SIGMA).square())
    window = (window / window.sum()).expand(3, 1, 1, SSIM_WINDOW)  # theirs is in single precision
    return float(windowed(*pair, data_range=1.0, win=window))


def per_view(
    images: Tensor, references: Tensor, opacity: Tensor | None = None
) -> list[dict[str, float]]:
    """One {"view", "psnr", "ssim"} for each of V images [V, H, W, 3]; with the `opacity` [V, H, W]
    of the references also "psnr_covered", of the pixels where that is over `COVERED` (an empty
    background, where all fields are alike, lifts the PSNR of whole images)."""
    views = []
    for view, (image, reference) in enumerate(zip(images, references, strict=True)):
        row = {"view": view, "psnr": psnr(image, reference), "ssim": ssim(image, reference)}
        if opacity is not None:
            row["psnr_covered"] = psnr(image, reference, opacity[view] > COVERED)
        views.append(row)
    return views


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; NaN of no values."""
    values = list(values)
    return sum(values) / len(values) if values else math.nan


def known_mean(values: Iterable[float]) -> float:
    """Arithmetic mean of the `values` that are not NaN, such as those of views that cover
    something; NaN where none is."""
    return mean(value for value in values if not math.isnan(value))


def mean_psnr(images: Tensor, references: Tensor) -> float:
    """Arithmetic mean over V images [V, H, W, 3] of their PSNR in dB."""
    return mean(psnr(a, b) for a, b in zip(images, references, strict=True))


def _check(image: Tensor, reference: Tensor) -> None:
    if image.shape != reference.shape or image.ndim != 3 or image.shape[-1] != 3:
        got = f"{list(image.shape)} and {list(reference.shape)}"
        raise ValueError(f"image and reference must both be [H, W, 3], got {got}")
    for name, tensor in (("image", image), ("reference", reference)):
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity")
