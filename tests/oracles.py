"""Slow, plain references that no code of the package is used for."""

from __future__ import annotations

import math

import numpy as np


def blob_opacity(peak: float, radius: float, distance: float) -> float:
    """Opacity of a spherical blob seen along a line that passes `distance` from its center.

    The optical depth is the integral of a Gaussian: peak * radius * sqrt(2 pi), faded sideways.
    """
    depth = peak * radius * math.sqrt(2 * math.pi) * math.exp(-0.5 * (distance / radius) ** 2)
    return 1 - math.exp(-depth)


def box_opacity(density: float, half: float, softness: float) -> float:
    """Opacity of a wide soft plate of half thickness `half`, seen through its middle."""
    # The integral of sigmoid((half - |x|) / softness) over all x.
    depth = density * 2 * softness * math.log1p(math.exp(half / softness))
    return 1 - math.exp(-depth)


def psnr_loop(image: np.ndarray, reference: np.ndarray) -> float:
    """PSNR in dB of two [H, W, 3] images in [0, 1], pixel by pixel, after rounding to 8 bits."""
    total, count = 0.0, 0
    for a, b in zip(image.reshape(-1), reference.reshape(-1), strict=True):
        rounded = [math.floor(min(max(float(v), 0.0), 1.0) * 255 + 0.5) / 255 for v in (a, b)]
        total += (rounded[0] - rounded[1]) ** 2
        count += 1
    return -10 * math.log10(total / count)


def ssim_loop(image: np.ndarray, reference: np.ndarray) -> float:
    """SSIM of two [H, W, 3] images in [0, 1]: 11x11 Gaussian (1.5), valid borders, mean."""
    taps = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    window = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for channel in range(3):
        for row in range(image.shape[0] - 10):
            for column in range(image.shape[1] - 10):
                cut = np.s_[row : row + 11, column : column + 11, channel]
                x, y = image[cut].astype(np.float64), reference[cut].astype(np.float64)
                mx, my = (window * x).sum(), (window * y).sum()
                vx, vy = (window * x * x).sum() - mx**2, (window * y * y).sum() - my**2
                cov = (window * x * y).sum() - mx * my
                values.append(
                    (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
                )
    return float(np.mean(values))


def brick_words(dense: np.ndarray) -> list[int]:
    """The 64-bit words (as signed integers) of an occupancy grid [r, r, r], cell by cell."""
    bricks = dense.shape[0] // 4
    words = [0] * bricks**3
    for x, y, z in np.argwhere(dense):
        word = ((x // 4) * bricks + y // 4) * bricks + z // 4
        words[word] |= 1 << int(((x % 4) * 4 + y % 4) * 4 + z % 4)
    return [word - (1 << 64) if word >> 63 else word for word in words]
