"""nerfstudio_mlp: nerfstudio's `vanilla-nerf` as an mlp.

Its frequencies are 2 pi times powers of two, of exponents that are no integers, its encodings are
[sines, cosines, input], axis by axis. A skip layer's input is [position, h], the head's [direction,
h], and the head has a second hidden layer.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ...adapters.mlp import MlpConfig, MlpField
from ...errors import FormatError
from .mlp_state import matrix, trunk_sizes
from .nerfstudio_run import Run
from .rebuild import rebuild

FINE, COARSE = "field_fine.", "field_coarse."
TRUNK, HEAD = "mlp_base.layers.", "mlp_head.layers."
OCTAVES, DIRECTION_OCTAVES = 10, 4  # frequencies of each encoding, constants of the program
HIGHEST, DIRECTION_HIGHEST = 8, 4  # powers of two
LAYERS = {"field_output_density.net": "density_layer", "field_heads.0.net": "rgb_layer"}


def read_mlp(run: Run) -> MlpField:
    """The fine network, or the coarse one where there is no other. Raises FormatError."""
    fine = any(name.startswith(FINE) for name in run.state)
    prefix = FINE if fine else COARSE
    state = run.under(prefix)
    depth, head = (
        sum(name.startswith(part) and name.endswith(".weight") for name in state)
        for part in (TRUNK, HEAD)
    )
    sizes, encoded = trunk_sizes(run.path, state, depth, lambda i: f"{TRUNK}{i}")
    expected = 3 + 6 * OCTAVES
    if encoded != expected:
        raise FormatError(run.path, f"{TRUNK}0 has {encoded} inputs; expected {expected}")
    try:
        config = MlpConfig(
            **sizes,
            position_octaves=OCTAVES,
            direction_octaves=DIRECTION_OCTAVES,
            head_width=len(matrix(run.path, state, f"{HEAD}0.weight")),
            head_layers=head,
            density_activation="softplus",
            lowest_frequency=2 * math.pi,
            position_spacing=HIGHEST / (OCTAVES - 1),
            direction_spacing=DIRECTION_HIGHEST / (DIRECTION_OCTAVES - 1),
        )
    except ValueError as problem:
        raise FormatError(run.path, str(problem)) from None
    notes = {"method": "vanilla-nerf", "network": "fine" if fine else "coarse"}
    info = run.info(None, "white", **notes)
    return rebuild(run.path, MlpField, config, info, our_names(run.path, state, config))


def our_names(path: Path, state: dict[str, Tensor], config: MlpConfig) -> dict[str, Tensor]:
    """The tensors under the names, and with the column order, of MlpField."""
    encoded, seen = 3 + 6 * OCTAVES, 3 + 6 * DIRECTION_OCTAVES
    # the head reads the trunk's output as it is
    ours = {
        "feature_layer.weight": torch.eye(config.width),
        "feature_layer.bias": torch.zeros(config.width),
    }
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if name == f"{HEAD}0.weight":
            on_direction, on_features = tensor[:, :seen], tensor[:, seen:]
            turned = ordered(path, on_direction, DIRECTION_OCTAVES)
            ours["view_layer.weight"] = torch.cat([on_features, turned], 1)
        elif layer == f"{HEAD}0":
            ours[f"view_layer.{kind}"] = tensor
        elif layer.startswith(HEAD):
            ours[f"head.{number(layer, HEAD) - 1}.{kind}"] = tensor
        elif layer.startswith(TRUNK):
            index = number(layer, TRUNK)
            if kind == "weight" and (index == 0 or index in config.skips):
                on_position, on_h = tensor[:, :encoded], tensor[:, encoded:]
                tensor = torch.cat([on_h, ordered(path, on_position, OCTAVES)], 1)
            ours[f"trunk.{index}.{kind}"] = tensor
        else:
            ours[f"{LAYERS.get(layer, layer)}.{kind}"] = tensor
    return ours


def number(layer: str, prefix: str) -> int:
    """The index of a layer; -1, which no field has, where it has none."""
    digits = layer.removeprefix(prefix)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 3 else -1


def ordered(path: Path, columns: Tensor, octaves: int) -> Tensor:
    """Columns [W, 3 + 6 * octaves] for their encoding as ones for ours. Raises FormatError."""
    if columns.shape[1] != 3 + 6 * octaves:
        raise FormatError(path, f"an encoding has {columns.shape[1]} columns; {octaves} octaves")
    waves = columns[:, : 6 * octaves].unflatten(1, (2, 3, octaves))  # sine or cosine, axis, octave
    turned = waves.permute(0, 3, 1, 2).flatten(1)
    return torch.cat([columns[:, 6 * octaves :], turned], 1)
