"""nerfstudio_grid: `nerfacto` and `instant-ngp` of nerfstudio, by tiny-cuda-nn, as a hash grid.

The color network's inputs are [harmonics, features, appearance]. Appearance, a vector for each
training image, is at rest the mean of all or zeros: a constant, which becomes part of a weight.
Density is ``average_init_density * exp(raw)`` per unit of the data loader's frame.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...adapters.hashgrid import HashgridConfig, HashgridField
from ...adapters.joint import FEATURES
from ...errors import FormatError, UnsupportedError
from .color_columns import HARMONICS, harmonics_last, with_constant
from .nerfacc_grid import spread
from .nerfstudio_run import Run, stored_box
from .ngp_parameters import named, stored_network, table_of, vector
from .rebuild import rebuild
from .tcnn_parameters import NetworkShape, aligned, take_network

JOINED = ("mlp_base.model.params", "mlp_base.params")  # network, then grid: since 2023-12, at first
APART = ("mlp_base_mlp.tcnn_encoding.params", "mlp_base_grid.tcnn_encoding.params")  # between
HEADS = ("mlp_head.tcnn_encoding.params", "mlp_head.params")
APPEARANCE = "embedding_appearance.embedding.weight"
SIZES = {"num_levels": 16, "max_res": 2048, "log2_hashmap_size": 19}  # stored, but not at first
OCCUPANCY = ("binaries", "_binary")  # of nerfacc, now and at first
WIDTHS = (16, 32, 64, 128, 256)  # that are tried where no config.yml states one


def read_grid(run: Run) -> HashgridField:
    """The field without its proposal networks. Raises FormatError, UnsupportedError."""
    fast = any(name.startswith("occupancy_grid.") for name in run.state)  # instant-ngp
    if fast and "field.max_res" not in run.state:
        raise UnsupportedError(f"{run.path}: an instant-ngp from before its fields were nerfacto's")
    state = field_tensors(run)
    embedding = state.get(APPEARANCE, torch.zeros(1, 0))
    if embedding.ndim != 2 or not len(embedding) or not embedding.is_floating_point():
        raise FormatError(run.path, f"{APPEARANCE} is no matrix")
    average = not fast and run.setting("use_average_appearance_embedding", True)
    appearance = embedding.float().mean(0) if average else torch.zeros(embedding.shape[1])
    notes = {"method": "instant-ngp" if fast else "nerfacto"}
    if len(appearance):
        notes["appearance"] = "mean of the training images'" if average else "zeros"
    contracted = not run.setting("disable_scene_contraction", False)
    background = "random" if fast else "last_sample"
    info = run.info(state.get("aabb"), background, contracted, **notes)
    edges = info.aabb.size
    if max(edges) > min(edges) * (1 + 1e-5):
        raise UnsupportedError(f"{run.path}: its box has edges {edges}; cubes are read")
    try:
        config, density, table = grid_of(run, state, max(edges))
        inputs = HARMONICS + FEATURES - 1 + len(appearance)
        shape = NetworkShape(inputs, config.hidden_width, config.color_layers, 3)
        color, ones = stored_network(run.path, state, found_in(run, state, HEADS), shape)
        color[0] = head_matrix(color[0], appearance, ones)
        tensors = {"table": table_of(config, table), **named("density_weights", density)}
    except ValueError as problem:
        raise FormatError(run.path, str(problem)) from None
    tensors |= named("color_weights", color)
    field = rebuild(run.path, HashgridField, config, info, tensors)
    take_occupancy(run, field)
    return field


def field_tensors(run: Run) -> dict[str, Tensor]:
    """The tensors of the field that are used, by their names in it."""
    names = (*JOINED, *APART, *HEADS, APPEARANCE, *SIZES, "aabb")
    found = run.tensors(f"field.{name}" for name in names)
    return {name.removeprefix("field."): tensor for name, tensor in found.items()}


def found_in(run: Run, state: dict[str, Tensor], names: tuple[str, ...]) -> str:
    """The first of `names` that the state has. Raises FormatError."""
    for name in names:
        if name in state:
            return name
    raise FormatError(run.path, f"found none of field.{', field.'.join(names)}")


def grid_of(
    run: Run, state: dict[str, Tensor], edge: float
) -> tuple[HashgridConfig, list[Tensor], Tensor]:
    """Config, weights of the density network, numbers of the grid. Raises FormatError,
    ValueError."""
    if APART[0] in state:
        numbers = torch.cat([vector(run.path, state, name) for name in APART])
    else:
        numbers = vector(run.path, state, found_in(run, state, JOINED))
    initial = run.setting("average_init_density", 1.0)
    if not 0 < initial < 1e6:
        raise ValueError(f"average_init_density is {initial}; expected a positive number")
    sizes: dict[str, Any] = {
        "n_levels": stated_size(run, state, "num_levels"),
        "finest_resolution": stated_size(run, state, "max_res"),
        "log2_table_size": stated_size(run, state, "log2_hashmap_size"),
        "base_resolution": run.setting("base_res", 16),
        "features_per_level": run.setting("features_per_level", 2),
        "density_in_color": False,
        "density_shift": math.log(initial * edge),
    }
    width = run.setting("hidden_dim", 64) if run.settings else head_width(run, state)
    color_width = run.setting("hidden_dim_color", 64) if run.settings else width
    if width != color_width:
        raise UnsupportedError(
            f"{run.path}: its networks are {width} and {color_width} wide; those of one width are "
            "read"
        )
    config = HashgridConfig(hidden_width=width, **sizes)
    encoded = config.n_levels * config.features_per_level
    if APART[0] in state and encoded != aligned(encoded):
        raise UnsupportedError(f"{run.path}: its grid has {encoded} features; expected 16, 32, ...")
    shape = NetworkShape(encoded, width, config.density_layers, FEATURES)
    weights, _, rest = take_network(numbers, shape)
    return config, weights, rest


def stated_size(run: Run, state: dict[str, Tensor], name: str) -> int:
    """A size that the state holds, or else the settings. Raises ValueError."""
    if name not in state:
        return run.setting(name, SIZES[name])
    if state[name].numel() != 1 or state[name].is_floating_point():
        raise ValueError(f"field.{name} is no whole number")
    return int(state[name])


def head_width(run: Run, state: dict[str, Tensor]) -> int:
    """The width of the color network by its count of numbers; 64 where none fits."""
    count = len(vector(run.path, state, found_in(run, state, HEADS)))
    columns = state[APPEARANCE].shape[1] if APPEARANCE in state else 0
    shapes = {w: NetworkShape(HARMONICS + FEATURES - 1 + columns, w, 2, 3) for w in WIDTHS}
    return next((w for w, shape in shapes.items() if shape.count == count), 64)


def head_matrix(weight: Tensor, appearance: Tensor, ones: Tensor) -> Tensor:
    """A first matrix for [harmonics, features, appearance], and `ones`, its columns for inputs that
    are 1, as one for [features, harmonics]."""
    varying, constant = weight.split([HARMONICS + FEATURES - 1, len(appearance)], 1)
    return with_constant(harmonics_last(varying), constant @ appearance + ones.sum(1))


def take_occupancy(run: Run, field: HashgridField) -> None:
    """Gives the field the occupancy of an instant-ngp, where it has one: what the program skips was
    never trained. Raises FormatError."""
    names = [name for name in OCCUPANCY if f"occupancy_grid.{name}" in run.state]
    found = run.tensors([*(f"occupancy_grid.{name}" for name in names[:1]), "field.aabb"])
    if not names or "field.aabb" not in found:
        return
    grids = found[f"occupancy_grid.{names[0]}"]
    shape, side = list(grids.shape), grids.shape[-1] if grids.ndim else 0
    if grids.dtype != torch.bool or shape[-3:] != [side] * 3 or not 3 <= len(shape) <= 4:
        raise FormatError(run.path, f"its occupancy has shape {shape}, {grids.dtype}; no cubes")
    if not 1 <= side <= 1024 or not 1 <= len(grids.view(-1, side, side, side)) <= 16:
        raise FormatError(run.path, f"its occupancy has shape {shape}; expected [1..16, 1..1024]")
    cells = spread(grids.view(-1, side, side, side), stored_box(found["field.aabb"]), field.aabb)
    if cells.any():
        field.occupancy.assign(cells)
