"""nerfstudio_grid: `nerfacto` and `instant-ngp` of nerfstudio, by tiny-cuda-nn, as a hash grid.

The color network's inputs are [harmonics, features, appearance]; the constant appearance becomes
part of a weight. Density is ``average_init_density * exp(raw)`` per unit of the loader's frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...adapters.hashgrid import HashgridConfig, HashgridField
from ...adapters.joint import FEATURES
from ...errors import FormatError, UnsupportedError
from .color_columns import HARMONICS, harmonics_last, with_constant
from .nerfacto_frame import APPEARANCE, SIZES, Frame, frame_of, is_fast, stated_size, take_occupancy
from .nerfstudio_run import Run
from .ngp_parameters import named, stored_network, table_of, vector
from .rebuild import rebuild
from .tcnn_parameters import NetworkShape, aligned, take_network

JOINED = ("mlp_base.model.params", "mlp_base.params")  # network, then grid: since 2023-12, at first
APART = ("mlp_base_mlp.tcnn_encoding.params", "mlp_base_grid.tcnn_encoding.params")  # between
HEADS = ("mlp_head.tcnn_encoding.params", "mlp_head.params")
WIDTHS = (16, 32, 64, 128, 256)  # that are tried where no config.yml states one


def read_grid(run: Run) -> HashgridField:
    """The field without its proposal networks. Raises FormatError, UnsupportedError."""
    if is_fast(run) and "field.max_res" not in run.state:
        raise UnsupportedError(f"{run.path}: an instant-ngp from before its fields were nerfacto's")
    names = (*JOINED, *APART, *HEADS, APPEARANCE, *SIZES, "aabb")
    state = {
        name.removeprefix("field."): tensor
        for name, tensor in run.tensors(f"field.{name}" for name in names).items()
    }
    frame = frame_of(run, state)
    edges = frame.info.aabb.size
    if max(edges) > min(edges) * (1 + 1e-5):
        raise UnsupportedError(f"{run.path}: its box has edges {edges}; cubes are read")
    try:
        config, density, table = grid_of(run, state, frame)
        inputs = HARMONICS + FEATURES - 1 + len(frame.appearance)
        shape = NetworkShape(inputs, config.hidden_width, config.color_layers, 3)
        color, ones = stored_network(run.path, state, found_in(run, state, HEADS), shape)
        color[0] = head_matrix(color[0], frame.appearance, ones)
        tensors = {"table": table_of(config, table), **named("density_weights", density)}
    except ValueError as problem:
        raise FormatError(run.path, str(problem)) from None
    tensors |= named("color_weights", color)
    field = rebuild(run.path, HashgridField, config, frame.info, tensors)
    take_occupancy(run, field)
    return field


def found_in(run: Run, state: dict[str, Tensor], names: tuple[str, ...]) -> str:
    """The first of `names` that the state has. Raises FormatError."""
    for name in names:
        if name in state:
            return name
    raise FormatError(run.path, f"found none of field.{', field.'.join(names)}")


def grid_of(
    run: Run, state: dict[str, Tensor], frame: Frame
) -> tuple[HashgridConfig, list[Tensor], Tensor]:
    """Config, weights of the density network, numbers of the grid. Raises FormatError,
    ValueError."""
    if APART[0] in state:
        numbers = torch.cat([vector(run.path, state, name) for name in APART])
    else:
        numbers = vector(run.path, state, found_in(run, state, JOINED))
    config = HashgridConfig(
        n_levels=stated_size(run, state, "num_levels"),
        finest_resolution=stated_size(run, state, "max_res"),
        log2_table_size=stated_size(run, state, "log2_hashmap_size"),
        base_resolution=run.setting("base_res", 16),
        features_per_level=run.setting("features_per_level", 2),
        hidden_width=width_of(run, state),
        density_in_color=False,
        density_shift=math.log(frame.initial_density * max(frame.info.aabb.size)),
    )
    encoded = config.n_levels * config.features_per_level
    if APART[0] in state and encoded != aligned(encoded):
        raise UnsupportedError(f"{run.path}: its grid has {encoded} features; expected 16, 32, ...")
    shape = NetworkShape(encoded, config.hidden_width, config.density_layers, FEATURES)
    weights, _, rest = take_network(numbers, shape)
    return config, weights, rest


def width_of(run: Run, state: dict[str, Tensor]) -> int:
    """Neurons of both networks; without settings, by the color network's count of numbers, or 64
    where none fits. Raises FormatError, UnsupportedError."""
    if run.settings:
        widths = run.setting("hidden_dim", 64), run.setting("hidden_dim_color", 64)
        if widths[0] != widths[1]:
            wide = f"{widths[0]} and {widths[1]} wide"
            raise UnsupportedError(f"{run.path}: its networks are {wide}; one width is read")
        return widths[0]
    count = len(vector(run.path, state, found_in(run, state, HEADS)))
    columns = state[APPEARANCE].shape[1] if APPEARANCE in state else 0
    shapes = {w: NetworkShape(HARMONICS + FEATURES - 1 + columns, w, 2, 3) for w in WIDTHS}
    return next((w for w, shape in shapes.items() if shape.count == count), 64)


def head_matrix(weight: Tensor, appearance: Tensor, ones: Tensor) -> Tensor:
    """A first matrix for [harmonics, features, appearance], and `ones`, its columns for inputs that
    are 1, as one for [features, harmonics]."""
    varying, constant = weight.split([HARMONICS + FEATURES - 1, len(appearance)], 1)
    return with_constant(harmonics_last(varying), constant @ appearance + ones.sum(1))
