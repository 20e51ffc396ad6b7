"""pvd_vm: PVD's planes and lines: TensoRF's, with the color network of its hash grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...adapters.factorized.factorized_config import PVD, FactorizedConfig
from ...errors import FormatError
from ...volume import Aabb, FieldInfo
from .mlp_state import matrix
from .pvd_mlp import world_color
from .unpickle import TensorRef

ARCHITECTURE = "vm"
PARTS = ("sigma_", "color_", "basis_mat.")
KINDS = ("sigma", "color")
# For each of our modes (planes xy, xz, yz of the world): the program's, and whether its plane's
# first axis is our second.
MODES = ((1, True), (2, True), (0, False))


def is_model(model: dict[str, Any]) -> bool:
    basis = model.get("basis_mat.weight")
    known = isinstance(basis, TensorRef) and basis.shape[:1] == (PVD["feature_width"],)
    return known and "sigma_mat.0" in model


def field_of(
    path: Path, state: dict[str, Tensor], box: Aabb, info: FieldInfo
) -> tuple[FactorizedConfig, FieldInfo, dict[str, Tensor]]:
    """Config, info and tensors of the field. Raises FormatError, ValueError."""
    counts = [_factor(path, state, f"{kind}_vec.0").shape[1] for kind in KINDS]
    tensors = {}
    for ours, (theirs, swapped) in enumerate(MODES):
        plane, line = (_joined(path, state, f"_{part}.{theirs}") for part in ("mat", "vec"))
        plane = plane[0].permute(1, 2, 0) if swapped else plane[0].permute(2, 1, 0)
        tensors[f"factors.planes.{ours}"] = plane.contiguous()
        tensors[f"factors.lines.{ours}"] = line[0, :, :, 0].T.contiguous()
    basis = matrix(path, state, "basis_mat.weight")
    if basis.shape[1] != 3 * counts[1]:
        raise ValueError(f"basis_mat has {basis.shape[1]} columns; expected {3 * counts[1]}")
    basis = basis.unflatten(1, (3, -1))
    tensors["factors.basis"] = basis[:, [theirs for theirs, _ in MODES]].flatten(1)
    tensors["decoder.weights.0"] = world_color(path, state)
    for i in (1, 2):
        tensors[f"decoder.weights.{i}"] = matrix(path, state, f"color_net.{i}.weight")
    finest = max(len(tensors[f"factors.lines.{mode}"]) for mode in range(3))
    config = FactorizedConfig(
        **{
            **PVD,
            "resolution": finest,
            "first_resolution": finest,
            "hidden_width": len(tensors["decoder.weights.0"]),
            "density_components": counts[0],
            "appearance_components": counts[1],
            "density_scale": max(box.size),  # of the frame, in whose unit of length density is
        }
    )
    return config, info, tensors


def _joined(path: Path, state: dict[str, Tensor], name: str) -> Tensor:
    """[1, C, A, B]: components of density, then of color. Raises FormatError, ValueError."""
    parts = [_factor(path, state, kind + name) for kind in KINDS]
    if parts[0].shape[2:] != parts[1].shape[2:]:
        raise ValueError(f"sigma{name} and color{name} have different sizes")
    return torch.cat(parts, 1)


def _factor(path: Path, state: dict[str, Tensor], name: str) -> Tensor:
    """A factor [1, C, A, B]. Raises FormatError where it is missing or no such thing."""
    found = state.get(name)
    if found is None or found.ndim != 4 or len(found) != 1 or not min(found.shape):
        raise FormatError(path, f"found no factor {name} [1, any, any, any]")
    return found
