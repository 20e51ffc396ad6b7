"""What a running optimisation has spent, what it tells its caller, and what it leaves behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from .config import DistillConfig


class Clock:
    """How much of a budget of seconds or steps is used, pauses excluded."""

    def __init__(self, config: DistillConfig):
        self.config = config
        self._start = time.monotonic()
        self._paused_at: float | None = None

    @property
    def seconds(self) -> float:
        """Spent so far."""
        now = time.monotonic() if self._paused_at is None else self._paused_at
        return now - self._start

    def fraction(self, step: int) -> float:
        """Used part of the budget, at most 1. By steps it does not depend on the machine."""
        if self.config.steps is not None:
            return min(1.0, step / self.config.steps)
        return min(1.0, self.seconds / self.config.seconds)

    def go_on_from(self, spent: float) -> None:
        """Counts on from the `spent` seconds of an earlier run."""
        self._start = time.monotonic() - spent

    def pause(self) -> None:
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        self._start += time.monotonic() - self._paused_at
        self._paused_at = None


@dataclass(frozen=True)
class Progress:
    """One report, a few times a second."""

    stage: str
    step: int
    seconds: float  # on the training clock
    fraction: float  # of the budget, 0 to 1; of all of its time where a command reports
    psnr: float | None  # dB; of the student's rays against their targets, smoothed; None at first
    rays: int  # so far
    samples: int  # so far, evaluated by the student
    left: float | None = None  # seconds until the command ends, as far as known

    def counts(self) -> dict[str, float]:
        """What a point of a curve was reached with."""
        return {
            "seconds": self.seconds,
            "steps": self.step,
            "rays": self.rays,
            "samples": self.samples,
        }


@dataclass(frozen=True)
class StageRecord:
    """One finished stage."""

    name: str
    steps: int
    seconds: float
    psnr_end: float | None


@dataclass(frozen=True)
class Distilled:
    """The account of a finished (or interrupted) optimisation."""

    stages: list[StageRecord]
    steps: int
    rays: int  # of all processes together
    samples: int  # likewise
    seconds: float  # training clock; evaluations at checkpoints excluded
    initialise_s: float  # part of it before the first gradient step
    psnr_initial: float | None  # of the probe views before the first gradient step
    interrupted: bool
    curve: list[Any]  # what the caller measured at its checkpoints
