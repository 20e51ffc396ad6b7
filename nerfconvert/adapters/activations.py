"""Activations of density and color, with gradients where relu and clamp have none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

LOG_DENSITY_RANGE = -2.0, 7.0  # of PVD, per half of the longest edge; no gradient outside
EXP_LIMIT = 15.0  # exp(15) per world unit is opaque at any scale; more would overflow gradients


class LeakyGradientRelu(torch.autograd.Function):
    """relu whose gradient below zero is exp(value), not 0, so that a density that is zero
    everywhere can still be trained."""

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        ctx.save_for_backward(value)
        return value.relu()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (value,) = ctx.saved_tensors
        return gradient * value.clamp(max=0).exp()


class InwardClamp(torch.autograd.Function):
    """Clamp to [0, 1] that passes gradients outside as well, where descent leads back inside."""

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        ctx.save_for_backward(value)
        return value.clamp(0, 1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (value,) = ctx.saved_tensors
        outward = ((value < 0) & (gradient > 0)) | ((value > 1) & (gradient < 0))
        return gradient.masked_fill(outward, 0.0)


DENSITY = {
    "relu": LeakyGradientRelu.apply,
    "softplus": softplus,
    "exp": lambda value: value.clamp(max=EXP_LIMIT).exp(),
    "clamped_exp": lambda value: value.clamp(*LOG_DENSITY_RANGE).exp(),
}  # of raw density, by its name in configs
