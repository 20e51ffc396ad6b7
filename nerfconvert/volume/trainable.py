"""TrainableField: what a field must provide to be trained, distilled into or planned."""

from __future__ import annotations

import abc
import enum
from dataclasses import dataclass

from torch import Tensor, nn

from .field import Field, Part, RadianceField
from .pace import Pace
from .visibility import Visibility


class Role(enum.Enum):
    """What a parameter does, which decides how it is optimized and what it costs.

    A row table is [V, C] and a matrix [m, n], with no other number of dimensions: their optimizers
    update rows and orthogonalize matrices. Tables and vectors have any shape.
    """

    TABLE = "table"  # entries looked up by position: a step touches few of them
    ROW_TABLE = "row table"  # the same with long rows, worth updating one row at a time
    MATRIX = "matrix"  # a hidden layer of a network
    VECTOR = "vector"  # biases, and the few rows of a network's last layer


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters of one part of a field that have one role. Raises ValueError for a row table or a
    matrix without exactly two dimensions."""

    part: Part
    role: Role
    parameters: list[nn.Parameter]

    def __post_init__(self):
        if self.role not in (Role.ROW_TABLE, Role.MATRIX):
            return
        for parameter in self.parameters:
            if parameter.ndim != 2:
                raise ValueError(
                    f"a {self.role.value} has two dimensions, got the shape "
                    f"{list(parameter.shape)}; Role.TABLE and Role.VECTOR take any"
                )


class TrainableField(Field):
    """A field that can be trained by gradients, or distilled into.

    Attributes:
        sparse_gradients: row tables get sparse gradients, of the rows that a step touched, and
            those of tables are kept between steps. Off unless the trainer sets it for a run: few
            optimizers support them.
        start_share: part of a budget in seconds that all before the first step may take.
        starts_fitted: `initialize_from` leaves density and color fitted to the teacher at every
            place, so that only rendered rays say what is still to be learnt.
        fitted: it has done so.
    """

    sparse_gradients: bool = False
    start_share: float = 1 / 3
    starts_fitted: bool = False
    fitted: bool = False

    @abc.abstractmethod
    def parameter_groups(self) -> list[ParameterGroup]:
        """Groups that together hold every parameter once."""

    def parameters_of(self, *roles: Role) -> list[nn.Parameter]:
        """The parameters that have one of these roles."""
        groups = (group for group in self.parameter_groups() if group.role in roles)
        return [parameter for group in groups for parameter in group.parameters]

    def count_of(self, *roles: Role) -> int:
        """How many numbers the parameters that have one of these roles hold."""
        return sum(parameter.numel() for parameter in self.parameters_of(*roles))

    @property
    def network_weights(self) -> int:
        return self.count_of(Role.MATRIX)

    def parameters_of_part(self, part: Part) -> list[nn.Parameter]:
        groups = (group for group in self.parameter_groups() if group.part == part)
        return [parameter for group in groups for parameter in group.parameters]

    def density_factors(self) -> list[Tensor]:
        """The planes and lines whose products sum up to raw density, which TensoRF and PVD keep
        sparse; [] where density is no sum of products."""
        return []

    def initialize_from(self, teacher: RadianceField, visibility: Visibility, pace: Pace) -> None:
        """Initializes the parameters from `teacher` in closed form, before any gradient step.

        Called once, when `occupancy` already covers the teacher's; may allocate parameters for the
        occupied cells only. It does what `pace` leaves time for, and reports to it; without a
        limit it is the same on every machine. Does nothing by default, for an architecture that no
        closed form helps.
        """

    def start_coarse(self) -> None:
        """Sets a new field, whose values mean nothing yet, to the resolution at which training from
        images begins. Does nothing by default, for an architecture with one resolution."""

    def refine(self, fraction: float) -> bool:
        """Raises the resolution when `fraction` (0 to 1, of the training budget) calls for it.

        True: parameters were replaced by finer ones of nearly the same function; their optimizer
        must be rebuilt. An architecture with one resolution, the default, returns False.
        """
        return False

    def trained_size(self) -> tuple[int, int]:
        """(parameters, bytes of all else that is saved) at the final resolution of `refine`.

        For planning: depends on config and occupancy only, so it also works without memory.
        """
        names = {name for name, _ in self.named_parameters()}
        others = (t for name, t in self.state_dict().items() if name not in names)
        return self.parameter_count, sum(t.numel() * t.element_size() for t in others)
