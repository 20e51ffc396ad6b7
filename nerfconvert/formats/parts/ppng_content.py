"""The content of a Plenoptic PNG, from a field: the inverse of how `ppng.py` reads one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...adapters.ppng import HIDDEN, PpngField
from ...errors import UnsupportedError
from ...volume import Aabb
from ...volume.occupancy import LEAST_SHARE, covered_cells

RENDER_STEP = math.sqrt(3) / 1024  # of instant-ngp's unit cube
HALF_LIMIT = 65504.0
RGB_ROWS = 4  # rows of the last matrix; the fourth is padding
AWAY, ABOVE, AROUND = 1.3, 0.5, 8  # made-up cameras: edges, sine of the elevation, how many


def content_of(field: PpngField) -> dict[str, Any]:
    """The map that the file holds. Raises UnsupportedError for factors beyond half precision."""
    config, largest = field.config, float(field.factors.detach().abs().max())
    if not largest <= HALF_LIMIT:
        raise UnsupportedError(
            f"a Plenoptic PNG holds factors in half precision; one is {largest:.3g}, the largest "
            f"that fits is {HALF_LIMIT:g}"
        )
    levels = [grid.dense().cpu() for grid in field.levels] or [cells_of(field)]
    step = field.info.provenance.get("render_step", RENDER_STEP)
    padded = torch.zeros(RGB_ROWS, HIDDEN)
    padded[:3] = field.rgb_weight.detach().cpu()
    return {
        "freqs": list(config.frequencies),
        "n_density_layers": [HIDDEN],
        "n_color_layers": [HIDDEN, RGB_ROWS],
        "qff_type": config.factor_dimensions,
        "n_freqs": len(config.frequencies),
        "n_feats": config.channels,
        "n_quants": config.resolution,
        "rank": config.rank,
        "grid_res": len(levels[0]),
        "grid_mip": len(levels),
        "grid_thres": 1,
        "grid_rles": [runs_of(cells) for cells in levels],
        "poses": poses_from(field.info.viewpoints or around(field.cube), field.cube),
        "render_step": float(step) if type(step) in (int, float) else RENDER_STEP,
        "up": [0.0, 1.0, 0.0],
        "qff_buffer": field.factors.detach().cpu().numpy().astype(np.float16).tobytes(),
        "qff_density_layer_0": in_blocks(field.density_weight),
        "qff_color_layer_0": in_blocks(field.hidden_weight),
        "qff_color_layer_1": in_blocks(padded),
    }


def in_blocks(matrix: Tensor) -> bytes:
    """float32 of a matrix [rows, columns] as 4x4 blocks, [input block][output block]."""
    rows, columns = matrix.shape
    stored = matrix.detach().cpu().float().view(rows // 4, 4, columns // 4, 4)
    return stored.permute(2, 0, 1, 3).contiguous().numpy().tobytes()


def runs_of(cells: Tensor) -> list[int]:
    """Lengths of runs, empty first, x fastest, of cells [r, r, r] indexed by the world's axes."""
    line = cells.permute(0, 2, 1).flatten().numpy()
    changes = np.flatnonzero(np.diff(line, prepend=False)).tolist()
    return np.diff([0, *changes, len(line)]).tolist()


def cells_of(field: PpngField) -> Tensor:
    """[r, r, r] bool over the field's cube: of one larger than its box, those cells of which the
    field knows enough, as of a student's."""
    cells = field.occupancy.dense().cpu()
    if field.cube == field.aabb:
        return cells
    return covered_cells(cells, field.aabb, field.cube, len(cells), LEAST_SHARE)


def poses_from(viewpoints: tuple[tuple[float, ...], ...], cube: Aabb) -> list[list[list[float]]]:
    """Matrices 3x4 of world poses, 12 numbers each, where `cube` is the unit cube, with OpenCV's
    axes."""
    poses = np.array(viewpoints).reshape(-1, 3, 4)
    poses[:, :, 3] = (poses[:, :, 3] - cube.center) / cube.size[0] + 0.5
    poses[:, :, 1:3] *= -1
    return poses[:, [1, 2, 0]].tolist()


def around(cube: Aabb) -> tuple[tuple[float, ...], ...]:
    """World poses on a circle about `cube`, with OpenGL's axes, for a field whose cameras are not
    known."""
    flat, found = math.sqrt(1 - ABOVE**2), []
    for turn in np.arange(AROUND) * (2 * math.pi / AROUND):
        back = np.array([math.cos(turn) * flat, math.sin(turn) * flat, ABOVE])
        right = np.array([-math.sin(turn), math.cos(turn), 0.0])
        place = np.array(cube.center) + AWAY * cube.size[0] * back
        pose = np.stack([right, np.cross(back, right), back, place], 1)
        found.append(tuple(pose.flatten().tolist()))
    return tuple(found)
