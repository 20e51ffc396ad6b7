"""Losses between student and teacher: per-sample means, in units that mean the same for all.

Density is compared as opacity over the marching step and as the logarithm of optical depth: the
first is what a picture shows, the second has no dead gradient where the student is saturated on
the wrong side. Beyond `DEEP` more depth changes nothing, so it is a bound and not a target.
"""

from __future__ import annotations

import torch
from torch import Tensor

THIN = 1e-3  # optical depth of a step that counts as empty
DEEP = 5.0  # optical depth of a step that counts as solid
LOG_WEIGHT = 0.01  # of the logarithmic term beside the opacity term


def density_loss(density: Tensor, target: Tensor, deltas: Tensor, light: Tensor) -> Tensor:
    """Mean over S samples of light * (opacity error^2 + one-sided log-depth error^2); scalar.

    `density`, `target` in 1 / world unit; `deltas` step lengths; `light` the transmittance with
    which the sample is seen, all [S].
    """
    depth, wanted = density * deltas, target * deltas
    opacity = torch.expm1(-depth) - torch.expm1(-wanted)
    log_error = torch.log(depth + THIN) - torch.log(wanted.clamp(max=DEEP) + THIN)
    log_error = torch.where(wanted >= DEEP, log_error.clamp(max=0), log_error)
    return (light * (opacity.square() + LOG_WEIGHT * log_error.square())).mean()


def sample_color_loss(rgb: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Sum over samples of weights * squared color error, per unit of weight; scalar."""
    error = (rgb - target).square().sum(-1)
    return (weights * error).sum() / weights.sum().clamp_min(1e-6)


def ray_color_loss(color: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of composited colors [R, 3]; scalar."""
    return (color - target).square().mean()
