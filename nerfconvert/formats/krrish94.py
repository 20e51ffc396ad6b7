"""krrish94: checkpoints of krrish94/nerf-pytorch (`checkpointNNNNNN.ckpt`, with a config.yml).

In the published checkpoints the config states a wrong network size, so sizes are read from the
tensors. In this program no ReLU follows the first layer, one follows `fc_feat`, and the input of a
skip layer is [h, position].
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ..adapters.mlp import MlpConfig, MlpField
from ..errors import FormatError, UnsupportedError
from ..volume import FieldInfo
from .parts.coarse_and_fine import CoarseAndFine
from .parts.mlp_state import (
    check_conventions,
    field_info,
    heads_state,
    idle_optimizer,
    image_width,
    matrix,
    note_of,
    octaves,
    plain_copy,
    trunk_state,
    view_sizes,
    written_density,
)
from .parts.rebuild import rebuild
from .parts.sidecar import is_true, read_sidecar

COARSE, FINE = "model_coarse_state_dict", "model_fine_state_dict"
SETTINGS = "config.yml"
LATER = re.compile(r"layers_xyz\.([0-9]{1,3})")  # the trunk's layers after the first
HEADS = {  # theirs: ours
    "fc_feat": "feature_layer",
    "fc_alpha": "density_layer",
    "layers_dir.0": "view_layer",
    "fc_rgb": "rgb_layer",
}


class Krrish94(CoarseAndFine):
    name = "krrish94"
    title = "krrish94 nerf-pytorch (.ckpt)"
    suffixes = (".ckpt",)
    keys: ClassVar[dict[str, str]] = {"coarse": COARSE, "fine": FINE}

    def info_beside(self, path: Path) -> FieldInfo:
        return sidecar_info(path)

    def network(self, path: Path, state: dict[str, Tensor], info: FieldInfo) -> MlpField:
        return network(path, state, info)

    def check(self, config: MlpConfig) -> None:
        relu = config.view_dependent
        check_conventions(self.title, config, skips=(), first_relu=False, feature_relu=relu)

    def write(self, field: MlpField, path: Path) -> None:
        """Writes the network as both the coarse and the fine one."""
        self.check(field.config)
        state = network_state(field)
        checkpoint = {
            "iter": 0,
            COARSE: state,
            FINE: state,
            "optimizer_state_dict": idle_optimizer(2 * len(state)),
            "loss": torch.zeros(()),
            "psnr": 0.0,
            **note_of(field),
        }
        with open(path, "wb") as file:
            torch.save(checkpoint, file)


def sidecar_info(path: Path) -> FieldInfo:
    """Frame and background according to config.yml; by default those of a white Blender scene.

    Raises UnsupportedError for encodings without octaves.
    """
    settings = read_sidecar(path.parent, (SETTINGS,))
    for name in ("log_sampling_xyz", "log_sampling_dir"):
        if not is_true(settings, f"models.fine.{name}", True):
            raise UnsupportedError(f"{path}: {name} is off in {SETTINGS}; only octaves are known")
    llff = settings.get("dataset.type") == "llff"
    return field_info(
        Krrish94.name,
        ndc=llff and not is_true(settings, "dataset.no_ndc", False),
        white=is_true(settings, "nerf.validation.white_background", True),
        width=image_width(llff, is_true(settings, "dataset.half_res", True)),
        settings=SETTINGS if settings else None,
    )


def network(path: Path, state: dict[str, Tensor], info: FieldInfo) -> MlpField:
    """One network as a field; sizes are those of the tensors. Raises FormatError."""
    width, encoded = matrix(path, state, "layer1.weight").shape
    hidden = sum(name.startswith("layers_xyz.") and name.endswith(".weight") for name in state)
    weights = [matrix(path, state, f"layers_xyz.{i}.weight") for i in range(hidden)]
    view_dependent = "fc_out.weight" not in state
    sizes = view_sizes(path, state, "layers_dir.0.weight", width) if view_dependent else {}
    try:
        config = MlpConfig(
            depth=hidden + 1,
            width=width,
            skips=tuple(i + 1 for i, w in enumerate(weights) if w.shape[1] != width),
            position_octaves=octaves(path, encoded, "layer1.weight"),
            view_dependent=view_dependent,
            first_relu=False,
            feature_relu=view_dependent,
            **sizes,
        )
    except ValueError as problem:
        raise FormatError(path, str(problem)) from None
    return rebuild(path, MlpField, config, info, our_names(state))


def our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names of MlpField."""
    ours = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if layer == "fc_out":
            rows = torch.atleast_1d(tensor)
            ours[f"rgb_layer.{kind}"], ours[f"density_layer.{kind}"] = rows[:3], rows[3:]
        elif layer == "layer1":
            ours[f"trunk.0.{kind}"] = tensor
        elif number := LATER.fullmatch(layer):
            ours[f"trunk.{int(number[1]) + 1}.{kind}"] = tensor
        else:
            ours[f"{HEADS.get(layer, layer)}.{kind}"] = tensor
    return ours


def network_state(field: MlpField) -> dict[str, Tensor]:
    """The field's state dict for the program."""
    state = trunk_state(
        field, lambda i: f"layers_xyz.{i - 1}" if i else "layer1", position_first=False
    )
    if field.config.view_dependent:
        return plain_copy(state | heads_state(field, HEADS, "fc_alpha"))
    density = written_density(field)
    for kind in ("weight", "bias"):
        state[f"fc_out.{kind}"] = torch.cat([getattr(field.rgb_layer, kind), density[kind]])
    return plain_copy(state)
