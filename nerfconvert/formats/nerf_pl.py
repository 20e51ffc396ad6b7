"""nerf_pl: checkpoints of kwea123/nerf_pl (`epoch=15.ckpt`), NeRF in PyTorch Lightning.

Both networks lie in one state dict. A skip layer is the fifth one, a layer earlier than in
nerf-pytorch; its input is [position, h], in MlpField [h, position].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapters.mlp import MlpConfig, MlpField
from ..errors import FormatError
from ..volume import FieldInfo
from .format import Format
from .parts.mlp_state import (
    check_conventions,
    field_info,
    heads_state,
    image_width,
    note_of,
    noted_info,
    octaves,
    plain_copy,
    starts_like_checkpoint,
    trunk_sizes,
    trunk_state,
    view_sizes,
)
from .parts.rebuild import rebuild
from .parts.torch_file import TorchFile
from .parts.warped_colors import refused

COARSE, FINE = "nerf_coarse.", "nerf_fine."
TRUNK, SKIP = "xyz_encoding_", 4
HEADS = {  # theirs: ours
    "xyz_encoding_final": "feature_layer",
    "sigma": "density_layer",
    "dir_encoding.0": "view_layer",
    "rgb.0": "rgb_layer",
}


class NerfPl(Format):
    name = "nerf_pl"
    title = "kwea123 nerf_pl (.ckpt)"
    suffixes = (".ckpt",)
    architectures = frozenset({"mlp"})
    can_write = True

    def sniff(self, path: Path) -> bool:
        return starts_like_checkpoint(path, f"{COARSE}{TRUNK}1.0.weight")

    def read(self, path: Path) -> MlpField:
        """The fine network, or the coarse one where there is no other."""
        file = TorchFile(path)
        content = file.content if isinstance(file.content, dict) else {}
        state = content.get("state_dict")
        names = [name for name in state if isinstance(name, str)] if isinstance(state, dict) else []
        prefix = FINE if any(name.startswith(FINE) for name in names) else COARSE
        chosen = {n.removeprefix(prefix): state[n] for n in names if n.startswith(prefix)}
        if not chosen:
            raise FormatError(path, f"found no {COARSE}* in its state_dict, which nerf_pl writes")
        info = noted_info(path, content) or stated_info(path, content.get("hparams"))
        return network(path, file.tensors(chosen, prefix), info)

    def check(self, config: MlpConfig) -> None:
        skips = (SKIP,) if config.depth > SKIP else ()
        view = {"view_dependent": True, "first_relu": True, "feature_relu": False}
        check_conventions(self.title, config, skips=skips, **view)

    def write(self, field: MlpField, path: Path) -> None:
        """Writes the network as both coarse and fine: the program samples by one and renders the
        other."""
        self.check(field.config)
        state = network_state(field)
        both = {prefix + name: state[name] for prefix in (COARSE, FINE) for name in state}
        checkpoint = {"epoch": 0, "global_step": 0, "state_dict": both, **note_of(field)}
        with open(path, "wb") as file:
            torch.save(checkpoint, file)


def stated_info(path: Path, hparams: Any) -> FieldInfo:
    """Background of the data set that the checkpoint's hparams name; without them that of a white
    Blender scene. Raises UnsupportedError for LLFF, unless its poses are spheric: that is NDC."""
    known = hparams if isinstance(hparams, dict) else {}
    llff = known.get("dataset_name") == "llff"
    if llff and known.get("spheric_poses") is not True:
        raise refused(path, "nerf_pl")
    return field_info(
        NerfPl.name,
        ndc=False,
        white=not llff,
        width=stated_width(known) or image_width(llff, half=False),
        settings="the checkpoint's hparams" if "dataset_name" in known else None,
    )


def stated_width(hparams: dict[str, Any]) -> int | None:
    """Width in pixels of the images that it was trained on, where the hparams tell."""
    size = hparams.get("img_wh")
    told = isinstance(size, list | tuple) and len(size) == 2 and type(size[0]) is int
    return size[0] if told and 0 < size[0] < 1 << 16 else None


def network(path: Path, state: dict[str, Tensor], info: FieldInfo) -> MlpField:
    """One network as a field; sizes are those of the tensors. Raises FormatError."""
    depth = sum(name.startswith(TRUNK) and name.endswith(".0.weight") for name in state)
    sizes, encoded = trunk_sizes(path, state, depth, layer_name)
    try:
        config = MlpConfig(
            **sizes,
            position_octaves=octaves(path, encoded, f"{TRUNK}1.0.weight"),
            **view_sizes(path, state, "dir_encoding.0.weight", sizes["width"]),
        )
    except ValueError as problem:
        raise FormatError(path, str(problem)) from None
    return rebuild(path, MlpField, config, info, our_names(state, config.skips, encoded))


def our_names(state: dict[str, Tensor], skips: tuple[int, ...], encoded: int) -> dict[str, Tensor]:
    """The tensors under the names, and with the column order, of MlpField."""
    ours = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        number = layer.removeprefix(TRUNK).removesuffix(".0")
        if layer in HEADS:
            ours[f"{HEADS[layer]}.{kind}"] = tensor
        elif number.isascii() and number.isdigit() and len(number) < 3:
            index = int(number) - 1
            swapped = kind == "weight" and index in skips
            ours[f"trunk.{index}.{kind}"] = tensor.roll(-encoded, dims=1) if swapped else tensor
        else:
            ours[name] = tensor  # named where tensors are compared
    return ours


def layer_name(i: int) -> str:
    """The program's name of layer i of the trunk."""
    return f"{TRUNK}{i + 1}.0"


def network_state(field: MlpField) -> dict[str, Tensor]:
    """The field's state dict for the program."""
    trunk = trunk_state(field, layer_name)
    return plain_copy(trunk | heads_state(field, HEADS, "sigma"))
