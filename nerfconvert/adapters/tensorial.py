"""tensorial: truly sparse voxels of density and spherical harmonics (Plenoxels, Yu et al. 2022).

Vertices lie on a cube lattice stretched over the box. A stored vertex has one row of the table:
raw density and 3 x 9 coefficients, color after color, as in svox2. What is not stored is empty.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..kernels.spherical_harmonics import spherical_harmonics
from ..kernels.voxel_lookup import (
    bricks_per_axis,
    count_ones,
    first_rows,
    pack_vertices,
    voxel_lookup,
)
from ..volume import FieldInfo, RadianceField, Sight
from .activations import InwardClamp, LeakyGradientRelu
from .tensorial_lattice import Lattice, voxel_edge
from .tensorial_start import EMPTY, MAX_VOXELS, fit_voxels

SH_BANDS = 3  # degree 2
CHANNELS = 1 + 3 * SH_BANDS**2
COARSE = 64  # cells along an axis of a new field, at most
REFINED_BY = 0.4  # of the training budget: by then the resolution is the final one
SURVEYED = 128  # cells along an axis of the first lattice on which a teacher is looked at
DEPTH_SCALE = 4.0  # optical depth of one finest voxel edge for a raw density of 1
# Optimizers move all tables at one pace, which undid a start: 31.9 dB became 31.4 at 0.025.
STARTED_UNIT = 0.008
THIN = 1.0  # optical depth of the whole box of a new field
FOUND = {"found": True}  # while training: nobody sets it


@dataclass(frozen=True, kw_only=True)
class TensorialConfig:
    """The lattice that is aimed at, and the one there is.

    A new field starts coarse and full; `start_from` or `refine` make it fine and sparse and say so
    here, so that a saved field can be rebuilt.
    """

    resolution: int = 256  # cells along each axis in the end: 4k up to 64, 64k beyond
    color_activation: Literal["clamp", "sigmoid"] = "clamp"  # clamp: harmonics + 0.5, in [0, 1]
    # cells along each axis now; None: of a new field
    current_resolution: int | None = dataclasses.field(default=None, metadata=FOUND)
    # stored vertices; None: all of them
    n_voxels: int | None = dataclasses.field(default=None, metadata=FOUND)
    # raw density and coefficients for a stored 1
    unit: float = dataclasses.field(default=1.0, metadata=FOUND)

    def __post_init__(self):
        size = self.resolution
        multiple = 4 if isinstance(size, int) and size <= COARSE else COARSE
        if not isinstance(size, int) or not 4 <= size <= 1024 or size % multiple:
            raise ValueError(
                f"resolution must be a multiple of 4 up to {COARSE} or of {COARSE} up to 1024, "
                f"got {size!r}"
            )
        if self.color_activation not in ("clamp", "sigmoid"):
            raise ValueError(
                f"color_activation must be clamp or sigmoid, got {self.color_activation!r}"
            )
        if self.current_resolution is None:
            object.__setattr__(self, "current_resolution", resolutions(size)[0])
        if self.current_resolution not in resolutions(size):
            raise ValueError(
                f"current_resolution must be one of {resolutions(size)}, "
                f"got {self.current_resolution!r}"
            )
        full = (self.current_resolution + 1) ** 3
        if self.n_voxels is None:
            object.__setattr__(self, "n_voxels", full)
        if not isinstance(self.n_voxels, int) or not 0 <= self.n_voxels <= full:
            raise ValueError(f"n_voxels must be an integer in 0..{full}, got {self.n_voxels!r}")
        if not isinstance(self.unit, int | float) or not 1e-6 <= self.unit <= 1e6:
            raise ValueError(f"unit must be a number in 1e-6..1e6, got {self.unit!r}")


def resolutions(finest: int) -> list[int]:
    """Cells along an axis, from that of a new field to `finest`; each doubles the one before."""
    sizes = [finest]
    while sizes[0] > COARSE:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def cells_of(words: Tensor) -> int:
    """Cells along an axis of the lattice of words [B^3]; ours are multiples of 4."""
    return 4 * (round(len(words) ** (1 / 3)) - 1)


class TensorialField(RadianceField):
    """Features [N, 28] are interpolated raw density and coefficients; `decode` is arithmetic."""

    architecture = "tensorial"
    Config = TensorialConfig
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"resolution": 128},
        "base": {},
        "large": {"resolution": 512},
    }
    feature_dim = CHANNELS

    words: Tensor  # [B^3] int64, see kernels.voxel_lookup
    first: Tensor  # [B^3] int64

    def __init__(self, config: TensorialConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        self.density_scale = DEPTH_SCALE / voxel_edge(info.aabb, config.resolution)
        cells = config.current_resolution
        if config.n_voxels == (cells + 1) ** 3:
            words = pack_vertices(torch.ones((cells + 1,) * 3, dtype=torch.bool))
        else:  # known once a saved field is loaded
            words = torch.zeros(bricks_per_axis(cells) ** 3, dtype=torch.int64)
        self.register_buffer("words", words)
        self.register_buffer("first", first_rows(words), persistent=False)
        self.table = nn.Parameter(torch.zeros(config.n_voxels, CHANNELS))
        with torch.no_grad():
            self.table[:, 0] = THIN / (DEPTH_SCALE * config.unit * config.resolution)
        self.register_load_state_dict_pre_hook(_take_lattice)
        self.register_load_state_dict_post_hook(_count_rows)

    def encode(self, positions: Tensor) -> Tensor:
        unit, cells = self.aabb.to_unit(positions), self.config.current_resolution
        lattice = self.words, self.first, cells
        return voxel_lookup(unit, self.table, *lattice, self.sparse_gradients)

    def density(self, features: Tensor) -> Tensor:
        return LeakyGradientRelu.apply(features[:, 0] * self.config.unit) * self.density_scale

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        basis = spherical_harmonics(directions, SH_BANDS) * self.config.unit
        raw = (features[:, 1:].unflatten(1, (3, -1)) * basis[:, None]).sum(-1)
        if self.config.color_activation == "sigmoid":
            return raw.sigmoid()
        return InwardClamp.apply(raw + 0.5)

    def parameter_groups(self) -> dict[Literal["space", "decoder"], list[nn.Parameter]]:
        return {"space": [self.table], "decoder": []}

    def start_from(self, teacher: RadianceField, sight: Sight) -> bool:
        finest = self.config.resolution
        sizes = [size for size in resolutions(finest) if size >= min(finest, SURVEYED)]
        words, table = fit_voxels(
            teacher,
            sight,
            self.aabb,
            self._occupied_vertices(sizes[0]),
            len(sizes) - 1,
            self.config.color_activation,
        )
        table[:, 0] *= cells_of(words) / (finest * DEPTH_SCALE)
        self.config = dataclasses.replace(self.config, unit=STARTED_UNIT)
        self.replace_voxels(words, table.div_(STARTED_UNIT))
        return True

    def refine(self, fraction: float) -> bool:
        """Doubles the resolution at even steps until `REFINED_BY`; keeps the voxels with density in
        occupied cells, and their neighbours."""
        sizes = resolutions(self.config.resolution)
        due = min(int(fraction / REFINED_BY * (len(sizes) - 1)), len(sizes) - 1)
        cells, started = self.config.current_resolution, self.config.unit == STARTED_UNIT
        if sizes[due] <= cells or started:  # what has started is as fine as fits
            return False
        lattice = Lattice.of(self.aabb, self._occupied_vertices(2 * cells))
        depth = self._finer(lattice, self.table[:, :1])[:, 0] * (DEPTH_SCALE * self.config.unit)
        depth = depth * (self.config.resolution / lattice.cells)
        lattice = lattice.around(depth > EMPTY)
        if len(lattice.vertices) > MAX_VOXELS:
            return False
        self.replace_voxels(lattice.words, self._finer(lattice, self.table))
        return True

    @torch.no_grad()
    def _finer(self, lattice: Lattice, table: Tensor) -> Tensor:
        """Rows [V, C] of a finer lattice, interpolated from columns [., C] of this one's."""
        unit = lattice.vertices / lattice.cells
        words, cells = self.words, self.config.current_resolution
        return voxel_lookup(unit, table.contiguous(), words, self.first, cells)

    def trained_size(self) -> tuple[int, int]:
        cells = self.config.resolution
        n_voxels = min(self._count_vertices(cells), MAX_VOXELS)
        _, others = super().trained_size()
        words = bricks_per_axis(cells) ** 3 - len(self.words)
        return n_voxels * CHANNELS, others + words * self.words.element_size()

    def _count_vertices(self, cells: int) -> int:
        """Of `_occupied_vertices`, without a list: those that touch the same cells are alike."""
        spans, alike = torch.unique(torch.stack(self._spans(cells)), dim=1, return_counts=True)
        rows = self._touching(*spans).float() @ alike.float()  # up to cells + 1: exact
        return int(alike.double() @ rows.double() @ alike.double())

    def replace_voxels(self, words: Tensor, table: Tensor) -> None:
        """Takes another lattice: words [B^3] int64 and its rows [V, 28]."""
        self.words, self.first = words, first_rows(words)
        self.table = nn.Parameter(table, requires_grad=self.table.requires_grad)
        self.config = dataclasses.replace(
            self.config, current_resolution=cells_of(words), n_voxels=len(table)
        )

    def _occupied_vertices(self, cells: int) -> Tensor:
        """[cells + 1]^3 bool: vertices of lattice cells that touch an occupied cell."""
        return self._touching(*self._spans(cells))

    def _spans(self, cells: int) -> tuple[Tensor, Tensor]:
        """First and last cell of the occupancy, both [cells + 1], that a vertex's two cells touch
        along an axis."""
        size = self.occupancy.resolution
        index = torch.arange(cells + 1, device=self.device)
        low = (index - 1).clamp_min(0) * size // cells
        return low, -(-(index + 1).clamp(max=cells) * size // cells) - 1

    def _touching(self, low: Tensor, high: Tensor) -> Tensor:
        """[N, N, N] bool: is a cell of the occupancy occupied within the spans [N] of each axis."""
        stored = self.occupancy.dense()
        for axis in range(3):
            spans = (torch.minimum(low + k, high) for k in range(int((high - low).max()) + 1))
            stored = functools.reduce(
                torch.logical_or, [stored.index_select(axis, s) for s in spans]
            )
        return stored


def _take_lattice(field: TensorialField, state: dict, prefix: str, *_) -> None:
    """Makes room for the lattice of a state dict, whatever the field held before."""
    words, table = state.get(prefix + "words"), state.get(prefix + "table")
    if words is None or table is None:
        return
    if (words.shape, table.shape) != (field.words.shape, field.table.shape):
        room = torch.empty(table.shape, dtype=field.table.dtype, device=field.table.device)
        field.replace_voxels(words.to(room.device, copy=True), room)


def _count_rows(field: TensorialField, _) -> None:
    stored = int(count_ones(field.words).sum())
    if stored != len(field.table):
        raise ValueError(f"words must mark {len(field.table)} stored voxels, got {stored}")
    field.first = first_rows(field.words)
