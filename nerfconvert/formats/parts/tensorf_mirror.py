"""tensorf_mirror: TensoRF's forward-facing scenes in the world that cameras have, and back.

Its loader of LLFF centers poses on axes of which x points to the left: everything that it learns
is a mirror image along x. Mirrored again, tensors mean the same in the frame of other programs.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from ...adapters.factorized.factorized_config import FactorizedConfig
from ...adapters.factorized.field import FactorizedField
from ...volume import Aabb
from .rebuild import OCCUPANCY, rebuild

ALONG_X = ("factors.lines.2", "factors.planes.0", "factors.planes.1")  # in their first dimension
ODD = (3, 4, 7)  # harmonics up to degree 2 that change their sign with x


def mirrored_box(box: Aabb) -> Aabb:
    """The mirror image of `box` along x."""
    (left, *low), (right, *high) = box.low, box.high
    return Aabb((-right, *low), (-left, *high))


def mirrored(tensors: dict[str, Tensor], config: FactorizedConfig) -> dict[str, Tensor]:
    """The tensors of a field that shows, in the mirror image of its box, what one with `tensors`
    shows, mirrored; twice is once each."""
    found = tensors | {name: tensors[name].flip(0) for name in ALONG_X if name in tensors}
    if config.shading == "harmonics":
        found["factors.basis"] = tensors["factors.basis"] * _signs_of_harmonics(tensors)
    elif config.shading != "colors":
        first = tensors["decoder.weights.0"]
        found["decoder.weights.0"] = first * _signs_of_inputs(config, first)
    return found


def mirrored_field(field: FactorizedField, path: Path) -> FactorizedField:
    """The mirror image of `field`, with its occupancy, to be written to `path`."""
    info = dataclasses.replace(field.info, aabb=mirrored_box(field.aabb))
    tensors = {name: t for name, t in field.state_dict().items() if name != OCCUPANCY}
    twin = rebuild(path, type(field), field.config, info, mirrored(tensors, field.config))
    twin.occupancy.assign(field.occupancy.dense().flip(0))
    return twin


def _signs_of_harmonics(tensors: dict[str, Tensor]) -> Tensor:
    """[27, 1]: of the rows that are coefficients, color after color."""
    signs = torch.ones(3, len(tensors["factors.basis"]) // 3)
    signs[:, list(ODD)] = -1
    return signs.view(-1, 1)


def _signs_of_inputs(config: FactorizedConfig, weight: Tensor) -> Tensor:
    """[inputs] of the color network: -1 for x of the direction, and for its sines."""
    signs = torch.ones(weight.shape[1])
    signs[config.feature_width] = -1
    sines = config.feature_width * (1 + 2 * config.feature_octaves) + 3
    signs[sines : sines + config.view_octaves] = -1
    return signs
