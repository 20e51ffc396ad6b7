"""analytic: closed-form scenes of simple bodies; the exact teacher of tests and demos.

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
PAIRS = 1 << 20  # of a place and a body, looked at together
SHININESS = 6  # exponent of the highlight; higher is narrower
LARGEST, SMALLEST = 1e9, 1e-9  # numbers of a body: none overflows float32
CHECKS_DARK = 0.35  # brightness of every other check


def _blob(offset: Tensor, size: Tensor, softness: Tensor) -> Tensor:
    return torch.exp(-0.5 * (offset / size).square().sum(-1))


def _box(offset: Tensor, size: Tensor, softness: Tensor) -> Tensor:
    return torch.sigmoid((size - offset.abs()) / softness[:, None]).prod(-1)


def _ellipsoid(offset: Tensor, size: Tensor, softness: Tensor) -> Tensor:
    depth = (1 - (offset / size).norm(dim=-1)) * size.amin(-1)  # that of a sphere is exact
    return torch.sigmoid(depth / softness)


def _cylinder(offset: Tensor, size: Tensor, softness: Tensor) -> Tensor:
    depth = (1 - (offset / size)[..., :2].norm(dim=-1)) * size[:, :2].amin(-1)
    caps = (size[:, 2] - offset[..., 2].abs()) / softness
    return torch.sigmoid(depth / softness) * torch.sigmoid(caps)


# (offset [N, P, 3] from the centers, size [P, 3], softness [P]) -> share of the peak density [N, P]
PROFILES = {"blob": _blob, "box": _box, "ellipsoid": _ellipsoid, "cylinder": _cylinder}


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """One body. Lengths in world units, colors sRGB in [0, 1].

    The density of a `kind` is ``density`` times its profile in PROFILES; `size` holds the standard
    deviations of a blob, the half edges of a box, the radii of an ellipsoid, the two radii and the
    half height (z) of a cylinder.
    """

    kind: Literal["blob", "box", "ellipsoid", "cylinder"]
    center: Triple
    size: Triple
    density: float  # peak, 1 / world unit
    color: Triple
    softness: float = 0.01  # of the surface of all but a blob, world units
    highlight: float = 0.0  # added to the color where the surface faces the camera
    stripes: float = 0.0  # cycles per world unit of a brightness pattern, 0 is plain
    checks: float = 0.0  # the same of a pattern with hard edges

    def __post_init__(self):
        if self.kind not in PROFILES:
            raise ValueError(f"kind must be one of {', '.join(PROFILES)}, got {self.kind!r}")
        for name in ("center", "size", "color"):
            object.__setattr__(self, name, _triple(name, getattr(self, name)))
        for name in ("density", "softness", "highlight", "stripes", "checks"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value <= LARGEST:
                raise ValueError(f"{name} must be a number in 0..{LARGEST:g}, got {value!r}")
        if min(*self.size, self.softness) < SMALLEST:
            raise ValueError(
                f"size and softness must be {SMALLEST:g} at least, got {self.size}, {self.softness}"
            )
        if not all(0 <= c <= 1 for c in self.color):
            raise ValueError(f"color must lie in [0, 1], got {self.color}")


@dataclass(frozen=True, kw_only=True)
class AnalyticConfig:
    """The primitives of a scene; without any, it is empty."""

    primitives: tuple[Primitive, ...] = ()

    def __post_init__(self):
        if not all(isinstance(p, dict | Primitive) for p in self.primitives):
            raise ValueError("primitives must be a list of tables")
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
        for name, column in _columns(config.primitives).items():
            self.register_buffer(name, column, persistent=False)
        self._checked = any(body.checks for body in config.primitives)
        for kind in PROFILES:
            bodies = [i for i, body in enumerate(config.primitives) if body.kind == kind]
            places = torch.tensor(bodies, dtype=torch.int64)
            self.register_buffer(f"{kind}_bodies", places, persistent=False)

    def encode(self, positions: Tensor) -> Tensor:
        chunk = max(1, PAIRS // max(1, len(self.peak)))
        return torch.cat([self._encode(part) for part in positions.split(chunk)])

    def _encode(self, positions: Tensor) -> Tensor:
        offset = positions[:, None] - self.center  # [N, P, 3]
        density = self.peak * self._profiles(offset)  # [N, P]
        total = density.sum(-1, keepdim=True)
        share = density / total.clamp_min(1e-12)
        wave = torch.sin(2 * math.pi * self.stripes * positions.sum(-1, keepdim=True))
        pattern = torch.where(self.stripes > 0, 0.75 + 0.25 * wave, torch.ones_like(wave))
        if self._checked:
            waves = torch.cos(2 * math.pi * self.checks[:, None] * offset)
            dark = (self.checks > 0) & (waves.prod(-1) < 0)
            pattern = torch.where(dark, CHECKS_DARK * pattern, pattern)
        color = ((share * pattern)[..., None] * self.base).sum(1)
        axis = normalize((share[..., None] * normalize(offset, dim=-1)).sum(1), dim=-1)
        gloss = (share * self.highlight).sum(-1, keepdim=True)
        return torch.cat([total, color, axis, gloss], -1)

    def _profiles(self, offset: Tensor) -> Tensor:
        """Each body's part [N, P] of its density at `offset` [N, P, 3] from its center."""
        parts = offset.new_empty(offset.shape[:2])
        for kind, profile in PROFILES.items():
            bodies = self.get_buffer(f"{kind}_bodies")
            if len(bodies):
                size, softness = self.size[bodies], self.softness[bodies]
                parts[:, bodies] = profile(offset[:, bodies], size, softness)
        return parts

    def density(self, features: Tensor) -> Tensor:
        return features[:, 0]

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        facing = -(features[:, 4:7] * directions).sum(-1, keepdim=True)
        shine = features[:, 7:] * facing.clamp_min(0) ** SHININESS
        return (features[:, 1:4] + shine).clamp(0, 1)


def _triple(name: str, value: Sequence[float]) -> Triple:
    numbers = tuple(value) if isinstance(value, list | tuple) else (value,)
    if len(numbers) != 3 or not all(
        isinstance(v, int | float) and abs(v) <= LARGEST for v in numbers
    ):
        raise ValueError(f"{name} must be three numbers, to {LARGEST:g} from 0, got {value!r}")
    return tuple(float(v) for v in numbers)


def _columns(bodies: Sequence[Primitive]) -> dict[str, Tensor]:
    """Tables over P bodies: three-vectors [P, 3], numbers [P]."""

    def column(name: str, *shape: int) -> Tensor:
        values = [getattr(b, name) for b in bodies]
        return torch.tensor(values, dtype=torch.float32).view(len(bodies), *shape)

    vectors = {"center": "center", "size": "size", "base": "color"}
    numbers = ("softness", "highlight", "stripes", "checks")
    return {
        **{table: column(name, 3) for table, name in vectors.items()},
        **{name: column(name) for name in numbers},
        "peak": column("density"),
    }
