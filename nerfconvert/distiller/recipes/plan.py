"""Task and Plan: input and output of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...renderer.cameras import Cameras
from ...volume import Pace, RadianceField, TrainableField
from ..config import DistillConfig
from ..optimizers.by_role import OptimizerMaker, RoleOptimizer
from ..progress import Clock
from ..stages import Stage
from ..trainer import Stateful


@dataclass(frozen=True, kw_only=True)
class Task:
    """A student that already has the teacher's occupancy, to be distilled from the teacher."""

    teacher: RadianceField
    student: TrainableField
    cameras: Cameras  # views in which the student is to match
    config: DistillConfig
    clock: Clock


def _nothing() -> None: ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stages of a distillation and its optimizer.

    A recipe is a function from a Task to a Plan that changes nothing: `begin` is all work before
    the first step, within a `Pace`, which a resumed run does not repeat; `finish` comes after the
    last step.
    """

    stages: list[Stage]
    begin: Callable[[Pace], None]
    finish: Callable[[], None] = _nothing
    shared: Stateful | None = None  # state that the stages share, saved for a resumed run
    new_optimizer: OptimizerMaker = RoleOptimizer
