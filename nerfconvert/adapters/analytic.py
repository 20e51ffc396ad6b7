"""analytic: closed-form scenes of soft blobs and boxes; the exact teacher of tests and demos.

A primitive is a density profile, a color and a highlight. Densities add; colors mix in
proportion to density. There are no parameters: the config is the field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..volume import FieldInfo, RadianceField

Triple = tuple[float, float, float]
SHININESS = 6  # exponent of the highlight; higher is narrower


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """One body. Lengths in world units, colors sRGB in [0, 1].

    blob: ``density * exp(-|offset / size|^2 / 2)``; box: ``density`` times, on each axis,
    ``sigmoid((size - |offset|) / softness)``, so `size` holds half edges.
    """

    kind: Literal["blob", "box"]
    center: Triple
    size: Triple
    density: float  # peak, 1 / world unit
    color: Triple
    softness: float = 0.01  # of a box's faces
    highlight: float = 0.0  # added to the color where the surface faces the camera
    stripes: float = 0.0  # cycles per world unit of a brightness pattern, 0 is plain

    def __post_init__(self):
        if self.kind not in ("blob", "box"):
            raise ValueError(f"kind must be blob or box, got {self.kind!r}")
        for name in ("center", "size", "color"):
            object.__setattr__(self, name, _triple(name, getattr(self, name)))
        for name in ("density", "softness", "highlight", "stripes"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
        if min(self.size) <= 0 or self.softness <= 0:
            raise ValueError(f"size and softness must be positive, got {self.size}")
        if not all(0 <= c <= 1 for c in self.color):
            raise ValueError(f"color must lie in [0, 1], got {self.color}")


@dataclass(frozen=True, kw_only=True)
class AnalyticConfig:
    """The primitives of a scene; without any, it is empty."""

    primitives: tuple[Primitive, ...] = ()

    def __post_init__(self):
        bodies = tuple(
            Primitive(**p) if isinstance(p, dict) else p for p in self.primitives
        )  # dicts come from JSON and TOML
        object.__setattr__(self, "primitives", bodies)


class AnalyticField(RadianceField):
    """Features [N, 8]: density, color (3), outward axis (3), highlight."""

    architecture = "analytic"
    Config = AnalyticConfig
    feature_dim = 8

    def __init__(self, config: AnalyticConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        self._tables = ("center", "size", "peak", "base", "softness", "gloss", "stripes", "is_box")
        columns = _columns(config.primitives)
        for name, column in zip(self._tables, columns, strict=True):
            self.register_buffer(name, column, persistent=False)

    def encode(self, positions: Tensor) -> Tensor:
        offset = positions[:, None] - self.center  # [N, P, 3]
        blob = torch.exp(-0.5 * (offset / self.size).square().sum(-1))
        faces = torch.sigmoid((self.size - offset.abs()) / self.softness[:, None]).prod(-1)
        density = self.peak * torch.where(self.is_box, faces, blob)  # [N, P]
        total = density.sum(-1, keepdim=True)
        share = density / total.clamp_min(1e-12)
        wave = torch.sin(2 * math.pi * self.stripes * positions.sum(-1, keepdim=True))
        pattern = torch.where(self.stripes > 0, 0.75 + 0.25 * wave, torch.ones_like(wave))
        color = ((share * pattern)[..., None] * self.base).sum(1)
        axis = normalize((share[..., None] * normalize(offset, dim=-1)).sum(1), dim=-1)
        gloss = (share * self.gloss).sum(-1, keepdim=True)
        return torch.cat([total, color, axis, gloss], -1)

    def density(self, features: Tensor) -> Tensor:
        return features[:, 0]

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        facing = -(features[:, 4:7] * directions).sum(-1, keepdim=True)
        shine = features[:, 7:] * facing.clamp_min(0) ** SHININESS
        return (features[:, 1:4] + shine).clamp(0, 1)


def _triple(name: str, value: Sequence[float]) -> Triple:
    numbers = tuple(value) if isinstance(value, list | tuple) else (value,)
    if len(numbers) != 3 or not all(
        isinstance(v, int | float) and math.isfinite(v) for v in numbers
    ):
        raise ValueError(f"{name} must be three finite numbers, got {value!r}")
    return tuple(float(v) for v in numbers)


def _columns(bodies: Sequence[Primitive]) -> tuple[Tensor, ...]:
    """Tables over P bodies: three-vectors [P, 3], scalars [P]; the last is bool."""

    def column(name: str, width: int) -> Tensor:
        values = [getattr(b, name) for b in bodies]
        shape = (len(bodies), 3) if width == 3 else (len(bodies),)
        return torch.tensor(values, dtype=torch.float32).view(shape)

    vectors = [column("center", 3), column("size", 3)]
    scalars = [column(n, 1) for n in ("softness", "highlight", "stripes")]
    is_box = torch.tensor([b.kind == "box" for b in bodies], dtype=torch.bool)
    return (*vectors, column("density", 1), column("color", 3), *scalars, is_box)
