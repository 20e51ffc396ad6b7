"""Field and RadianceField: the one interface between architectures and everything else."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from .aabb import Aabb
from .frustum import Frustum
from .occupancy import OccupancyGrid
from .rays import Rays

UNKNOWN_FRUSTUM = "the frustum of this forward-facing field is not known"
Part = Literal["space", "features", "decoder"]  # of a field, see `RadianceField`


@dataclass(frozen=True, kw_only=True)
class FieldInfo:
    """Box, frame, background and provenance of a field; saved with it as JSON.

    The box of an unbounded field has a contraction. Its positions are of the world and its density
    is per world unit; the architecture lies over the box, in contracted space. A field of frame
    "ndc" lives in the cube of its frustum: positions and density are there, and where
    `view_directions` says so the directions that its colors are asked in.
    """

    aabb: Aabb
    frame: Literal["world", "ndc"] = "world"
    background: Literal["white", "black"] = "white"  # what the source program composited on
    frustum: Frustum | None = None  # of frame "ndc"; None where its file does not tell
    view_directions: Literal["world", "ndc"] = "world"  # of rays as the world or the cube has them
    viewpoints: tuple[tuple[float, ...], ...] = ()  # of its capture: poses, 3x4 row after row
    pixel_shift: float = 0.0  # of an image's width: its rays lie left of and above pixel centers
    provenance: dict[str, Any] = field(default_factory=dict)  # strings and numbers; free form

    @property
    def bounded(self) -> bool:
        """Whether its box is a box of the world."""
        return self.frame == "world" and self.aabb.contraction is None

    @property
    def middle(self) -> tuple[float, float, float]:
        """World point about which cameras stand, or towards which they look."""
        if self.frustum is None:
            return self.aabb.center
        return tuple(self.frustum.to_world(torch.tensor(self.aabb.center)).tolist())

    def from_unit(self, unit: Tensor) -> Tensor:
        """Unit cube of the box [..., 3] to the world.

        Raises ValueError for a field of frame "ndc" without a frustum.
        """
        positions = self.aabb.from_unit(unit)
        if self.frustum is not None:
            return self.frustum.to_world(positions)
        if self.frame == "ndc":
            raise ValueError(UNKNOWN_FRUSTUM)
        return positions

    def local_rays(self, rays: Rays) -> Rays:
        """World rays [R] as those that march through the field.

        Raises ValueError for a field of frame "ndc" without a frustum.
        """
        if self.frustum is not None:
            found = self.frustum.rays(rays)
            as_in_world = self.view_directions == "world"
            return found if as_in_world else replace(found, view_directions=found.directions)
        if self.frame == "ndc":
            raise ValueError(UNKNOWN_FRUSTUM)
        return rays


class Field(nn.Module, abc.ABC):
    """A representation of a scene in a box; most fields are a `RadianceField`.

    A representation that renders and has no density at a point (Gaussian splats) is a Field too.

    Attributes of every field:
        architecture: its name in the table ARCHITECTURES.
        Config: the class of its config, a frozen dataclass that JSON can hold.
        config: with `info` enough to rebuild the module. It holds choices; what training finds
            (sizes, scales, which voxels are stored) is in parameters and buffers.
        info: FieldInfo.
        occupancy: OccupancyGrid over `aabb`; starts full.
    """

    architecture: ClassVar[str]
    Config: ClassVar[type]
    config: Any

    def __init__(self, info: FieldInfo, occupancy_resolution: int = 128):
        super().__init__()
        self.info = info
        self.occupancy = OccupancyGrid(occupancy_resolution)
        self.register_load_state_dict_pre_hook(_take_sizes)

    @property
    def aabb(self) -> Aabb:
        """The box outside of which the field is empty: of the world, or of contracted space."""
        return self.info.aabb

    @property
    def device(self) -> torch.device:
        """The device of its tensors, where positions are expected."""
        return self.occupancy.words.device

    def occupied_box(self) -> Aabb:
        """Box of the occupied cells, in the space of `aabb`; the whole box where none is."""
        bounds = self.occupancy.bounds()
        return self.aabb if bounds is None else self.aabb.part(*(b.cpu() for b in bounds))

    @property
    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def take_sizes(self, shapes: Mapping[str, torch.Size]) -> None:
        """Allocates tensors for a state dict with these `shapes`, by name, before it is loaded.

        Does nothing unless training finds the field's sizes. Raises ValueError for sizes that the
        config does not allow.
        """


class RadianceField(Field):
    """Density and color over a box, in two parts of which only the first depends on position.

    Part one, "space": `encode(positions) -> features`; where its end is a network that several
    architectures share, that is the part "features". Part two, "decoder": `density(features)` and
    `color(features, directions)`.

    Attributes:
        feature_dim: F, the number of features between the two parts.
    """

    feature_dim: int

    @abc.abstractmethod
    def encode(self, positions: Tensor) -> Tensor:
        """Features [N, F] at world positions [N, 3] inside the box."""

    @abc.abstractmethod
    def density(self, features: Tensor) -> Tensor:
        """Extinction [N] per world unit, >= 0, of features [N, F]."""

    @abc.abstractmethod
    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        """sRGB [N, 3] in [0, 1] of features [N, F] seen along unit directions [N, 3]."""

    def decode(self, features: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """`density` [N] and `color` [N, 3], which some fields compute faster together."""
        return self.density(features), self.color(features, directions)

    def density_first(self, positions: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Density [N] at world positions [N, 3], and a function that gives the features [M, F] at
        those of them with the indices [M], for `color` alone: for frames, few of whose samples show
        a color.

        The same as `encode` and `density` but for rounding; without gradients.
        """
        features = self.encode(positions)
        return self.density(features), lambda chosen: features.index_select(0, chosen)

    def density_at(self, positions: Tensor) -> Tensor:
        """Density [N] at world positions [N, 3], as `density_first` has it."""
        return self.density_first(positions)[0]

    @property
    def network_weights(self) -> int:
        """How many weights the networks hold that it asks at every point: what an answer costs; 0
        for a read-only field, of which none has a large network."""
        return 0

    def parameters_of_part(self, part: Part) -> list[nn.Parameter]:
        """The parameters of a part, for recipes that copy them; [] for a read-only field."""
        return []


def _take_sizes(field: Field, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    field.take_sizes({name.removeprefix(prefix): tensor.shape for name, tensor in state.items()})
