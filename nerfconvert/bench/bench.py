"""bench: the conversion matrix. Every run is a child process; finished runs are not repeated."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import NerfConvertError
from ..files import write_json, write_text
from ..options.per_command import BenchOptions
from ..report.matrix import matrix_markdown, matrix_rows
from ..report.matrix_page import matrix_page
from ..report.receipt import strict
from ..runtime.alone import alone_in
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.signals import StopRequest, stop_on_signals
from .asked import asked_benchmark
from .benchmark import BenchConfig
from .cells import bench_document
from .executors import EXECUTORS, Executor
from .matrix_plan import MatrixPlan
from .process import Outcome
from .runs import Run
from .steps import Asked, Step

log = logging.getLogger(__name__)
OnProgress = Callable[[float, str], None]


class BenchInterruptedError(NerfConvertError):
    """A benchmark was stopped by a signal; everything finished so far is in its folder."""

    def __init__(self, signum: int):
        super().__init__("stopped; the same command goes on where it was")
        self.exit_code = 128 + signum


@with_backend
def bench(
    options: BenchOptions,
    *,
    argv: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    on_cell: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """The `bench` document; writes matrix.json, .csv, .md and bench.html after every run.

    `on_progress` receives the finished fraction of the runs and a status line, `on_cell` every new
    cell. A run that fails makes its cells fail and no others. Raises UsageError, FormatError,
    BackendError, BenchInterruptedError.
    """
    folder = options.output
    path, config = asked_benchmark(options)
    executor = EXECUTORS[options.executor]
    device = pick_device(options.where.device if executor.here else "cpu")
    about = {
        "version": __version__,
        "argv": list(argv),
        "config": os.path.relpath(path, folder),
        "data": os.path.relpath(config.data, folder) if config.data else None,
        "executor": options.executor,
        "machine": machine(device),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder), stop_on_signals() as stop:
        work = Bench(config, options, about, stop, on_progress, on_cell)
        with executor(work.asked, stop, work.hear) as runs:
            work.everything(runs)
        return work.write()


class Bench:
    """A benchmark in progress."""

    def __init__(
        self,
        config: BenchConfig,
        options: BenchOptions,
        about: dict[str, Any],
        stop: StopRequest,
        on_progress: OnProgress | None,
        on_cell: Callable[[dict[str, Any]], None] | None,
    ):
        self.config, self.options, self.about, self.stop = config, options, about, stop
        self.folder = options.output.absolute()
        self.on_progress, self.on_cell = on_progress, on_cell
        self.asked = Asked(config, self.folder, options.where)
        self.plan = MatrixPlan(self.asked)
        self.waiting = list(self.plan.steps)
        self.running: dict[Run, Step] = {}
        self.made: set[Path] = set()  # by this process

    def everything(self, executor: Executor) -> None:
        """Every step of the plan, in its order as far as `executor` makes one run at a time.

        Raises BenchInterruptedError, once what was running has saved its state.
        """
        while self.waiting or self.running:
            self._start_ready(executor)
            ended = executor.ended() if self.running else None
            step = self.running.pop(ended[0]) if ended else None
            if self.stop() and not self.running:
                raise BenchInterruptedError(self.stop.signum)
            if step and not self.stop():
                self._finish(step, *ended)

    def _start_ready(self, executor: Executor) -> None:
        """Starts what is ready, as many runs as there may be; finishes what is there already."""
        while len(self.running) < executor.at_once and not self.stop():
            step = next((step for step in self.waiting if step.ready), None)
            if step is None:
                return
            self.waiting.remove(step)
            run = step.made()
            if isinstance(run, Outcome):
                self._finish(step, None, run)
            elif self._is_there(run):
                self._finish(step, run, Outcome(0, None))
            else:
                self.running[run] = step
                executor.start(run)

    def hear(self, run: Run, line: str) -> None:
        """Passes on what a run prints."""
        if self.on_progress:
            left = len(self.waiting) + len(self.running)
            self.on_progress(1 - left / len(self.plan.steps), f"{run.title}: {line}")

    def _is_there(self, run: Run) -> bool:
        """Whether the run need not be made, or not again."""
        if self.options.overwrite and run.target not in self.made:
            run.forget()
        self.made.add(run.target)
        return run.finished()

    def _finish(self, step: Step, run: Run | None, outcome: Outcome) -> None:
        step.finish(run, outcome)
        self.write()
        if step.cell and self.on_cell:
            self.on_cell(strict(step.cell.entry()))

    def write(self) -> dict[str, Any]:
        """The document as it stands; written to the folder, each file atomically."""
        document = bench_document(self.config, self.plan.cells, self.about)
        document["equal_quality"] = [equal.entry() for equal in self.plan.equal] or None
        if not self.plan.equal:
            document["equal_quality_reason"] = self.config.no_equal_quality
        document = strict(document)
        write_json(self.folder / "matrix.json", document)
        rows = matrix_rows(document)
        table = io.StringIO()
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.folder / "matrix.csv", table.getvalue())
        write_text(self.folder / "matrix.md", matrix_markdown(document))
        write_text(self.folder / "bench.html", matrix_page(document))
        return document
