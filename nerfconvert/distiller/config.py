"""Budget of a distillation. Imports no torch, so that `--help` stays fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .samplers import SAMPLERS


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """Budget and seed of one distillation or training; exactly one of `seconds` and `steps`."""

    seconds: float | None = 120.0  # wall clock of all work on the student, teacher queries included
    steps: int | None = None  # gradient steps
    seed: int = 0
    memory_mb: int = 1024  # limit of the buffer of the teacher's answers
    empty: Literal["nowhere", "near", "everywhere"] = "nowhere"  # beside its samples, where else
    active: tuple[str, ...] = ()  # samplers of active learning, of SAMPLERS

    def __post_init__(self):
        if (self.seconds is None) == (self.steps is None):
            raise ValueError("give exactly one of seconds and steps")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds must be positive, got {self.seconds}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.memory_mb < 16:
            raise ValueError(f"memory_mb must be at least 16, got {self.memory_mb}")
        if not set(self.active) <= set(SAMPLERS):
            raise ValueError(f"active must be among {', '.join(SAMPLERS)}, got {self.active}")
