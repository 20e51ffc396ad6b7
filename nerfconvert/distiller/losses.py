"""Losses between student and teacher: per-sample means, in units that are comparable across fields.

Density is compared as opacity over the marching step and as the logarithm of optical depth: the
first decides the image, the second keeps a gradient where the student is saturated on the wrong
side. Beyond `DEEP` more depth changes nothing, so there it is a lower bound and not a target.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .teacher_rays import SampleBatch

THIN = 1e-3  # optical depth of a step that counts as empty
DEEP = 5.0  # optical depth of a step that counts as solid
LOG_WEIGHT = 0.01  # of the logarithmic term, relative to the opacity term


def density_loss(density: Tensor, samples: SampleBatch) -> Tensor:
    """Mean over N samples of share * (opacity error^2 + one-sided log-depth error^2); scalar.

    `density` [N] is the student's, in 1 / world unit. A sample's share is the transmittance in
    front of it times its importance weight.
    """
    depth, wanted = density * samples.deltas, samples.density * samples.deltas
    opacity = torch.expm1(-depth) - torch.expm1(-wanted)
    log_error = torch.log(depth + THIN) - torch.log(wanted.clamp(max=DEEP) + THIN)
    log_error = torch.where(wanted >= DEEP, log_error.clamp(max=0), log_error)
    share = samples.transmittance * samples.importance
    return (share * (opacity.square() + LOG_WEIGHT * log_error.square())).mean()


def emptiness_loss(density: Tensor, step: float, counts: Tensor) -> Tensor:
    """`density_loss` where nothing should be: the mean over the N places that count ([N] bool) of
    `density` [N], in 1 / world unit, over `step` in world units; scalar."""
    depth = density * step
    opacity, log_depth = torch.expm1(-depth), torch.log1p(depth / THIN)
    error = opacity.square() + LOG_WEIGHT * log_depth.square()
    return (error * counts).sum() / counts.sum().clamp_min(1)


def sample_color_loss(rgb: Tensor, samples: SampleBatch) -> Tensor:
    """Sum over N samples of share * squared color error, divided by the sum of shares; scalar.

    `rgb` [N, 3] is the student's. A sample's share is its rendering weight times its importance
    weight.
    """
    error = (rgb - samples.rgb).square().sum(-1)
    share = samples.weights * samples.importance
    return (share * error).sum() / share.sum().clamp_min(1e-6)


def ray_color_loss(color: Tensor, target: Tensor, importance: Tensor | None = None) -> Tensor:
    """Mean squared error of composited colors [R, 3], each ray with its weight `importance` [R], 1
    by default; scalar."""
    error = (color - target).square()
    return error.mean() if importance is None else (error * importance[:, None]).mean()
