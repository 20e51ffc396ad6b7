"""RadianceField: the one interface between architectures and everything else."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .aabb import Aabb
from .occupancy import OccupancyGrid
from .sight import Sight


@dataclass(frozen=True, kw_only=True)
class FieldInfo:
    """What a field means, apart from its weights. Saved with it as JSON."""

    aabb: Aabb
    frame: Literal["world", "ndc"] = "world"
    background: Literal["white", "black"] = "white"  # what the source program composited on
    provenance: dict[str, Any] = field(default_factory=dict)  # strings and numbers; free form


class RadianceField(nn.Module, abc.ABC):
    """Density and color over a box, split in two: *encode* holds all of space, *decode* none of it.

    Part one: `encode(positions) -> features`. Part two: `density(features)` and
    `color(features, directions)`. Every adapter is final: nobody inherits from it.

    Attributes every adapter has:
        config: frozen dataclass, JSON-able; with `info` enough to rebuild the module.
        info: FieldInfo.
        occupancy: OccupancyGrid over `aabb`; starts full.
        architecture: the name in the ADAPTERS table.
        feature_dim: F, the width of the joint between the two parts.
        sparse_gradients: large tables may have sparse gradients, of the rows that were touched.
            Off unless the optimizer sets it: few can do with them.
    """

    architecture: str
    config: Any
    feature_dim: int
    sparse_gradients: bool = False

    def __init__(self, info: FieldInfo, occupancy_resolution: int = 128):
        super().__init__()
        self.info = info
        self.occupancy = OccupancyGrid(occupancy_resolution)

    @property
    def aabb(self) -> Aabb:
        """The world box outside of which the field is empty."""
        return self.info.aabb

    @property
    def device(self) -> torch.device:
        """Where it lives and wants its positions."""
        return self.occupancy.words.device

    def occupied_box(self) -> Aabb | None:
        """World box of the occupied cells; None where there are none."""
        bounds = self.occupancy.bounds()
        if bounds is None:
            return None
        low, high = (self.aabb.from_unit(corner.cpu()).tolist() for corner in bounds)
        return Aabb(low, high)

    @property
    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def trained_size(self) -> tuple[int, int]:
        """(parameters, bytes of all else that is saved) once it is as fine as `refine` makes it.

        For planning: asks config and occupancy only, also of a field without memory.
        """
        names = {name for name, _ in self.named_parameters()}
        others = (t for name, t in self.state_dict().items() if name not in names)
        return self.parameter_count, sum(t.numel() * t.element_size() for t in others)

    @abc.abstractmethod
    def encode(self, positions: Tensor) -> Tensor:
        """Features [N, F] at world positions [N, 3] inside the box."""

    @abc.abstractmethod
    def density(self, features: Tensor) -> Tensor:
        """Extinction [N] per world unit, >= 0, of features [N, F]."""

    @abc.abstractmethod
    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        """sRGB [N, 3] in [0, 1] of features [N, F] seen along unit directions [N, 3]."""

    @abc.abstractmethod
    def parameter_groups(self) -> dict[Literal["space", "decoder"], list[nn.Parameter]]:
        """Every parameter once: `space` belongs to part one, `decoder` to part two.

        Empty lists for a read-only field.
        """

    @abc.abstractmethod
    def start_from(self, teacher: RadianceField, sight: Sight) -> bool:
        """Sets the parameters near `teacher` in closed form, before any gradient step.

        Called once, when `occupancy` already covers the teacher's; may allocate parameters for
        the occupied cells only. `sight` weighs directions. False: there is no closed form that
        helps this architecture, nothing was changed.
        """

    @abc.abstractmethod
    def refine(self, fraction: float) -> bool:
        """Raises its resolution where `fraction` (0 to 1, of the training budget used) says so.

        True: parameters were replaced by others of the same function, as close as may be; their
        optimizer must start anew. An architecture of one resolution returns False.
        """
