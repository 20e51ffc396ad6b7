"""nerf_pytorch: checkpoints of yenchenlin/nerf-pytorch (`200000.tar`), the usual PyTorch NeRF.

Sizes are read from the tensors; the file states them nowhere. The input of a skip layer is
[position, h], in MlpField [h, position].
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ..adapters.mlp import MlpConfig, MlpField
from ..errors import FormatError
from ..volume import FieldInfo
from .parts.coarse_and_fine import CoarseAndFine
from .parts.mlp_state import (
    check_conventions,
    field_info,
    heads_state,
    idle_optimizer,
    image_width,
    note_of,
    octaves,
    plain_copy,
    trunk_sizes,
    trunk_state,
    view_sizes,
    written_density,
)
from .parts.rebuild import rebuild
from .parts.sidecar import is_true, read_sidecar

COARSE, FINE = "network_fn_state_dict", "network_fine_state_dict"
SETTINGS = ("args.txt", "config.txt")
LAYER = "pts_linears.{}"
HEADS = {  # theirs: ours
    "feature_linear": "feature_layer",
    "alpha_linear": "density_layer",
    "views_linears.0": "view_layer",
    "rgb_linear": "rgb_layer",
}
SKIP = 5  # the only skip layer the program makes


class NerfPytorch(CoarseAndFine):
    name = "nerf-pytorch"
    title = "yenchenlin nerf-pytorch (.tar)"
    suffixes = (".tar",)
    keys: ClassVar[dict[str, str]] = {"coarse": COARSE, "fine": FINE}

    def info_beside(self, path: Path) -> FieldInfo:
        return sidecar_info(path)

    def network(self, path: Path, state: dict[str, Tensor], info: FieldInfo) -> MlpField:
        return network(path, state, info)

    def check(self, config: MlpConfig) -> None:
        check_conventions(
            self.title,
            config,
            skips=(SKIP,) if config.depth > SKIP else (),
            first_relu=True,
            feature_relu=False if config.view_dependent else config.feature_relu,
        )

    def write(self, field: MlpField, path: Path) -> None:
        """Writes the network as both coarse and fine: the program samples by one and renders the
        other."""
        self.check(field.config)
        state = network_state(field)
        checkpoint = {
            "global_step": 0,
            COARSE: state,
            FINE: state,
            "optimizer_state_dict": idle_optimizer(2 * len(state)),
            **note_of(field),
        }
        with open(path, "wb") as file:
            torch.save(checkpoint, file)


def sidecar_info(path: Path) -> FieldInfo:
    """Frame and background from args.txt or config.txt; else those of a white Blender scene."""
    settings = read_sidecar(path.parent, SETTINGS)
    llff = settings.get("dataset_type", "llff") == "llff" if settings else False
    return field_info(
        NerfPytorch.name,
        ndc=llff and not is_true(settings, "no_ndc", False),
        white=is_true(settings, "white_bkgd", not settings),
        width=image_width(llff, is_true(settings, "half_res", not settings)),
        settings=" or ".join(SETTINGS) if settings else None,
    )


def network(path: Path, state: dict[str, Tensor], info: FieldInfo) -> MlpField:
    """One network as a field; sizes are those of the tensors. Raises FormatError."""
    depth = sum(name.startswith("pts_linears.") and name.endswith(".weight") for name in state)
    sizes, encoded = trunk_sizes(path, state, depth, LAYER.format)
    view_dependent = "output_linear.weight" not in state
    if view_dependent:
        sizes |= view_sizes(path, state, "views_linears.0.weight", sizes["width"])
    try:
        config = MlpConfig(
            position_octaves=octaves(path, encoded, "pts_linears.0.weight"),
            view_dependent=view_dependent,
            **sizes,
        )
    except ValueError as problem:
        raise FormatError(path, str(problem)) from None
    return rebuild(path, MlpField, config, info, our_names(state, config.skips, encoded))


def our_names(state: dict[str, Tensor], skips: tuple[int, ...], encoded: int) -> dict[str, Tensor]:
    """The tensors under the names, and with the column order, of MlpField."""
    skip_weights = {f"pts_linears.{i}.weight" for i in skips}
    flat = "output_linear.weight" in state
    ours = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if layer == "output_linear":
            rows = torch.atleast_1d(tensor)
            ours[f"rgb_layer.{kind}"], ours[f"density_layer.{kind}"] = rows[:3], rows[3:4]
        elif layer.startswith("pts_linears."):
            swapped = tensor.roll(-encoded, dims=1) if name in skip_weights else tensor
            ours[f"trunk.{layer.removeprefix('pts_linears.')}.{kind}"] = swapped
        elif not (flat and layer == "views_linears.0"):  # made but never used without directions
            ours[f"{HEADS.get(layer, layer)}.{kind}"] = tensor
    return ours


def network_state(field: MlpField) -> dict[str, Tensor]:
    """The field's state dict for the program."""
    state, config = trunk_state(field, LAYER.format), field.config
    if config.view_dependent:
        return plain_copy(state | heads_state(field, HEADS, "alpha_linear"))
    density = written_density(field)
    unused = density["weight"]  # fifth output and views_linears: stored by the program, never used
    state |= {
        "output_linear.weight": torch.cat([field.rgb_layer.weight, density["weight"], 0 * unused]),
        "output_linear.bias": torch.cat(
            [field.rgb_layer.bias, density["bias"], unused.new_zeros(1)]
        ),
        "views_linears.0.weight": unused.new_zeros(config.width // 2, config.width),
        "views_linears.0.bias": unused.new_zeros(config.width // 2),
    }
    return plain_copy(state)
