"""tensorial: sparse voxels of density and spherical harmonics (Plenoxels, Yu et al. 2022).

Vertices lie on a cube lattice stretched over the box. A stored vertex has one row of the table: raw
density and 3 x 9 coefficients, channel after channel, as in svox2. Vertices that are not stored are
empty.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...kernels.harmonic_color import harmonic_color
from ...kernels.voxel_lookup import (
    bricks_per_axis,
    count_ones,
    first_rows,
    pack_vertices,
    voxel_lookup,
)
from ...volume import (
    FieldInfo,
    Pace,
    ParameterGroup,
    RadianceField,
    Role,
    TrainableField,
    Visibility,
)
from ..activations import DENSITY, InwardClamp
from .filled import filled
from .initialize import CHANNELS, SH_BANDS, fit_voxels
from .lattice import Lattice, voxel_edge
from .tensorial_config import COARSE, MAX_VOXELS, TensorialConfig

REFINED_BY = 0.4  # of the training budget: by then the resolution is the final one
SURVEYED = 128  # cells along an axis of the first lattice of a start with time enough
DEPTH_SCALE = 4.0  # optical depth of one finest voxel edge for a raw density of 1
# Optimizers have one rate for all tables: at 0.1 they undo a start first, at 0.008 they do nothing.
INITIALIZED_UNIT = 0.03
THIN = 1.0  # optical depth of the whole box of a new field
NOISE = 0.02  # standard deviation of a new field of log density (PVD)


def resolutions(finest: int) -> list[int]:
    """Cells along an axis, from that of a new field to `finest`; each doubles the one before."""
    sizes = [finest]
    while sizes[0] > COARSE:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def cells_of(words: Tensor) -> int:
    """Cells along an axis of the lattice of words [B^3]; here always a multiple of 4."""
    return 4 * (round(len(words) ** (1 / 3)) - 1)


class TensorialField(TrainableField, RadianceField):
    """Features [N, 28] are interpolated raw density and coefficients; no decoder parameters.

    What training finds is saved as state: the stored vertices (`words`), their rows, and `unit`.
    """

    architecture = "tensorial"
    Config = TensorialConfig
    feature_dim = CHANNELS
    start_share = 2 / 3  # steps of as many seconds gain less: their rays are fewer than the voxels

    words: Tensor  # [B^3] int64, see kernels.voxel_lookup
    first: Tensor  # [B^3] int64
    unit: Tensor  # scalar, from stored values to raw density and coefficients

    def __init__(self, config: TensorialConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        self.density_scale = config.density_scale / max(info.aabb.size)
        if config.density_activation == "relu":
            self.density_scale = DEPTH_SCALE / voxel_edge(info.aabb, config.resolution)
        vertices = (resolutions(config.resolution)[0] + 1,) * 3
        words = pack_vertices(torch.ones(vertices, dtype=torch.bool))
        self.register_buffer("words", words)
        self.register_buffer("first", first_rows(words), persistent=False)
        self.register_buffer("unit", torch.ones(()))
        self.table = nn.Parameter(torch.zeros(math.prod(vertices), CHANNELS))
        with torch.no_grad():
            if config.density_activation == "relu":
                self.table[:, 0] = THIN / (DEPTH_SCALE * config.resolution)
            else:
                self.table.normal_(std=NOISE)
        self._too_fine = 2 * config.resolution  # cells of a lattice with too many voxels
        self.register_load_state_dict_post_hook(_find_rows)

    @property
    def starts_fitted(self) -> bool:
        """Yes, but for log density, of which there is no start in closed form."""
        return self.config.density_activation == "relu"

    @property
    def fitted(self) -> bool:
        """Only a start sets the unit, which is saved."""
        return float(self.unit) != 1

    @property
    def lattices(self) -> dict[int, int]:
        """How many voxels it may store by the cells along an axis of all lattices that it may have,
        from the coarsest."""
        most = dict.fromkeys(resolutions(self.config.resolution), MAX_VOXELS)
        finer = [self.config.resolution * eighths // 8 for eighths in range(9, 17)]
        if self.config.finer_voxels and self.starts_fitted:
            most |= {n: self.config.finer_voxels for n in finer if n % 4 == 0}
        return most

    @property
    def cells(self) -> int:
        """Cells along each axis of the current lattice."""
        return cells_of(self.words)

    def encode(self, positions: Tensor) -> Tensor:
        unit = self.aabb.to_unit(positions)
        lattice = self.words, self.first, self.cells
        return voxel_lookup(unit, self.table, *lattice, self.sparse_gradients)

    def density(self, features: Tensor) -> Tensor:
        return self._density(features[:, 0])

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        return self._color(harmonic_color(features, directions, SH_BANDS)[1])

    def decode(self, features: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        density, rgb = harmonic_color(features, directions, SH_BANDS)
        return self._density(density), self._color(rgb)

    def _density(self, raw: Tensor) -> Tensor:
        return DENSITY[self.config.density_activation](raw * self.unit) * self.density_scale

    def _color(self, raw: Tensor) -> Tensor:
        if self.config.color_activation == "sigmoid":
            return (raw * self.unit).sigmoid()
        return InwardClamp.apply(raw * self.unit + 0.5)

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("space", Role.ROW_TABLE, [self.table])]

    def initialize_from(self, teacher: RadianceField, visibility: Visibility, pace: Pace) -> None:
        """Fits voxels to the teacher's density and colors; for log density it does nothing."""
        if self.config.density_activation != "relu":
            return
        finest, most = self.config.resolution, self.lattices
        first = min(n for n in most if n >= min(finest, SURVEYED))
        how = self._occupied_vertices, most, first, self.config.color_activation, pace
        words, table = fit_voxels(teacher, visibility, self.aabb, *how)
        table[:, 0] *= cells_of(words) / (finest * DEPTH_SCALE)
        self.unit.fill_(INITIALIZED_UNIT)
        self.replace_voxels(words, table.div_(INITIALIZED_UNIT))

    def refine(self, fraction: float) -> bool:
        """Doubles the resolution at even intervals until `REFINED_BY`; keeps the voxels with
        density in occupied cells, and their neighbors; of log density, all of occupied cells."""
        sizes = resolutions(self.config.resolution)
        due = min(int(fraction / REFINED_BY * (len(sizes) - 1)), len(sizes) - 1)
        cells = self.cells
        if sizes[due] <= cells or 2 * cells >= self._too_fine:
            return False
        lattice = Lattice.of(self.aabb, self._occupied_vertices(2 * cells))
        if self.config.density_activation == "relu":
            depth = self._finer(lattice, self.table[:, :1])[:, 0] * (DEPTH_SCALE * self.unit)
            depth = depth * (self.config.resolution / lattice.cells)
            lattice = lattice.around(filled(lattice, depth))
        if len(lattice.vertices) > MAX_VOXELS:
            self._too_fine = lattice.cells
            return False
        self.replace_voxels(lattice.words, self._finer(lattice, self.table))
        return True

    @torch.no_grad()
    def _finer(self, lattice: Lattice, table: Tensor) -> Tensor:
        """Rows [V, C] of a finer lattice, interpolated from columns [., C] of the current one."""
        unit = lattice.vertices / lattice.cells
        return voxel_lookup(unit, table.contiguous(), self.words, self.first, self.cells)

    def trained_size(self) -> tuple[int, int]:
        most = self.lattices
        ends = {self.config.resolution, max(most)}  # between them it stores no more than at both
        n_voxels = max(min(self._count_vertices(n), most[n]) for n in ends)
        _, others = super().trained_size()
        words = bricks_per_axis(max(ends)) ** 3 - len(self.words)
        return n_voxels * CHANNELS, others + words * self.words.element_size()

    def _count_vertices(self, cells: int) -> int:
        """Number of `_occupied_vertices`, without a list: spans of occupancy cells that are equal
        are counted together."""
        spans, alike = torch.unique(torch.stack(self._spans(cells)), dim=1, return_counts=True)
        rows = self._touching(*spans).float() @ alike.float()  # up to cells + 1: exact
        return int(alike.double() @ rows.double() @ alike.double())

    def replace_voxels(self, words: Tensor, table: Tensor) -> None:
        """Replaces the lattice: words [B^3] int64 and its rows [V, 28]."""
        self.words, self.first = words, first_rows(words)
        self.table = nn.Parameter(table, requires_grad=self.table.requires_grad)

    def take_sizes(self, shapes: Mapping[str, torch.Size]) -> None:
        words, table = shapes.get("words"), shapes.get("table")
        if words is None or table is None or len(words) != 1 or len(table) != 2:
            return  # missing and malformed tensors are reported where tensors are compared
        known = {bricks_per_axis(cells) ** 3: cells for cells in self.lattices}
        if words[0] not in known:
            raise ValueError(
                f"words must have {' or '.join(map(str, known))} bricks, got {words[0]}"
            )
        most = (known[words[0]] + 1) ** 3
        if table[0] > most:
            raise ValueError(f"table must have at most {most} rows, got {table[0]}")
        if (words, table) != (self.words.shape, self.table.shape):
            device, kind = self.table.device, self.table.dtype
            self.words = torch.zeros(words, dtype=torch.int64).to(device)
            self.first = torch.zeros_like(self.words)
            rows = torch.empty(table, dtype=kind).to(device)
            self.table = nn.Parameter(rows, requires_grad=self.table.requires_grad)

    def _occupied_vertices(self, cells: int) -> Tensor:
        """[cells + 1]^3 bool: vertices of lattice cells that touch an occupied cell."""
        return self._touching(*self._spans(cells))

    def _spans(self, cells: int) -> tuple[Tensor, Tensor]:
        """First and last occupancy cell, both [cells + 1], that a vertex's two cells touch along an
        axis."""
        size = self.occupancy.resolution
        index = torch.arange(cells + 1, device=self.device)
        low = (index - 1).clamp_min(0) * size // cells
        return low, -(-(index + 1).clamp(max=cells) * size // cells) - 1

    def _touching(self, low: Tensor, high: Tensor) -> Tensor:
        """[N, N, N] bool: whether a cell of the occupancy within the spans [N] is occupied."""
        stored = self.occupancy.dense()
        for axis in range(3):
            spans = (torch.minimum(low + k, high) for k in range(int((high - low).max()) + 1))
            stored = functools.reduce(
                torch.logical_or, [stored.index_select(axis, s) for s in spans]
            )
        return stored


def _find_rows(field: TensorialField, _) -> None:
    """After loading: finds the first row of each brick. Raises ValueError unless the table has one
    row for each vertex marked in `words`."""
    stored = int(count_ones(field.words).sum())
    if stored != len(field.table):
        raise ValueError(f"words must mark {len(field.table)} stored voxels, got {stored}")
    field.first = first_rows(field.words)
