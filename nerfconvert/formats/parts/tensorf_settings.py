"""tensorf_settings: `kwargs` of a TensoRF file, as config and info of a field, and back.

Theirs: density per 1 / `distance_scale` of a world unit; ours: per longest edge of the box.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...adapters.factorized.factorized_config import FactorizedConfig
from ...adapters.factorized.field import FactorizedField
from ...errors import FormatError, UnsupportedError
from ...volume import Aabb, FieldInfo
from .shown import shown
from .tensorf_mirror import mirrored_box
from .torch_file import TorchFile

WRITTEN = {"network_frequencies": "MLP_Fea", "harmonics": "SH", "colors": "RGB"}  # ours: theirs
SHADINGS = {theirs: ours for ours, theirs in WRITTEN.items()} | {"MLP": "network_frequencies"}
NDC_RANGE, WORLD_RANGE = [0.0, 1.0], [0.1, 1000.0]  # near and far
DIGITS = 12  # that are kept of a density scale in another unit


class Settings:
    """`kwargs` of a file, each checked as it is used. Raises FormatError, UnsupportedError."""

    def __init__(self, file: TorchFile, values: dict[str, Any]):
        self.file, self.values = file, values

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        """The setting `name`; a float may be any number."""
        value = self.values.get(name, default)
        if not isinstance(value, (int, float) if kind is float else kind):
            raise FormatError(self.file.path, f"{name} is {shown(value)}; expected {kind.__name__}")
        return value

    def info(self) -> FieldInfo:
        """Box, frame and background; the file only has the box, for forward-facing scenes one of a
        mirrored world. Raises FormatError."""
        box = corners(self.file, self.values.get("aabb"), "aabb")
        if self.values.get("near_far") != NDC_RANGE:
            told = {"program": "tensorf", "frame_from": "assumed: near_far is not that of NDC"}
            return FieldInfo(aabb=box, provenance=told)
        return FieldInfo(
            aabb=mirrored_box(box),
            frame="ndc",
            background="black",
            view_directions="ndc",
            provenance={"program": "tensorf", "frame_from": "assumed: near_far is that of NDC"},
        )

    def config(self, tensors: dict[str, Tensor], counts: list[int], box: Aabb) -> FactorizedConfig:
        """Sizes are those of the tensors."""
        path, shading = self.file.path, self.get("shadingMode", str, "MLP_PE")
        if shading not in SHADINGS:
            raise UnsupportedError(
                f"{path}: shadingMode {shading} gives the color network more than features and "
                f"direction; those that are read: {', '.join(SHADINGS)}"
            )
        sizes = [len(tensors[f"factors.lines.{2 - axis}"]) for axis in range(3)]
        if self.values.get("gridSize") != sizes:
            found = self.values.get("gridSize")
            raise FormatError(path, f"gridSize is {shown(found)}; its factors have {sizes} samples")
        relu = self.get("fea2denseAct", str, "softplus") == "relu"
        try:
            return FactorizedConfig(
                resolution=max(sizes),
                density_components=counts[0],
                appearance_components=counts[1],
                feature_width=self.get("app_dim", int),
                density_activation=self.get("fea2denseAct", str, "softplus"),
                density_shift=0.0 if relu else float(self.get("density_shift", float)),
                density_scale=rounded(self.get("distance_scale", float) * max(box.size)),
                shading=SHADINGS[shading],
                view_octaves=self.get("view_pe", int),
                feature_octaves=0 if shading == "MLP" else self.get("fea_pe", int),
                hidden_width=self.get("featureC", int),
            )
        except ValueError as problem:
            raise FormatError(path, str(problem)) from None


def corners(file: TorchFile, ref: Any, what: str) -> Aabb:
    """The box in a tensor [2, 3]."""
    found = file.array(ref, what)
    try:
        if found.shape != (2, 3) or not found.is_floating_point():
            raise ValueError(f"it has shape {list(found.shape)}, {found.dtype}; expected [2, 3]")
        return Aabb(*found.tolist())
    except ValueError as problem:
        raise FormatError(file.path, f"{what}: {problem}") from None


def check_choices(config: FactorizedConfig, title: str) -> None:
    """Raises UnsupportedError unless the program, whose files are called `title`, can run a field
    of this config."""
    shifts = (0.0,) if config.density_activation == "relu" else (config.density_shift,)
    for name, known in (
        ("shading", tuple(WRITTEN)),
        ("density_activation", ("softplus", "relu")),
        ("density_shift", shifts),
        ("biases", (True,)),
        ("clamp_features", (False,)),
        ("lowest_frequency", (1.0,)),
        ("frequency_spacing", (1.0,)),
    ):
        found = getattr(config, name)
        if found not in known:
            raise UnsupportedError(
                f"a {title} file cannot hold a field with {name} = {found}; it needs "
                f"{' or '.join(map(str, known))}"
            )


def kwargs_of(field: FactorizedField) -> dict[str, Any]:
    """The settings of a field that `check_choices` lets pass."""
    config, n_modes = field.config, max(1, field.N_PLANES)
    return {
        "aabb": torch.tensor([field.aabb.low, field.aabb.high]),
        "gridSize": field.factors.sizes,
        "density_n_comp": [config.density_components] * n_modes,
        "appearance_n_comp": [config.appearance_components] * n_modes,
        "app_dim": config.feature_width,
        "density_shift": config.density_shift,
        "alphaMask_thres": 1e-4,
        "distance_scale": config.density_scale / max(field.aabb.size),
        "rayMarch_weight_thres": 1e-4,
        "fea2denseAct": config.density_activation,
        "near_far": NDC_RANGE if field.info.frame == "ndc" else WORLD_RANGE,
        "step_ratio": 0.5,
        "shadingMode": WRITTEN[config.shading],
        "pos_pe": 6,
        "view_pe": config.view_octaves,
        "fea_pe": config.feature_octaves,
        "featureC": config.hidden_width,
    }


def rounded(number: float) -> float:
    """`number` without the last digits, in which a change of unit leaves its errors."""
    return float(f"{number:.{DIGITS}g}")
