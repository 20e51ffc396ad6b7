"""Steps of a benchmark: each is one run, made once the steps that it needs are done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from ..errors import FormatError
from ..options.groups import Where
from .benchmark import BenchConfig
from .cells import Cell
from .process import Outcome
from .runs import Run


@dataclass(frozen=True)
class Asked:
    """What all steps of a benchmark know of it."""

    config: BenchConfig
    folder: Path
    where: Where


class Step(ABC):
    """One run: what it needs, how it is made of that, what it leaves to others."""

    cell: Cell | None = None  # of the matrix, that has its result by this step

    def __init__(self, asked: Asked, *needs: Step):
        self.asked, self.needs, self.done = asked, needs, False

    @property
    def ready(self) -> bool:
        return all(step.done for step in self.needs)

    @abstractmethod
    def make(self) -> Run | Outcome:
        """The run, or why there is none. Called when `ready`; OSError: a file cannot be read."""

    @abstractmethod
    def take(self, run: Run | None, outcome: Outcome) -> None:
        """Keeps the results of the run, or why there is none."""

    def made(self) -> Run | Outcome:
        """What `make` returns; of a file that cannot be read, what reading it would end in."""
        try:
            return self.make()
        except OSError as error:
            why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            return Outcome(FormatError.exit_code, why)

    def finish(self, run: Run | None, outcome: Outcome) -> None:
        """`take`, and steps that need this one become ready."""
        self.take(run, outcome)
        self.done = True
