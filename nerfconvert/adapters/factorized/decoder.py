"""Decoder: density and color from the features of planes and lines (TensoRF, Chen et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...kernels.fused_mlp import fused_mlp
from ...kernels.harmonic_color import harmonic_color
from ...kernels.spherical_harmonics import spherical_harmonics
from ...volume import ParameterGroup, Role
from ..activations import DENSITY, InwardClamp
from .factorized_config import COLOR_BANDS, SH_DEGREE, SHADINGS, FactorizedConfig


class Decoder(nn.Module):
    """Density and color of features [N, 1 + W]: raw density, then appearance."""

    def __init__(self, config: FactorizedConfig, longest_edge: float):
        super().__init__()
        self.config, self.unit = config, longest_edge
        width, inputs = config.hidden_width, SHADINGS[config.shading](config)
        sizes = [(inputs, width), (width, width), (width, 3)] if inputs else []
        layers = [nn.Linear(*size, bias=config.biases) for size in sizes]
        self.weights = nn.ParameterList(layer.weight for layer in layers)
        self.biases = nn.ParameterList(layer.bias for layer in layers if config.biases)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Groups of the color network; empty where features are coefficients of harmonics."""
        return [
            ParameterGroup("decoder", Role.MATRIX, list(self.weights)[:-1]),
            ParameterGroup("decoder", Role.VECTOR, [*list(self.weights)[-1:], *self.biases]),
        ]

    def density(self, features: Tensor) -> Tensor:
        """Extinction [N] per world unit."""
        raw = features[:, 0] + self.config.density_shift
        value = DENSITY[self.config.density_activation](raw)
        return value * (self.config.density_scale / self.unit)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        """sRGB [N, 3] in [0, 1] seen along unit directions [N, 3]."""
        appearance = features[:, 1:]
        if self.config.shading == "colors":
            return InwardClamp.apply(appearance)
        if self.config.shading == "harmonics":
            return (harmonic_color(features, directions, COLOR_BANDS)[1] + 0.5).clamp(0, 1)
        if self.config.shading == "network_harmonics":
            parts = [appearance, spherical_harmonics(directions, SH_DEGREE)]
        else:
            turn = self.config.lowest_frequency, self.config.frequency_spacing
            waves = frequencies(appearance, self.config.feature_octaves, *turn)
            turns = frequencies(directions, self.config.view_octaves, *turn)
            parts = [appearance, directions, waves, turns]
        inputs = torch.cat(parts, 1)
        return torch.sigmoid(fused_mlp(inputs, list(self.weights), list(self.biases) or None))


def frequencies(values: Tensor, octaves: int, lowest: float = 1.0, spacing: float = 1.0) -> Tensor:
    """[N, 2 * K * octaves]: all sines, then all cosines, of [N, K]; octaves fastest (TensoRF). The
    frequencies begin with `lowest`; each is 2^spacing of the one below."""
    exponents = spacing * torch.arange(octaves, device=values.device, dtype=values.dtype)
    phases = (lowest * values[:, :, None] * 2.0**exponents).flatten(1)
    return torch.cat([phases.sin(), phases.cos()], 1)
