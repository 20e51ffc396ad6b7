"""vm and cp: fields of planes and lines, multiplied and summed (TensoRF, Chen et al. 2022)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..kernels.fused_mlp import fused_mlp
from ..kernels.spherical_harmonics import spherical_harmonics
from ..volume import FieldInfo, RadianceField, Sight
from .lowrank_factors import Factors
from .lowrank_start import start

SH_DEGREE = 4  # bands of the direction that the network sees
COLOR_BANDS = 3  # of colors without a network
EXP_LIMIT = 15.0  # more only overflows: opaque at any scale
# Measured from images of a real scene, beside TensoRF's own in the same time: 4 dB for a narrow
# network on harmonics, 0.7 dB for exp, 0.7 dB for a coarser first resolution.
STUDENT = {
    "shading": "network_harmonics",
    "hidden_width": 64,
    "first_resolution": 64,
    "density_activation": "exp",
    "density_shift": -2.0,
    "density_scale": 1.0,
}


@dataclass(frozen=True, kw_only=True)
class LowrankConfig:
    """Sizes of factors and color network; the defaults are TensoRF's.

    Density is ``density_scale * activation(raw + density_shift)`` in units of the longest edge of
    the box, raw the sum of all products of the density components. `shading` is how features
    become color: a network that sees them and the direction as harmonics ("network_harmonics")
    or both beside their frequencies ("network_frequencies", TensoRF's MLP_Fea), or features that
    are coefficients of spherical harmonics themselves ("harmonics", TensoRF's SH).
    """

    resolution: int = 300  # samples along the longest edge
    first_resolution: int = 128  # where training from images starts
    density_components: int = 16  # products, of each mode
    appearance_components: int = 48
    feature_width: int = 27  # appearance features
    density_activation: Literal["softplus", "exp", "relu"] = "softplus"
    density_shift: float = -10.0
    density_scale: float = 75.0
    shading: Literal["network_harmonics", "network_frequencies", "harmonics"] = (
        "network_frequencies"
    )
    view_octaves: int = 2  # of network_frequencies
    feature_octaves: int = 2
    hidden_width: int = 128  # of the two hidden layers

    def __post_init__(self):
        limits = {
            "resolution": (2, 4096),
            "first_resolution": (2, 4096),
            "density_components": (1, 1024),
            "appearance_components": (1, 1024),
            "feature_width": (1, 128),
            "view_octaves": (0, 16),
            "feature_octaves": (0, 16),
            "hidden_width": (8, 256),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{name} must be an integer in {low}..{high}, got {value!r}")
        for name, low in (("density_shift", -1e6), ("density_scale", 1e-6)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= 1e6:
                raise ValueError(f"{name} must be a number in {low}..1e6, got {value!r}")
        for name, known in (("density_activation", ACTIVATIONS), ("shading", SHADINGS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        if self.shading == "harmonics" and self.feature_width != 3 * COLOR_BANDS**2:
            raise ValueError(f"feature_width must be {3 * COLOR_BANDS**2} for shading harmonics")


ACTIVATIONS = {
    "softplus": softplus,
    "exp": lambda value: value.clamp(max=EXP_LIMIT).exp(),
    "relu": torch.relu,
}
SHADINGS = {
    "network_harmonics": lambda c: c.feature_width + SH_DEGREE**2,
    "network_frequencies": lambda c: (
        c.feature_width * (1 + 2 * c.feature_octaves) + 3 * (1 + 2 * c.view_octaves)
    ),
    "harmonics": lambda c: 0,
}  # inputs of the color network


def frequencies(values: Tensor, octaves: int) -> Tensor:
    """[N, 2 * K * octaves]: all sines, then all cosines, of [N, K]; octaves fastest (TensoRF)."""
    scales = 2.0 ** torch.arange(octaves, device=values.device, dtype=values.dtype)
    phases = (values[:, :, None] * scales).flatten(1)
    return torch.cat([phases.sin(), phases.cos()], 1)


class Decoder(nn.Module):
    """Density and color of features [N, 1 + W]: raw density, then appearance."""

    def __init__(self, config: LowrankConfig, longest_edge: float):
        super().__init__()
        self.config, self.unit = config, longest_edge
        width, inputs = config.hidden_width, SHADINGS[config.shading](config)
        sizes = [(inputs, width), (width, width), (width, 3)] if inputs else []
        layers = [nn.Linear(*size) for size in sizes]
        self.weights = nn.ParameterList(layer.weight for layer in layers)
        self.biases = nn.ParameterList(layer.bias for layer in layers)

    def density(self, features: Tensor) -> Tensor:
        raw = features[:, 0] + self.config.density_shift
        value = ACTIVATIONS[self.config.density_activation](raw)
        return value * (self.config.density_scale / self.unit)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        appearance = features[:, 1:]
        if self.config.shading == "harmonics":
            basis = spherical_harmonics(directions, COLOR_BANDS)
            rgb = (appearance.unflatten(1, (3, -1)) * basis[:, None]).sum(-1)
            return (rgb + 0.5).clamp(0, 1)
        if self.config.shading == "network_harmonics":
            parts = [appearance, spherical_harmonics(directions, SH_DEGREE)]
        else:
            waves = frequencies(appearance, self.config.feature_octaves)
            turns = frequencies(directions, self.config.view_octaves)
            parts = [appearance, directions, waves, turns]
        inputs = torch.cat(parts, 1)
        return torch.sigmoid(fused_mlp(inputs, list(self.weights), list(self.biases)))


class VmField(RadianceField):
    """Planes xy, xz, yz times lines z, y, x. Features [N, 1 + W]: raw density, appearance."""

    architecture = "vm"
    Config = LowrankConfig
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {
            **STUDENT,
            "resolution": 192,
            "density_components": 4,
            "appearance_components": 12,
        },
        "base": {
            **STUDENT,
            "resolution": 320,
            "density_components": 8,
            "appearance_components": 24,
        },
        "large": {**STUDENT, "resolution": 400},
        "tensorf": {},
    }

    def __init__(self, config: LowrankConfig, info: FieldInfo):
        super().__init__(info)
        self._config, self.feature_dim = config, 1 + config.feature_width
        self.factors = Factors(config, info.aabb.size, n_planes=3)
        self.decoder = Decoder(config, max(info.aabb.size))

    @property
    def config(self) -> LowrankConfig:
        """As made, but with the resolution that the factors have now."""
        return dataclasses.replace(self._config, resolution=self.factors.resolution)

    def encode(self, positions: Tensor) -> Tensor:
        return self.factors(self.aabb.to_unit(positions))

    def density(self, features: Tensor) -> Tensor:
        return self.decoder.density(features)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        return self.decoder.color(features, directions)

    def parameter_groups(self) -> dict[Literal["space", "decoder"], list[nn.Parameter]]:
        return {
            "space": list(self.factors.parameters()),
            "decoder": list(self.decoder.parameters()),
        }

    def start_from(self, teacher: RadianceField, sight: Sight) -> bool:
        start(self, teacher, sight)
        return True

    def refine(self, fraction: float) -> bool:
        return self.factors.refine(fraction)


class CpField(RadianceField):
    """Lines z, y, x, multiplied. Features [N, 1 + W]: raw density, appearance."""

    architecture = "cp"
    Config = LowrankConfig
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {
            **STUDENT,
            "resolution": 300,
            "density_components": 48,
            "appearance_components": 144,
        },
        "base": {
            **STUDENT,
            "resolution": 500,
            "density_components": 96,
            "appearance_components": 288,
        },
        "large": {
            **STUDENT,
            "resolution": 500,
            "density_components": 192,
            "appearance_components": 576,
        },
        "tensorf": {"resolution": 500, "density_components": 96, "appearance_components": 288},
    }

    def __init__(self, config: LowrankConfig, info: FieldInfo):
        super().__init__(info)
        self._config, self.feature_dim = config, 1 + config.feature_width
        self.factors = Factors(config, info.aabb.size, n_planes=0)
        self.decoder = Decoder(config, max(info.aabb.size))

    @property
    def config(self) -> LowrankConfig:
        """As made, but with the resolution that the factors have now."""
        return dataclasses.replace(self._config, resolution=self.factors.resolution)

    def encode(self, positions: Tensor) -> Tensor:
        return self.factors(self.aabb.to_unit(positions))

    def density(self, features: Tensor) -> Tensor:
        return self.decoder.density(features)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        return self.decoder.color(features, directions)

    def parameter_groups(self) -> dict[Literal["space", "decoder"], list[nn.Parameter]]:
        return {
            "space": list(self.factors.parameters()),
            "decoder": list(self.decoder.parameters()),
        }

    def start_from(self, teacher: RadianceField, sight: Sight) -> bool:
        start(self, teacher, sight)
        return True

    def refine(self, fraction: float) -> bool:
        return self.factors.refine(fraction)
