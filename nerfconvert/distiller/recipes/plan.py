"""Task and Plan: what a recipe is given, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ...renderer.cameras import Cameras
from ...volume import RadianceField
from ..clock import Clock
from ..config import DistillConfig
from ..descent import Stage, Stepper
from ..optimizers import Optimizers


@dataclass(frozen=True, kw_only=True)
class Task:
    """A student that has the teacher's occupancy already and is to learn the rest."""

    teacher: RadianceField
    student: RadianceField
    cameras: Cameras  # views to be right in
    config: DistillConfig
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stages of a distillation and how to step.

    `begin` is work before the first step that a resumed run need not repeat; `finish` comes after
    the last step. A recipe is a function from a Task to a Plan; what it does to the student itself
    is done again when a run is resumed, before the saved state is loaded.
    """

    stages: list[Stage]
    begin: Callable[[], None]
    finish: Callable[[], None]
    optimizers: Callable[[dict[str, list[nn.Parameter]]], Stepper] = Optimizers
