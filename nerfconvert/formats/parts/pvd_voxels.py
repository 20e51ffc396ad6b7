"""pvd_voxels: PVD's dense voxels of log density and harmonics ("tensors")."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...adapters.tensorial.initialize import CHANNELS, SH_BANDS
from ...adapters.tensorial.lattice import Lattice
from ...adapters.tensorial.tensorial_config import TensorialConfig
from ...errors import FormatError
from ...volume import Aabb, FieldInfo
from .pvd_frame import turned_harmonics
from .voxel_links import UNIT, fitting, refuse_empty

ARCHITECTURE = "tensorial"
VOLUME = "tensor_volume.0"
PARTS = (VOLUME,)


def is_model(model: dict[str, Any]) -> bool:
    return VOLUME in model


def field_of(
    path: Path, state: dict[str, Tensor], box: Aabb, info: FieldInfo
) -> tuple[TensorialConfig, FieldInfo, dict[str, Tensor]]:
    """Config, info and tensors of the field, whose box goes on beyond the voxels to whole cells of
    our lattice. Raises FormatError, UnsupportedError, ValueError."""
    volume = state.get(VOLUME, torch.zeros(0))
    if volume.ndim != 5 or volume.shape[:2] != (1, CHANNELS) or min(volume.shape) < 1:
        raise FormatError(
            path,
            f"{VOLUME} has shape {list(volume.shape)}; expected [1, {CHANNELS}, any, any, any]",
        )
    rows = volume[0].permute(1, 3, 2, 0)  # the program's z, y, x are the world's x, z, y
    sizes = rows.shape[:3]
    if min(sizes) < 2:
        raise FormatError(path, f"{VOLUME} has {list(sizes)} voxels; expected at least 2 an axis")
    cells = fitting(max(sizes))
    refuse_empty(path, cells, tuple(sizes))
    stored = torch.zeros((cells + 1,) * 3, dtype=torch.bool)
    stored[: sizes[0], : sizes[1], : sizes[2]] = True
    lattice = Lattice.of(UNIT, stored)
    table = rows[tuple(lattice.vertices.long().T)].float()
    colors = table[:, 1:].unflatten(1, (3, -1))
    table[:, 1:] = turned_harmonics(colors, SH_BANDS).flatten(1)
    high = (a + cells * edge / (n - 1) for a, edge, n in zip(info.aabb.low, info.aabb.size, sizes))
    aabb = Aabb(info.aabb.low, tuple(high))
    scale = max(box.size) / max(info.aabb.size)  # of the frame's lengths to the world's
    config = TensorialConfig(
        resolution=cells,
        color_activation="sigmoid",
        density_activation="clamped_exp",
        density_scale=max(aabb.size) * scale,
    )
    tensors = {"table": table, "words": lattice.words, "unit": torch.ones(())}
    return config, dataclasses.replace(info, aabb=aabb), tensors
