"""torch_ngp_content: a hash grid as a checkpoint that torch-ngp loads."""

from __future__ import annotations

import math
from typing import Any

import torch

from ...adapters.hashgrid import HashgridConfig, HashgridField
from ...errors import UnsupportedError
from ...volume import Aabb
from .color_columns import harmonics_first
from .density_grid import to_bitfield, to_cascades
from .mlp_state import note_of, plain_copy

RESOLUTIONS = "nerfconvert.resolutions"  # our entry: the coarsest and the finest
ARGUMENTS = "nerfconvert.arguments"  # our entry: where the program finds the field in the world
NEEDED = {
    "layout": "torch-ngp",
    "axes": "yzx",
    "density_in_color": False,
    "density_activation": "exp",
}
NO_STATISTICS = {
    "loss": [],
    "valid_loss": [],
    "results": [],
    "checkpoints": [],
    "best_result": None,
}


def content_of(field: HashgridField) -> dict[str, Any]:
    """The checkpoint. The program's networks have 64 neurons, its grids 16 levels of 2^19 entries
    and 16 to 2048 * bound cells: other sizes load once its code has them.
    """
    bound = math.exp(field.config.density_shift) / 2
    cube = cube_of(field.aabb)
    dense = field.occupancy.dense().cpu()
    cascades = to_cascades(dense, field.aabb, reaches(bound), cube, field.config.axes)
    corners = torch.tensor([-bound] * 3 + [bound] * 3)
    color = [harmonics_first(field.color_weights[0]), *field.color_weights[1:]]
    floats = {
        "aabb_train": corners,
        "aabb_infer": corners,
        "encoder.embeddings": field.table,
        **{f"sigma_net.{i}.weight": weight for i, weight in enumerate(field.density_weights)},
        **{f"color_net.{i}.weight": weight for i, weight in enumerate(color)},
    }
    others = {
        "encoder.offsets": field.offsets.cpu().int(),
        "density_bitfield": to_bitfield(cascades),
    }
    return {
        "epoch": 0,
        "global_step": 0,
        "stats": NO_STATISTICS,
        "mean_count": 0,
        "mean_density": 0.0,
        "model": {**plain_copy(floats), **others},
        RESOLUTIONS: [field.config.base_resolution, field.config.finest_resolution],
        ARGUMENTS: arguments_of(cube, bound),
        **note_of(field),
    }


def check_choices(title: str, config: HashgridConfig) -> None:
    """Raises UnsupportedError unless the program, whose files are called `title`, can run a field
    of this config."""
    for name, value in NEEDED.items():
        found = getattr(config, name)
        if found != value:
            raise UnsupportedError(
                f"a {title} file cannot hold a hashgrid with {name} = {found}; it needs {value} "
                "(--size torch-ngp)"
            )
    if config.density_shift < math.log(2) - 1e-9:
        raise UnsupportedError(
            f"a {title} file cannot hold a hashgrid with density_shift = "
            f"{config.density_shift}; it needs ln 2 (--size torch-ngp) or more"
        )


def arguments_of(cube: Aabb, bound: float) -> str:
    """With these arguments the program places its cameras around the cube."""
    scale = 2 * bound / max(cube.size)
    offset = [-bound - low * scale for low in (*cube.low[1:], cube.low[0])]
    return f"--bound {bound:g} --scale {scale:g} --offset {' '.join(f'{o:g}' for o in offset)}"


def cube_of(box: Aabb) -> Aabb:
    """The cube that has the lower corner of the box and its longest edge."""
    edge = max(box.size)
    return box if min(box.size) == edge else Aabb(box.low, tuple(v + edge for v in box.low))


def reaches(bound: float) -> list[float]:
    """Edges of the occupancy's cascades in those of the cube."""
    return [min(2.0**i, bound) / bound for i in range(1 + math.ceil(math.log2(bound)))]
