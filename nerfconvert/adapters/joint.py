"""Two networks without biases that end a hash grid, and the MLP of PVD: features, then color."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from ..kernels.fused_mlp import fused_mlp
from ..kernels.spherical_harmonics import spherical_harmonics

FEATURES = 16  # outputs of the first network; the first of them is raw density
SH_DEGREE = 4  # bands of the direction's harmonics


def network(inputs: int, width: int, hidden_layers: int, outputs: int) -> nn.ParameterList:
    """Weight matrices [out, in] without biases, Xavier-uniform as in tiny-cuda-nn."""
    sizes = [inputs, *([width] * hidden_layers), outputs]
    return nn.ParameterList(matrix(*pair) for pair in itertools.pairwise(sizes))


def matrix(fan_in: int, fan_out: int) -> nn.Parameter:
    """Weights [out, in], Xavier-uniform."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    return nn.Parameter(torch.empty(fan_out, fan_in).uniform_(-bound, bound))


def color(features: Tensor, directions: Tensor, weights: nn.ParameterList) -> Tensor:
    """sRGB [N, 3] in [0, 1] of features [N, F] seen along unit directions [N, 3], by a network of
    [features | harmonics]."""
    inputs = torch.cat([features, spherical_harmonics(directions, SH_DEGREE)], -1)
    return torch.sigmoid(fused_mlp(inputs, list(weights), None))
