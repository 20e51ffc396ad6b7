"""nerfacto_frame: what nerfstudio's nerfacto and instant-ngp share, however they were computed.

Appearance, a vector for each training image, is at rest the mean of all or zeros: a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import FormatError
from ...volume import Field, FieldInfo
from .nerfacc_grid import spread
from .nerfstudio_run import Run, stored_box

APPEARANCE = "embedding_appearance.embedding.weight"
SIZES = {"num_levels": 16, "max_res": 2048, "log2_hashmap_size": 19}  # stored, but not at first
RECENT = "field.mlp_base.model."  # begins names since 2023-12
RECENT_DENSITY = 0.01  # average_init_density of nerfacto since 2024-01, before 1
OCCUPANCY = ("binaries", "_binary")  # of nerfacc, now and at first


@dataclass(frozen=True)
class Frame:
    """Box and provenance, appearance [A] at rest (A = 0: none), and density where raw is 0, per
    unit of the data loader's frame."""

    info: FieldInfo
    appearance: Tensor
    initial_density: float


def is_fast(run: Run) -> bool:
    """Whether it is an instant-ngp: it has an occupancy and no proposal networks."""
    return any(name.startswith("occupancy_grid.") for name in run.state)


def frame_of(run: Run, state: dict[str, Tensor]) -> Frame:
    """`state` are the tensors of the field by their names in it. Raises FormatError."""
    fast = is_fast(run)
    embedding = state.get(APPEARANCE, torch.zeros(1, 0))
    if embedding.ndim != 2 or not len(embedding) or not embedding.is_floating_point():
        raise FormatError(run.path, f"{APPEARANCE} is no matrix")
    average = not fast and run.setting("use_average_appearance_embedding", True)
    appearance = embedding.float().mean(0) if average else torch.zeros(embedding.shape[1])
    notes = {"method": "instant-ngp" if fast else "nerfacto"}
    if len(appearance):
        notes["appearance"] = "mean of the training images'" if average else "zeros"
    recent = not fast and any(name.startswith(RECENT) for name in run.state)
    usual = RECENT_DENSITY if recent and run.settings is None else 1.0
    initial = run.setting("average_init_density", usual)
    if not 0 < initial < 1e6:
        raise FormatError(run.path, f"average_init_density is {initial}; expected above 0")
    if run.settings is None:
        notes["settings_from"] = (
            f"assumed: no config.yml; contracted space, {initial:g} as average_init_density, "
            "usual sizes"
        )
    contracted = not run.setting("disable_scene_contraction", False)
    background = "random" if fast else "last_sample"
    info = run.info(state.get("aabb"), background, contracted, **notes)
    return Frame(info, appearance, initial)


def stated_size(run: Run, state: dict[str, Tensor], name: str) -> int:
    """A size that the state holds, or else the settings. Raises ValueError."""
    if name not in state:
        return run.setting(name, SIZES[name])
    if state[name].numel() != 1 or state[name].is_floating_point():
        raise ValueError(f"field.{name} is no whole number")
    return int(state[name])


def take_occupancy(run: Run, field: Field) -> None:
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
    innermost = stored_box(found["field.aabb"])
    cells = spread(grids.view(-1, side, side, side), innermost, field.aabb)
    if cells.any():
        field.occupancy.assign(cells)
