"""Occupancy levels and training poses of a Plenoptic PNG, in our world and in contracted space.

Level k covers the cube of edge 2^k about the middle of instant-ngp's unit cube; a place counts as
occupied where the smallest level that holds it says so. Runs of a level alternate, empty first, x
fastest. The axes x, y, z of that cube are y, z, x of our world.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...adapters.ppng import UNIT_CUBE
from ...volume import Aabb, Contraction, FieldInfo
from .document import Document

MOST_LEVELS, MOST_POSES, MOST_CELLS = 8, 4096, 1 << 24
SPREAD = 2  # points along each axis of a cell, which covers less than two contracted ones
BATCH = 1 << 14  # cells at once


def levels_of(document: Document) -> list[Tensor]:
    """[r, r, r] bool of each level, the smallest first, indexed by our world's [x, y, z]."""
    resolution = document.count("grid_res")
    levels = document.get("grid_rles", list)
    if not 4 <= resolution <= 512 or resolution % 4 or not 1 <= len(levels) <= MOST_LEVELS:
        raise ValueError(
            f"grid_res is {resolution} with {len(levels)} levels; expected 128 with 1 to "
            f"{MOST_LEVELS}"
        )
    if len(levels) * resolution**3 > MOST_CELLS:
        raise ValueError(f"{len(levels)} levels of {resolution}^3 cells; at most {MOST_CELLS}")
    return [_cells(runs, resolution) for runs in levels]


def poses_of(document: Document) -> tuple[tuple[float, ...], ...]:
    """Training cameras in our world, as `FieldInfo.viewpoints` has them; () without any."""
    if "poses" not in document:
        return ()
    stored = np.array([_twelve(pose) for pose in document.get("poses", list)[:MOST_POSES]])
    if not len(stored) or not np.isfinite(stored).all():
        raise ValueError("poses holds something else than matrices of 3x4 finite numbers")
    poses = stored.reshape(-1, 3, 4)
    poses[:, :, 3] = (poses[:, :, 3] - 0.5) * UNIT_CUBE.size[0]
    poses[:, :, 1:3] *= -1  # OpenCV's axes to OpenGL's
    return tuple(tuple(pose) for pose in poses[:, [2, 0, 1]].reshape(-1, 12).tolist())


def unbounded_info(n_levels: int, **known: Any) -> FieldInfo:
    """The info of a field of several levels: the largest cube, contracted about the unit cube."""
    radius = UNIT_CUBE.size[0] / 2
    half = radius * (2 - 0.5 ** (n_levels - 1))
    box = Aabb((-half,) * 3, (half,) * 3, Contraction("inf", UNIT_CUBE.center, radius))
    return FieldInfo(aabb=box, **known)


def contracted_cells(levels: list[Tensor], box: Aabb) -> Tensor:
    """[R, R, R] bool of the contracted `box`, R a little below that of the levels: cells that an
    occupied cell of a level reaches."""
    resolution = max(4, len(levels[0]) * 7 // 32 * 4)
    found = torch.zeros((resolution,) * 3, dtype=torch.bool)
    inset = 0.5 / SPREAD
    steps = torch.linspace(inset, 1 - inset, SPREAD)
    within = torch.cartesian_prod(steps, steps, steps)
    for k, cells in enumerate(levels):
        half = UNIT_CUBE.high[0] * 2**k
        inner = half / 2 if k else 0.0  # what a smaller level holds
        for part in cells.nonzero().split(BATCH):
            places = ((part[:, None] + within) * (2 * half / len(cells)) - half).flatten(0, 1)
            places = places[places.abs().amax(1) >= inner]
            index = (box.to_unit(places) * resolution).long().clamp(0, resolution - 1)
            found[tuple(index.T)] = True
    return found


def _cells(runs: Any, resolution: int) -> Tensor:
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise ValueError("grid_rles holds something else than run lengths")
    if sum(runs) != resolution**3:
        raise ValueError(f"its occupancy has {sum(runs)} cells; expected {resolution**3}")
    occupied = np.arange(len(runs)) % 2 == 1
    unit_cube = np.repeat(occupied, runs).reshape((resolution,) * 3)  # indexed [z, y, x]
    return torch.from_numpy(unit_cube).permute(0, 2, 1).contiguous()  # its x, y, z: world y, z, x


def _twelve(pose: Any) -> list[float]:
    rows = pose if isinstance(pose, list) and len(pose) == 3 else []
    flat = [v for row in rows if isinstance(row, list) and len(row) == 4 for v in row]
    whole = len(flat) == 12 and all(type(v) in (int, float) for v in flat)
    return flat if whole else [math.nan] * 12
