#!/usr/bin/env python3
"""Measures the pictures of `nerfconvert compare -o DIR` anew, with numpy alone.

    python scripts/check_figures.py DIR

prints every PSNR and SSIM of DIR/compare.json beside the one that DIR/pictures/*/*.png give, and
fails (1) where two differ by more than 1e-6. It shares no code with nerfconvert.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import cv2
import numpy as np

ENOUGH = 1e-6  # dB, and of SSIM


def read(folder: Path) -> np.ndarray | None:
    """[V, H, W, 3] in [0, 1], float64; None where there is no such folder."""
    files = sorted(folder.glob("*.png"))
    return np.stack([cv2.imread(str(file)) for file in files]) / 255.0 if files else None


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a - b) ** 2) if a.size else math.nan
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004: 11x11 Gaussian window, sigma 1.5, where it lies whole in the image."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    if min(a.shape[:2]) < len(taps):
        return math.nan

    def local_mean(x: np.ndarray) -> np.ndarray:
        tiles = np.lib.stride_tricks.sliding_window_view(x, window.shape, axis=(0, 1))
        return np.einsum("hwcij,ij->hwc", tiles, window)

    mean_a, mean_b = local_mean(a), local_mean(b)
    var_a, var_b = local_mean(a * a) - mean_a**2, local_mean(b * b) - mean_b**2
    covariance = local_mean(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return float((likeness * (2 * covariance + 0.03**2) / (var_a + var_b + 0.03**2)).mean())


def figures(images: np.ndarray, against: np.ndarray, covered: np.ndarray | None) -> dict:
    """Means over views of psnr, ssim and psnr_covered."""
    pairs = list(zip(images, against, strict=True))
    found = {"psnr": np.mean([psnr(*p) for p in pairs]), "ssim": np.mean([ssim(*p) for p in pairs])}
    if covered is not None:
        some = [psnr(a[m], b[m]) for (a, b), m in zip(pairs, covered[..., 0] > 0.5)]
        known = [value for value in some if not math.isnan(value)]
        found["psnr_covered"] = np.mean(known) if known else math.nan
    return found


def differences(folder: Path) -> list[tuple[str, str, float | None, float]]:
    """(field, key, as in compare.json, as measured here) of every figure."""
    document = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    pictures = folder / "pictures"
    first = read(pictures / "field_0")
    references = {
        "vs_truth": (read(pictures / "truth"), read(pictures / "covered_by_truth")),
        "vs_first": (first, read(pictures / "covered_by_first")),
    }
    rows = []
    for number, field in enumerate(document["fields"]):
        images = read(folder / field["pictures"])
        for name, (reference, covered) in references.items():
            if reference is None or (name == "vs_first" and number == 0):
                continue
            for key, value in figures(images, reference, covered).items():
                rows.append((field["path"], f"{key}_{name}", field[f"{key}_{name}"], float(value)))
    return rows


def agrees(said: float | None, measured: float) -> bool:
    """None in a document is a figure that is infinite or not defined."""
    return not math.isfinite(measured) if said is None else abs(said - measured) <= ENOUGH


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of `nerfconvert compare -o`")
    rows = differences(parser.parse_args().folder)
    for path, key, said, measured in rows:
        mark = "" if agrees(said, measured) else "  DIFFERS"
        print(f"{path}  {key}  {said}  {measured:.9f}{mark}")
    return 0 if all(agrees(said, measured) for *_, said, measured in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
