"""ngp_pl: checkpoints of kwea123/ngp_pl (`epoch=19.ckpt`, `epoch=19_slim.ckpt`); read only.

The field is in the frame of that program's data loader, which moves and scales every capture into
[-scale, scale]^3 without saying how. The color network's inputs are [harmonics, features].
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapters.hashgrid import HashgridConfig, HashgridField
from ..errors import FormatError
from ..volume import Aabb, FieldInfo
from .format import Format
from .parts.color_columns import harmonics_last
from .parts.density_grid import from_bitfield
from .parts.mlp_state import starts_like_checkpoint
from .parts.ngp_parameters import named, shapes_of, stored_network, table_of, vector
from .parts.rebuild import rebuild
from .parts.tcnn_parameters import take_network
from .parts.torch_file import TorchFile

PREFIX = "model."
SIZES = {"n_levels": 16, "log2_table_size": 19, "base_resolution": 16}  # constants of the program
FINEST_PER_SCALE = 2048
NEEDED = ("xyz_max", "xyz_min", "xyz_encoder.params", "rgb_net.params", "density_bitfield")
TONEMAPPER = "tonemapper_net_0.params"
SYNTHETIC = 0.5  # scale up to which the program composites on white


class NgpPl(Format):
    name = "ngp_pl"
    title = "ngp_pl (.ckpt)"
    suffixes = (".ckpt",)
    architectures = frozenset({"hashgrid"})

    def sniff(self, path: Path) -> bool:
        return all(starts_like_checkpoint(path, PREFIX + name) for name in NEEDED[2:4])

    def read(self, path: Path) -> HashgridField:
        file = TorchFile(path)
        model = model_of(file.content)
        if TONEMAPPER in model:
            raise FormatError(path, "its colors are HDR radiance behind tonemappers; expected sRGB")
        state = file.tensors({k: v for k, v in model.items() if k in NEEDED}, "state_dict")
        try:
            scale = scale_of(state)
            config = HashgridConfig(
                **SIZES,
                finest_resolution=FINEST_PER_SCALE * scale,
                density_shift=math.log(2 * scale),
            )
            cube = Aabb((-scale,) * 3, (scale,) * 3)
            bits = state.get("density_bitfield")
            cells = from_bitfield(bits, reaches(scale), cube, config.axes)
            tensors = tensors_of(path, state, config)
        except ValueError as problem:
            raise FormatError(path, str(problem)) from None
        field = rebuild(path, HashgridField, config, info_of(cube), tensors)
        if cells is not None:
            field.occupancy.assign(cells)
        return field


def model_of(content: Any) -> dict[str, Any]:
    """The state dict of the network, without its prefix; slim files are the state dict alone."""
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    names = [name for name in state if isinstance(name, str) and name.startswith(PREFIX)]
    return {name.removeprefix(PREFIX): state[name] for name in names}


def scale_of(state: dict[str, Tensor]) -> float:
    """Half the edge of the box. Raises ValueError."""
    stored = [state.get(name, torch.zeros(0)) for name in NEEDED[:2]]
    corners = [corner.flatten().tolist() if corner.numel() == 3 else [] for corner in stored]
    scale = corners[0][0] if corners[0] else 0.0
    if not 1 / 128 <= scale <= 64 or corners != [[scale] * 3, [-scale] * 3]:
        raise ValueError(f"xyz_max and xyz_min are {corners}; expected +-scale, up to 64")
    return scale


def tensors_of(path: Path, state: dict[str, Tensor], config: HashgridConfig) -> dict[str, Tensor]:
    """The state dict of HashgridField. Raises FormatError, ValueError."""
    density_shape, color_shape = shapes_of(config)
    encoder = vector(path, state, "xyz_encoder.params")
    density, _, table = take_network(encoder, density_shape)
    color, _ = stored_network(path, state, "rgb_net.params", color_shape)
    color[0] = harmonics_last(color[0])
    weights = {**named("density_weights", density), **named("color_weights", color)}
    return {"table": table_of(config, table), **weights}


def reaches(scale: float) -> list[float]:
    """Edges of the occupancy's cascades in those of the box."""
    cascades = max(1 + math.ceil(math.log2(2 * scale)), 1)
    return [min(2.0 ** (i - 1), scale) / scale for i in range(cascades)]


def info_of(cube: Aabb) -> FieldInfo:
    return FieldInfo(
        aabb=cube,
        background="white" if cube.high[0] <= SYNTHETIC else "black",
        provenance={
            "program": NgpPl.name,
            "frame_from": "the program's data loader, which moves and scales the capture",
        },
    )
