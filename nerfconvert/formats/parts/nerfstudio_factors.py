"""nerfstudio_factors: nerfstudio's `tensorf` as vm or cp.

Its modes are TensoRF's, its resolution the same along every axis; density is the relu of the sum of
all products, per unit of the data loader's frame, and frequencies are 2 pi and 8 pi.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ...adapters import ADAPTERS
from ...adapters.factorized.factorized_config import FactorizedConfig
from ...adapters.factorized.field import FactorizedField
from ...errors import FormatError, UnsupportedError
from .nerfstudio_run import Run
from .rebuild import rebuild

KINDS = ("density_encoding", "color_encoding")
LAYERS = ("mlp_head.layers.0", "mlp_head.layers.1", "field_output_rgb.net")
OCTAVES, SPACING = 2, 2.0  # frequencies of each encoding, constants of the program


def read_factors(run: Run) -> FactorizedField:
    """Raises FormatError, UnsupportedError."""
    state = run.under("field.")
    for kind in KINDS:
        if f"{kind}.line_coef" not in state:
            raise UnsupportedError(f"{run.path}: its {kind} has no lines; vm and cp are read")
    architecture = "vm" if "density_encoding.plane_coef" in state else "cp"
    info = run.info(state.pop("aabb", None), "white", method="tensorf")
    counts = [components(run.path, state, kind, architecture == "vm") for kind in KINDS]
    basis = state.pop("B.weight", torch.zeros(0))
    first = state.get(f"{LAYERS[0]}.weight", torch.zeros(0))
    if basis.ndim != 2 or first.ndim != 2:
        raise FormatError(run.path, f"found no matrices B and {LAYERS[0]}, which tensorf has")
    try:
        config = FactorizedConfig(
            resolution=state["density_encoding.line_coef"].shape[2],
            density_components=counts[0],
            appearance_components=counts[1],
            feature_width=len(basis),
            density_activation="relu",
            density_shift=0.0,
            density_scale=max(info.aabb.size),
            view_octaves=OCTAVES,
            feature_octaves=OCTAVES,
            lowest_frequency=2 * math.pi,
            frequency_spacing=SPACING,
            hidden_width=len(first),
        )
    except ValueError as problem:
        raise FormatError(run.path, str(problem)) from None
    tensors = {**our_factors(state), **our_network(state), "factors.basis": basis}
    return rebuild(run.path, ADAPTERS[architecture], config, info, tensors)


def components(path: Path, state: dict[str, Tensor], kind: str, planes: bool) -> int:
    """Components of a mode. Raises FormatError unless lines, and planes, fit each other."""
    lines = state[f"{kind}.line_coef"]
    resolution = state[f"{KINDS[0]}.line_coef"].shape[2:3]
    modes, count = (lines.shape[0], lines.shape[1]) if lines.ndim == 4 else (0, 0)
    expected = {"line_coef": (3, count, *resolution, 1)}
    if planes:
        expected["plane_coef"] = (3, count, *resolution, *resolution)
    for name, shape in expected.items():
        found = tuple(state[f"{kind}.{name}"].shape) if f"{kind}.{name}" in state else ()
        if found != shape or modes != 3:
            raise FormatError(
                path, f"{kind}.{name} has shape {list(found)}; expected {list(shape)}"
            )
    return count


def our_factors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Lines, and planes where there are any, under our names; takes them out of `state`."""
    found = {}
    for name, ours in (("line_coef", "lines"), ("plane_coef", "planes")):
        parts = [state.pop(f"{kind}.{name}") for kind in KINDS if f"{kind}.{name}" in state]
        for mode in range(3 if parts else 0):
            joined = torch.cat([part[mode] for part in parts])  # [C, second axis, first axis]
            turned = joined[..., 0].T if name == "line_coef" else joined.permute(2, 1, 0)
            found[f"factors.{ours}.{mode}"] = turned.contiguous()
    return found


def our_network(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The color network's tensors under our names; other tensors under their own."""
    names = {
        f"{layer}.{part}": f"decoder.{ours}.{number}"
        for number, layer in enumerate(LAYERS)
        for part, ours in (("weight", "weights"), ("bias", "biases"))
    }
    return {names.get(name, name): tensor for name, tensor in state.items()}
