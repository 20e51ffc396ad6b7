"""nerfstudio_hashed: nerfacto and instant-ngp of nerfstudio where tiny-cuda-nn was missing.

Its harmonics have positive signs only and get ``(d + 1) / 2`` for a direction d: polynomials of d
all the same, so they are sums of the usual ones, and the sums become part of a weight.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...adapters.harmonics_shift import harmonics_shift
from ...adapters.hashed import HashedConfig, HashedField
from ...adapters.joint import FEATURES
from ...errors import FormatError
from .color_columns import HARMONICS
from .mlp_state import matrix
from .nerfacto_frame import APPEARANCE, SIZES, frame_of, stated_size, take_occupancy
from .nerfstudio_run import Run
from .rebuild import rebuild

BASES = (("mlp_base.model.0", "mlp_base.model.1"), ("mlp_base_grid", "mlp_base_mlp"))  # now, 2023
TABLES = tuple(f"field.{grid}.hash_table" for grid, _ in BASES)
DENSITY_LAYERS, COLOR_LAYERS = 2, 3


def read_hashed(run: Run) -> HashedField:
    """The field without its proposal networks. Raises FormatError."""
    grid, network = BASES[TABLES[0] not in run.state]
    layers = {f"density.{i}": f"{network}.layers.{i}" for i in range(DENSITY_LAYERS)}
    layers |= {f"color.{i}": f"mlp_head.layers.{i}" for i in range(COLOR_LAYERS)}
    parts = [f"{layer}.{kind}" for layer in layers.values() for kind in ("weight", "bias")]
    names = (f"{grid}.hash_table", *parts, APPEARANCE, *SIZES, "aabb")
    state = {
        name.removeprefix("field."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in run.tensors(f"field.{name}" for name in names).items()
    }
    frame = frame_of(run, state)
    table = matrix(run.path, state, f"{grid}.hash_table")
    widths = [len(matrix(run.path, state, f"{layers[n]}.weight")) for n in ("density.0", "color.0")]
    try:
        config = HashedConfig(
            resolutions=resolutions(
                run.setting("base_res", 16),
                stated_size(run, state, "max_res"),
                stated_size(run, state, "num_levels"),
            ),
            features_per_level=table.shape[1],
            log2_table_size=stated_size(run, state, "log2_hashmap_size"),
            density_width=widths[0],
            color_width=widths[1],
            density_scale=frame.initial_density,
        )
    except ValueError as problem:
        raise FormatError(run.path, str(problem)) from None
    tensors = {"table": table}
    for ours, theirs in layers.items():
        kind, _, number = ours.partition(".")
        for part, name in (("weight", "weights"), ("bias", "biases")):
            if f"{theirs}.{part}" in state:
                tensors[f"{kind}_{name}.{number}"] = state[f"{theirs}.{part}"]
    fold_inputs(run, tensors, frame.appearance)
    field = rebuild(run.path, HashedField, config, frame.info, tensors)
    take_occupancy(run, field)
    return field


def resolutions(base: int, finest: int, count: int) -> tuple[int, ...]:
    """Of each level: geometric, in float32 and rounded down, which makes 2047 of 2048. Raises
    ValueError."""
    if not (1 <= count <= 32 and 1 <= base <= finest):
        raise ValueError(f"a grid of {count} levels from {base} to {finest} cells")
    growth = math.exp((math.log(finest) - math.log(base)) / max(count - 1, 1))
    scales = torch.pow(growth, torch.arange(count)) * base
    return tuple(scales.floor().int().tolist())


def fold_inputs(run: Run, tensors: dict[str, Tensor], appearance: Tensor) -> None:
    """Replaces the color network's first layer, for [harmonics, features, appearance], by one for
    [features, usual harmonics]. Raises FormatError."""
    weight, bias = (tensors.get(f"color_{name}.0") for name in ("weights", "biases"))
    expected = HARMONICS + FEATURES - 1 + len(appearance)
    if bias is None or weight.shape[1] != expected or bias.shape != weight.shape[:1]:
        raise FormatError(
            run.path,
            f"mlp_head.layers.0 has shape {list(weight.shape)}; {expected} inputs expected",
        )
    on_sight, on_features, constant = weight.split([HARMONICS, FEATURES - 1, len(appearance)], 1)
    usual = (on_sight.double() @ harmonics_shift()).float()
    tensors["color_weights.0"] = torch.cat([on_features, usual], 1)
    tensors["color_biases.0"] = bias + constant @ appearance
