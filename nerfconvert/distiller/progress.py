"""What a running optimisation tells its caller, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """One report, a few times a second."""

    stage: str
    step: int
    seconds: float  # on the training clock
    fraction: float  # of the budget, 0 to 1
    psnr: float | None  # dB of the student's rays against their targets, smoothed; None at first
    rays: int  # so far
    samples: int  # so far, evaluated by the student


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
