"""dvgo: checkpoints of sunset1995/DirectVoxGO (`fine_last.tar`, `coarse_last.tar`); read only.

`model_kwargs` has the settings, some of them numpy arrays, `model_state_dict` the grids. The world
is that of the data set. Scenes without bounds and forward-facing ones are models of their own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from ..adapters.dense import DenseConfig, DenseField
from ..errors import FormatError, UnsupportedError
from ..volume import Aabb, FieldInfo
from .format import Format
from .parts.mlp_state import starts_like_checkpoint
from .parts.rebuild import rebuild
from .parts.shown import shown
from .parts.torch_file import TorchFile

SIGN = "k0.grid"
REFUSED = {  # a tensor that other models have: what it is
    "scene_center": "a scene without bounds (dcvgo)",
    "act_shift.grid": "a forward-facing scene (dmpigo)",
    "density.xy_plane": "factorized grids (TensoRFGrid)",
}
LINEAR = re.compile(r"rgbnet\.(\d+)(\.0)?\.weight")


class Dvgo(Format):
    name = "dvgo"
    title = "DirectVoxGO (.tar)"
    suffixes = (".tar",)
    architectures = frozenset({"dense"})

    def sniff(self, path: Path) -> bool:
        return starts_like_checkpoint(path, "model_kwargs")

    def read(self, path: Path) -> DenseField:
        file = TorchFile(path)
        content = file.content if isinstance(file.content, dict) else {}
        kwargs, state = content.get("model_kwargs"), content.get("model_state_dict")
        if not isinstance(kwargs, dict) or not isinstance(state, dict):
            raise FormatError(path, "found no model_kwargs and model_state_dict, which DVGO writes")
        for name, what in REFUSED.items():
            if name in state:
                raise UnsupportedError(f"{path}: it is {what}; scenes in a box (dvgo) are read")
        if SIGN not in state:
            raise FormatError(path, f"found no {SIGN} in its model_state_dict")
        tensors = file.tensors(state, "model_state_dict")
        try:
            low, high = (tuple(triple(tensors, name)) for name in ("xyz_min", "xyz_max"))
            info = FieldInfo(aabb=Aabb(low, high), provenance={"program": self.name})
            network = layers_of(tensors)
            config = config_of(kwargs, tensors, network, info.aabb)
        except ValueError as problem:
            raise FormatError(path, str(problem)) from None
        ours = {f"weights.{i}": tensors[f"{name}.weight"] for i, name in enumerate(network)}
        ours |= {
            f"biases.{i}": tensors[f"{name}.bias"]
            for i, name in enumerate(network)
            if f"{name}.bias" in tensors
        }
        ours |= {"density_grid": tensors["density.grid"][0], "color_grid": tensors[SIGN][0]}
        ours["mask"] = tensors.get("mask_cache.mask", tensors[SIGN].new_ones(0, 0, 0).bool())
        return rebuild(path, DenseField, config, info, ours)


def config_of(
    kwargs: dict[str, Any], tensors: dict[str, Tensor], network: list[str], box: Aabb
) -> DenseConfig:
    """The config of the grids. Raises ValueError."""
    sizes = grid_sizes(tensors, SIGN)
    if grid_sizes(tensors, "density.grid")[1:] != sizes[1:]:
        raise ValueError("density.grid and k0.grid have different sizes")
    if kwargs.get("rgbnet_full_implicit"):
        raise ValueError("its colors are those of a network alone (rgbnet_full_implicit)")
    voxels = kwargs.get("num_voxels_base", kwargs.get("num_voxels"))
    if type(voxels) not in (int, float) or not 1 <= voxels < 1e12:
        raise ValueError(f"num_voxels_base is {shown(voxels)}; expected a number of voxels")
    shift = tensors.get("act_shift")
    if shift is None or shift.numel() != 1:
        raise ValueError("found no act_shift of one number")
    volume = box.size[0] * box.size[1] * box.size[2]
    mask = tensors.get("mask_cache.mask")
    masked = {}
    if mask is not None:
        masked = {
            "mask_size": tuple(mask.shape),
            "mask_scale": triple(tensors, "mask_cache.xyz2ijk_scale"),
            "mask_shift": triple(tensors, "mask_cache.xyz2ijk_shift"),
        }
    first = tensors[f"{network[0]}.weight"] if network else None
    if first is not None and first.ndim != 2:
        raise ValueError(f"{network[0]}.weight is no matrix")
    return DenseConfig(
        size=tuple(sizes[1:]),
        channels=sizes[0],
        hidden_layers=max(0, len(network) - 1),
        hidden_width=len(first) if network else 1,
        view_octaves=tensors["viewfreq"].numel() if "viewfreq" in tensors else 0,
        residual=bool(network) and kwargs.get("rgbnet_direct") is False,
        density_shift=float(shift),
        voxel_size=(volume / voxels) ** (1 / 3),
        **masked,
    )


def grid_sizes(tensors: dict[str, Tensor], name: str) -> list[int]:
    """[C, X, Y, Z] of a grid. Raises ValueError."""
    grid = tensors.get(name)
    if grid is None or grid.ndim != 5 or len(grid) != 1:
        raise ValueError(f"found no {name} [1, any, any, any, any]")
    return list(grid.shape[1:])


def triple(tensors: dict[str, Tensor], name: str) -> list[float]:
    """Three numbers. Raises ValueError."""
    found = tensors.get(name)
    if found is None or found.shape != (3,):
        raise ValueError(f"found no {name} of three numbers")
    return [float(value) for value in found]


def layers_of(tensors: dict[str, Tensor]) -> list[str]:
    """Names of the network's linear layers, in order; [] where there is none."""
    found = [LINEAR.fullmatch(name) for name in tensors]
    numbered = sorted((int(m[1]), m[0].removesuffix(".weight")) for m in found if m)
    return [name for _, name in numbered]
