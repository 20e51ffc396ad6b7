"""tensorf: checkpoints of apchenstu/TensoRF (`NAME.th`), TensorVMSplit and TensorCP.

`kwargs` has the settings, `state_dict` factors and network, `alphaMask.*` what is not empty. Colors
above 1, which the program clamps once they are blended, are clamped at each sample. The world of a
forward-facing scene is mirrored: see `parts.tensorf_mirror`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..adapters import ADAPTERS
from ..adapters.factorized.factorized_config import FactorizedConfig
from ..adapters.factorized.field import FactorizedField
from ..errors import FormatError, UnsupportedError
from .format import Format
from .parts.alpha_mask import mask_entries, stored_mask
from .parts.mlp_state import note_of, noted_info, plain_copy, starts_like_checkpoint
from .parts.rebuild import rebuild
from .parts.tensorf_factors import StoredFactors, factor_state
from .parts.tensorf_mirror import mirrored_box, mirrored_field
from .parts.tensorf_settings import Settings, check_choices, kwargs_of
from .parts.torch_file import TorchFile

KEY = "alphaMask_thres"  # a setting that no other program has
LAYERS = ("0", "2", "4")  # the linear ones of `renderModule.mlp`


class Tensorf(Format):
    name = "tensorf"
    title = "TensoRF (.th)"
    suffixes = (".th",)
    architectures = frozenset({"vm", "cp"})
    can_write = True
    forward_facing = frozenset({"ndc"})

    def sniff(self, path: Path) -> bool:
        return starts_like_checkpoint(path, KEY)

    def read(self, path: Path) -> FactorizedField:
        file = TorchFile(path)
        content = file.content if isinstance(file.content, dict) else {}
        state = content.get("state_dict")
        if not isinstance(state, dict) or not isinstance(content.get("kwargs"), dict):
            raise FormatError(path, "found no kwargs and state_dict, which TensoRF's files have")
        if "plane_coef" in state:
            raise UnsupportedError(
                f"{path}: a TensorVM, whose density and color share their factors; TensorVMSplit "
                "and TensorCP are read"
            )
        file.refuse_shared(state, "state_dict")
        settings = Settings(file, content["kwargs"])
        stored = StoredFactors(file, state)
        network = {name: state[name] for name in state if name not in stored.names}
        tensors = stored.tensors() | our_network(file.tensors(network, "state_dict"))
        info = noted_info(path, content) or settings.info()
        config = settings.config(tensors, [max(counts) for counts in stored.counts], info.aabb)
        turned = info.frame == "ndc"
        held = replace(info, aabb=mirrored_box(info.aabb)) if turned else info
        occupancy = stored_mask(file, content, held.aabb) if "alphaMask.mask" in content else None
        kind = ADAPTERS["vm" if stored.has_planes else "cp"]
        field = rebuild(path, kind, config, held, tensors)
        if occupancy is not None:
            field.occupancy.assign(occupancy)
        return mirrored_field(field, path) if turned else field

    def check(self, config: FactorizedConfig) -> None:
        check_choices(config, self.title)

    def write(self, field: FactorizedField, path: Path) -> None:
        self.check(field.config)
        note = note_of(field)
        field = mirrored_field(field, path) if field.info.frame == "ndc" else field
        kwargs = kwargs_of(field)
        state = factor_state(field)
        for part, ours in (("weight", field.decoder.weights), ("bias", field.decoder.biases)):
            names = [f"renderModule.mlp.{layer}.{part}" for layer in LAYERS]
            state |= dict(zip(names, ours, strict=False))  # none without a network
        checkpoint = {"kwargs": kwargs, "state_dict": plain_copy(state)}
        with open(path, "wb") as file:
            torch.save({**checkpoint, **mask_entries(field), **note}, file)


def our_network(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The color network's tensors under our names; other tensors under their own."""
    ours = {"weight": "weights", "bias": "biases"}
    names = {
        f"renderModule.mlp.{layer}.{part}": f"decoder.{ours[part]}.{number}"
        for number, layer in enumerate(LAYERS)
        for part in ours
    }
    return {names.get(name, name): tensor for name, tensor in state.items()}
