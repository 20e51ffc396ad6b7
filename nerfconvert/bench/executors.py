"""Executors: where the runs of a benchmark are made, and how many of them at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from ..registry import Registry
from ..runtime.extras import require
from .process import Outcome
from .runs import Run
from .steps import Asked

EXECUTORS = Registry(
    "executor",
    {
        "local": "nerfconvert.bench.local_runs:LocalRuns",
        "ray": "nerfconvert.bench.ray_runs:RayRuns",
    },
)


class Executor(ABC):
    """Makes runs; leaves the files of each in the benchmark's folder before it says how it ended.

    `on_line` receives lines that a run prints. When `should_stop` returns True, runs in progress
    save their state and end; what they have saved is in the folder, too.
    """

    at_once: float = 1  # runs that may be started before one has ended
    here = True  # whether runs compute on this very machine
    package: str | None = None  # that it needs; the extra has the same name

    def __init__(
        self, asked: Asked, should_stop: Callable[[], bool], on_line: Callable[[Run, str], None]
    ):
        self.asked, self.should_stop, self.on_line = asked, should_stop, on_line

    @classmethod
    def require(cls) -> None:
        """Raises BackendError where the package for it is missing. Imports no torch."""
        if cls.package is not None:
            require(cls.package, extra=cls.package, of=f"bench --executor {cls.package}")

    @abstractmethod
    def __enter__(self) -> Executor:
        """Ready to take runs."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Runs that have not ended are given up."""

    @abstractmethod
    def start(self, run: Run) -> None:
        """Takes a run; not more than `at_once` that have not ended."""

    @abstractmethod
    def ended(self) -> tuple[Run, Outcome]:
        """Waits for the next run that ends."""
