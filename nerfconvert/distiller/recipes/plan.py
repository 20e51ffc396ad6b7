"""Task and Plan: what a recipe is given, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...renderer.cameras import Cameras
from ...volume import Pace, RadianceField, TrainableField
from ..config import DistillConfig
from ..optimizers import OptimizerMaker, RoleOptimizer
from ..progress import Clock
from ..stages import Stage
from ..trainer import Stateful


@dataclass(frozen=True, kw_only=True)
class Task:
    """A student that has the teacher's occupancy already and is to learn the rest."""

    teacher: RadianceField
    student: TrainableField
    cameras: Cameras  # views to be right in
    config: DistillConfig
    clock: Clock


def _nothing() -> None: ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stages of a distillation and how to step.

    A recipe is a function from a Task to a Plan that changes nothing: `begin` is all work before
    the first step, within a `Pace`, which a resumed run does not repeat, and says whether the
    student is near its teacher now; `finish` comes after the last step.
    """

    stages: list[Stage]
    begin: Callable[[Pace], bool]
    finish: Callable[[], None] = _nothing
    shared: Stateful | None = None  # what the stages share and a resumed run needs
    new_optimizer: OptimizerMaker = RoleOptimizer
