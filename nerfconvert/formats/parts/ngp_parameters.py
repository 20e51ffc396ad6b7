"""ngp_parameters: the state of a hash grid as vectors of tiny-cuda-nn, and back."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...adapters.hashgrid import HashgridConfig, HashgridField
from ...adapters.joint import FEATURES
from ...errors import FormatError
from .color_columns import HARMONICS, with_density
from .tcnn_parameters import NetworkShape, network_vector, take_network


def shapes_of(config: HashgridConfig) -> tuple[NetworkShape, NetworkShape]:
    """Density and color network; the latter with raw density."""
    width, encoded = config.hidden_width, config.n_levels * config.features_per_level
    return (
        NetworkShape(encoded, width, config.density_layers, FEATURES),
        NetworkShape(FEATURES + HARMONICS, width, config.color_layers, 3),
    )


def state_of(config: HashgridConfig, vector: Tensor) -> dict[str, Tensor]:
    """The state dict of a HashgridField, without occupancy, of instant-ngp's vector: density
    network, color network with inputs [features, harmonics], grid. Raises ValueError."""
    density, color = shapes_of(config)
    density_weights, _, rest = take_network(vector, density)
    color_weights, _, table = take_network(rest, color)
    return {
        "table": table_of(config, table),
        **named("density_weights", density_weights),
        **named("color_weights", color_weights),
    }


def table_of(config: HashgridConfig, vector: Tensor) -> Tensor:
    """A grid's vector as its table. Raises ValueError."""
    if len(vector) % config.features_per_level:
        raise ValueError(f"its grid has {len(vector)} parameters, not a whole number of entries")
    return vector.view(-1, config.features_per_level)


def named(name: str, weights: list[Tensor]) -> dict[str, Tensor]:
    """Weights under the names of a state dict."""
    return {f"{name}.{i}": weight.contiguous() for i, weight in enumerate(weights)}


def vector_of(field: HashgridField) -> Tensor:
    """The inverse of `state_of`, float32."""
    color = [weight.detach() for weight in field.color_weights]
    if not field.config.density_in_color:
        color[0] = with_density(color[0])
    density = network_vector([weight.detach() for weight in field.density_weights])
    return torch.cat([density, network_vector(color), field.table.detach().flatten()]).cpu()


def stored_network(
    path: Path, state: dict[str, Tensor], name: str, shape: NetworkShape
) -> tuple[list[Tensor], Tensor]:
    """The matrices of a vector, and the padding columns of the first. Raises FormatError."""
    numbers = vector(path, state, name)
    if len(numbers) != shape.count:
        raise FormatError(path, f"{name} has {len(numbers)} numbers; expected {shape.count}")
    weights, padding, _ = take_network(numbers, shape)
    return weights, padding


def vector(path: Path, state: dict[str, Tensor], name: str) -> Tensor:
    """The tensor `name` in float32. Raises FormatError unless it is a vector of numbers."""
    found = state.get(name)
    if found is None or found.ndim != 1 or not found.is_floating_point():
        raise FormatError(path, f"found no vector {name}, which this program's files have")
    return found.float()
