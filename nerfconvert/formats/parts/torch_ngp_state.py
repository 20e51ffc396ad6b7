"""torch_ngp_state: config and tensors of a hash grid from torch-ngp's state dict.

The color network's inputs are [harmonics, features without density]; with --tcnn also a constant 1
behind them, with which the padding of the first matrix is multiplied.
"""

from __future__ import annotations

import math
from pathlib import Path

from torch import Tensor

from ...adapters.hashgrid import HashgridConfig
from ...adapters.joint import FEATURES
from ...errors import FormatError
from .color_columns import HARMONICS, harmonics_last, with_constant
from .mlp_state import matrix
from .ngp_parameters import named, stored_network, table_of, vector
from .tcnn_parameters import NetworkShape

SEEN = HARMONICS + FEATURES - 1  # inputs of the color network
TCNN_GRID = {"n_levels": 16, "log2_table_size": 19}  # fixed with --tcnn
CONVENTIONS = {"axes": "yzx", "density_in_color": False}


def from_torch(
    path: Path, state: dict[str, Tensor], bound: float, resolutions: dict[str, float]
) -> tuple[HashgridConfig, dict[str, Tensor]]:
    """Of a model in plain torch; sizes are those of the tensors. Raises FormatError, ValueError."""
    table = matrix(path, state, "encoder.embeddings")
    density, color = (layers(path, state, name) for name in ("sigma_net", "color_net"))
    if color[0].shape[1] != SEEN:
        raise FormatError(
            path, f"color_net.0.weight has {color[0].shape[1]} columns; expected {SEEN}"
        )
    color[0] = harmonics_last(color[0])
    config = HashgridConfig(
        **grid_sizes(path, state.get("encoder.offsets")),
        features_per_level=table.shape[1],
        **resolutions,
        hidden_width=len(density[0]),
        density_layers=len(density) - 1,
        color_layers=len(color) - 1,
        density_shift=math.log(2 * bound),
        layout="torch-ngp",
        **CONVENTIONS,
    )
    weights = {**named("density_weights", density), **named("color_weights", color)}
    return config, {"table": table, **weights}


def layers(path: Path, state: dict[str, Tensor], name: str) -> list[Tensor]:
    """The matrices of a network without biases."""
    count = sum(key.startswith(f"{name}.") for key in state)
    return [matrix(path, state, f"{name}.{i}.weight") for i in range(max(count, 1))]


def grid_sizes(path: Path, offsets: Tensor | None) -> dict[str, int]:
    """Sizes of a table whose levels begin at these rows. Raises FormatError."""
    if offsets is None or offsets.ndim != 1 or not 2 <= len(offsets) <= 33:
        raise FormatError(path, "found no encoder.offsets, which this program's files have")
    entries = offsets.long().diff()
    if int(entries.min()) < 8:
        raise FormatError(path, f"encoder.offsets are {offsets.tolist()}; expected to ascend")
    return {
        "n_levels": len(entries),
        "log2_table_size": math.ceil(math.log2(int(entries.max()))),
    }


def from_tcnn(
    path: Path, state: dict[str, Tensor], bound: float, resolutions: dict[str, float]
) -> tuple[HashgridConfig, dict[str, Tensor]]:
    """Of a model made of tiny-cuda-nn's modules, in the program's own sizes. Raises FormatError,
    ValueError."""
    config = HashgridConfig(
        **TCNN_GRID, **resolutions, density_shift=math.log(2 * bound), **CONVENTIONS
    )
    density, _ = stored_network(path, state, "sigma_net.params", NetworkShape(32, 64, 1, 16))
    color, ones = stored_network(path, state, "color_net.params", NetworkShape(SEEN, 64, 2, 3))
    color[0] = with_constant(harmonics_last(color[0]), ones.sum(1))
    weights = {**named("density_weights", density), **named("color_weights", color)}
    return config, {"table": table_of(config, vector(path, state, "encoder.params")), **weights}
