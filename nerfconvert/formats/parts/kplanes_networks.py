"""kplanes_networks: the two networks of K-Planes, from vectors of tiny-cuda-nn.

Inputs are padded with ones, and appearance is at rest the mean of the training images': constants,
which become part of a weight. The first network has raw density as its last output.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...adapters.joint import FEATURES
from ...adapters.kplanes import HIDDEN, KplanesConfig
from .color_columns import HARMONICS, harmonics_last, with_constant
from .ngp_parameters import named, stored_network, vector
from .tcnn_parameters import NetworkShape, aligned

APPEARANCE = "appearance_embedding.weight"


def density_shape(explicit: bool, inputs: int) -> NetworkShape:
    """Of the density network."""
    hidden, outputs = (0, 1) if explicit else (1, FEATURES)
    return NetworkShape(inputs, HIDDEN["density"], hidden, outputs)


def basis_layers(path: Path, state: dict[str, Tensor], outputs: int) -> int:
    """Hidden layers of the color basis, by its count of numbers. Raises FormatError."""
    count, width = len(vector(path, state, "color_basis.params")), HIDDEN["basis"]
    ends = (aligned(3 + appearance_of(state).numel()) + aligned(outputs)) * width
    return 1 + max(0, count - ends) // width**2


def appearance_of(state: dict[str, Tensor]) -> Tensor:
    """[A]: the mean of the training images', or none. Raises ValueError."""
    stored = state.get(APPEARANCE, torch.zeros(1, 0))
    if stored.ndim != 2 or not len(stored) or not stored.is_floating_point():
        raise ValueError(f"{APPEARANCE} is no matrix")
    return stored.mean(0)


def networks(path: Path, state: dict[str, Tensor], config: KplanesConfig) -> dict[str, Tensor]:
    """Both networks under our names. Raises FormatError, ValueError."""
    shape = density_shape(config.explicit, config.products)
    density, ones = stored_network(path, state, "sigma_net.params", shape)
    if ones.numel():
        raise ValueError(f"its planes have {config.products} features; expected 16, 32, ...")
    appearance = appearance_of(state)
    if config.explicit:
        inputs, name = 3, "color_basis.params"
        hidden, outputs = config.basis_layers, 3 * config.products
    else:
        density[-1] = density[-1].roll(1, dims=0)
        inputs, name, hidden, outputs = HARMONICS + FEATURES - 1, "color_net.params", 2, 3
    width = HIDDEN["basis" if config.explicit else "color"]
    shape = NetworkShape(inputs + len(appearance), width, hidden, outputs)
    color, ones = stored_network(path, state, name, shape)
    varying, constant = color[0].split([inputs, len(appearance)], 1)
    added = constant @ appearance + ones.sum(1)
    if config.explicit:
        color[0] = torch.cat([varying, added[:, None]], 1)
    else:
        color[0] = with_constant(harmonics_last(varying), added)
    return {**named("density_weights", density), **named("color_weights", color)}
