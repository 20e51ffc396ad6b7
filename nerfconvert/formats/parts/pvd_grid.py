"""pvd_grid: PVD's hash grid, torch-ngp's with 14 levels and a clamped density."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor

from ...adapters.hashgrid import HashgridConfig
from ...volume import Aabb, FieldInfo
from .torch_ngp_state import from_torch
from .unpickle import TensorRef

ARCHITECTURE = "hashgrid"
PARTS = ("encoder.", "sigma_net.", "color_net.")
LEVELS, COARSEST, FINEST = 14, 16, 2048  # the last one times the bound


def is_model(model: dict[str, Any]) -> bool:
    offsets = model.get("encoder.offsets")
    known = isinstance(offsets, TensorRef) and offsets.shape == (LEVELS + 1,)
    return known and "encoder.embeddings" in model


def field_of(
    path: Path, state: dict[str, Tensor], box: Aabb, info: FieldInfo
) -> tuple[HashgridConfig, FieldInfo, dict[str, Tensor]]:
    """Config, info and tensors of the field. Raises FormatError, ValueError."""
    bound = box.high[0]
    if (box.low, box.high) != ((-bound,) * 3, (bound,) * 3):
        raise ValueError(f"aabb_train is {box.low}, {box.high}; expected a cube around 0")
    resolutions = {"base_resolution": COARSEST, "finest_resolution": FINEST * bound}
    config, tensors = from_torch(path, state, bound, resolutions)
    return dataclasses.replace(config, density_activation="clamped_exp"), info, tensors
