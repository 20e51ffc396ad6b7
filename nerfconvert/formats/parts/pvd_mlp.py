"""pvd_mlp: PVD's perceptron: 7 layers, a linear one, and the networks of its hash grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...adapters.mlp import MlpConfig
from ...errors import UnsupportedError
from ...volume import Aabb, FieldInfo
from .color_columns import HARMONICS, harmonics_last
from .mlp_state import matrix, octaves
from .pvd_frame import TURN, turned_harmonics

ARCHITECTURE = "mlp"
TRUNK = "nerf_mlp."
PARTS = (TRUNK, "sigma_net.", "color_net.")
CUBE = Aabb((-1.0,) * 3, (1.0,) * 3)
BANDS = 4


def is_model(model: dict[str, Any]) -> bool:
    return f"{TRUNK}0.weight" in model


def field_of(
    path: Path, state: dict[str, Tensor], box: Aabb, info: FieldInfo
) -> tuple[MlpConfig, FieldInfo, dict[str, Tensor]]:
    """Config, info and tensors of the field; the input of a skip layer is [position, h], in
    MlpField [h, position]. Raises FormatError, UnsupportedError, ValueError."""
    if box != CUBE:
        raise UnsupportedError(
            f"{path}: a perceptron with bound {max(box.high):g}, which encodes places that are not "
            "in the unit cube; those with bound 1 are read"
        )
    width, encoded = matrix(path, state, f"{TRUNK}0.weight").shape
    layers = sum(name.startswith(TRUNK) and name.endswith(".weight") for name in state)
    inputs = [matrix(path, state, f"{TRUNK}{i}.weight").shape[1] for i in range(layers)]
    skips = tuple(i for i in range(1, layers - 1) if inputs[i] != width)
    config = MlpConfig(
        depth=layers - 1,
        width=width,
        skips=skips,
        position_octaves=octaves(path, encoded, f"{TRUNK}0.weight"),
        normalize=True,
        density_activation="clamped_exp",
        joint=True,
    )
    names = {f"sigma_net.{i}.weight": f"density_weights.{i}" for i in range(2)}
    names |= {f"color_net.{i}.weight": f"color_weights.{i}" for i in range(3)}
    tensors = {names[name]: state[name] for name in names.keys() & state.keys()}
    if "color_weights.0" in tensors:
        tensors["color_weights.0"] = world_color(path, state)
    for i in range(layers):
        ours = f"trunk.{i}" if i < layers - 1 else "feature_layer"
        weight = state[f"{TRUNK}{i}.weight"]
        if i == 0:
            weight = world_encoding(weight)
        elif i in skips:
            weight = torch.cat([weight[:, encoded:], world_encoding(weight[:, :encoded])], 1)
        tensors[f"{ours}.weight"] = weight
        if f"{TRUNK}{i}.bias" in state:
            tensors[f"{ours}.bias"] = state[f"{TRUNK}{i}.bias"]
    return config, info, tensors


def world_encoding(weight: Tensor) -> Tensor:
    """Columns [W, 3 * n] for an encoded place of the frame as those for one of the world."""
    return weight.unflatten(1, (-1, 3))[:, :, list(TURN)].flatten(1)


def world_color(path: Path, state: dict[str, Tensor]) -> Tensor:
    """The first matrix of the color network, [W, 15 + 16], for [features, harmonics]."""
    weight = harmonics_last(matrix(path, state, "color_net.0.weight")).float()
    features, harmonics = weight[:, :-HARMONICS], weight[:, -HARMONICS:]
    return torch.cat([features, turned_harmonics(harmonics, BANDS)], 1)
